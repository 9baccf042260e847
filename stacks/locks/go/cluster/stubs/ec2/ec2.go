// Package ec2 stands in for the EC2 client; see the aws stub.
package ec2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Client has no connection.
type Client struct{}

// ModifyInstanceAttributeInput holds the two fields that kube-router fills.
type ModifyInstanceAttributeInput struct {
	InstanceId      *string
	SourceDestCheck *types.AttributeBooleanValue
}

// ModifyInstanceAttributeOutput is never returned without an error.
type ModifyInstanceAttributeOutput struct{}

// NewFromConfig makes a client whose calls all fail.
func NewFromConfig(aws.Config) *Client { return &Client{} }

// ModifyInstanceAttribute always fails.
func (*Client) ModifyInstanceAttribute(context.Context, *ModifyInstanceAttributeInput) (*ModifyInstanceAttributeOutput, error) {
	return nil, aws.ErrNotBuilt
}
