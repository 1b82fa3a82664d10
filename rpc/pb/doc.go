// Package pb is the generated code of the stream between controller and agent,
// see lepton.proto. Package rpc turns its messages into records and back.
package pb
