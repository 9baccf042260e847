// Package imds stands in for the EC2 metadata client; see the aws stub.
package imds

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Client has no connection.
type Client struct{}

// GetRegionInput is empty, as in the SDK.
type GetRegionInput struct{}

// GetRegionOutput is never returned without an error.
type GetRegionOutput struct{ Region string }

// NewFromConfig makes a client whose calls all fail.
func NewFromConfig(aws.Config) *Client { return &Client{} }

// GetRegion always fails.
func (*Client) GetRegion(context.Context, *GetRegionInput) (*GetRegionOutput, error) {
	return nil, aws.ErrNotBuilt
}
