// Package aws stands in for the AWS SDK, whose EC2 package alone costs minutes of compile time.
// kube-router uses it for one cloud-only call (switching off EC2's source/destination check);
// every call answers ErrNotBuilt, nothing is pretended.
package aws

import "errors"

// ErrNotBuilt says why a call cannot be served and what to do instead.
var ErrNotBuilt = errors.New("this kube-router is built without the AWS SDK: switch off the EC2 source/destination check yourself and start it with --disable-source-dest-check=false")

// Config carries the only field that kube-router sets.
type Config struct{ Region string }

// String returns a pointer to s.
func String(s string) *string { return &s }

// Bool returns a pointer to b.
func Bool(b bool) *bool { return &b }
