// Package model holds the records that controller and agent share: networks,
// subnets, ports, security groups, hosts, and the validation of them that
// needs no I/O.
//
// A record is a plain value. The controller stores it as JSON, the stream to
// the agents carries the part of it that a host needs, and the pipeline
// compiles it to flows. Records are never changed in place once they have been
// handed out: whoever wants another value makes a copy.
package model
