// Package scale runs a cloud that is far larger than its machine: simulated
// agents on real streams, against a real lepton-controller and a real etcd.
//
//	agents (this process) ══ gRPC, mutual TLS ══▶ lepton-controller ──▶ etcd
//	      ▲                                             ▲
//	      └── compared with what ── truth ◀── REST API ─┘
//
// A simulated agent is the real agent's end of the stream (agent/session) with
// nothing behind it but digests of the records: it takes snapshots and differences, says
// that its ports are wired, acknowledges, and sends heartbeats. What it should
// know is worked out a second time, from the answers of the API alone and
// without the controller's own code for it, so a host that was told too little,
// too much, or something old is found.
package scale
