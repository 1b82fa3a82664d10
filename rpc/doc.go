// Package rpc is the language between controller and agent: the protobuf
// service in rpc/pb, and its translation to and from the records of package
// model.
//
//	controller                              agent
//	    ◀── Hello ────────────────────────────      who I am
//	    ─── Welcome, Update(full) ───────────▶      all that the host must know
//	    ─── Update, Update … ────────────────▶      differences, in order
//	    ◀── Ack, Report, Heartbeat ───────────      what became of it
//
// Nothing that arrives is trusted: a record with an impossible field is left
// out and named in Update.Rejected, the others of the same message are used.
package rpc

//go:generate protoc -I pb --go_out=pb --go_opt=paths=source_relative --go-grpc_out=pb --go-grpc_opt=paths=source_relative pb/lepton.proto
