// Package interest computes what each host must know: its interest set.
//
// A host is interested in
//
//   - the networks that have a port bound on it: with their subnets, every bound
//     port of them on whatever host, and the tunnel endpoints of the hosts that it
//     shares a tunnelled network with. Of a network with several segments it
//     learns the one that it is on, and nothing of hosts on others;
//   - the security groups of its own ports: with their rules, the members of the
//     groups that these rules name as remote, and the address groups;
//   - the routers that are on it, and the distributed ones on the networks of its
//     guests, these with all of their networks as if it had ports there: with
//     their interfaces, floating addresses, forwardings and helpers, and the
//     networks and subnets that they are on;
//   - the networks that it serves with DHCP: with their subnets and every port;
//   - the logs, trunks and QoS policies of all these.
//
// What belongs together is a topic. A record of the store comes to items of
// topics (a port is an item of its network and a member of each of its groups)
// and to reasons: why a host needs a topic, or why one topic needs another. All
// of it follows from that record alone, see derive.
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
