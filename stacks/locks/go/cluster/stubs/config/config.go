// Package config stands in for the AWS SDK's loader; see the aws stub.
package config

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// LoadOption is accepted and has no effect.
type LoadOption struct{}

// WithRetryMaxAttempts is accepted and has no effect.
func WithRetryMaxAttempts(int) LoadOption { return LoadOption{} }

// LoadDefaultConfig always fails.
func LoadDefaultConfig(context.Context, ...LoadOption) (aws.Config, error) {
	return aws.Config{}, aws.ErrNotBuilt
}
