// Package interest computes what each host must know: its interest set.
//
// A host is interested in the networks that have a port bound on it, in their
// subnets, in every bound port of those networks on whatever host, and in the
// tunnel endpoints of the hosts that it shares a tunnelled network with. Of a
// network with several segments it learns the one that it is on, and nothing of
// hosts on others.
//
//	records ──Apply(batch)──▶ Engine ──marks──▶ Feed of each connected host
//	                            ▲                     │
//	                            └──────── Next ◀──────┘  rpc.Update
//
// A batch of changes only marks, for the hosts that it concerns, which records
// to look at again; the work is proportional to the change and to the number
// of hosts that must learn of it. Next resolves the marks of one host against
// the engine's present state. So an update is always the exact difference
// between two revisions, however many batches lie between them, a slow host
// gets fewer and larger updates, and what waits for it is bounded by a number
// of marks, above which a snapshot replaces them.
//
// The engine does no I/O and starts nothing. It belongs to one goroutine.
package interest
