// Package types holds the one EC2 type that kube-router names.
package types

// AttributeBooleanValue wraps an optional boolean, as in the SDK.
type AttributeBooleanValue struct{ Value *bool }
