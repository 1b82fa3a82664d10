// Package ovsdb talks to Open vSwitch's configuration database: it watches
// bridges, ports, interfaces and controllers, and changes them in batches.
//
//	          ┌──────────── Client ────────────┐
//	consumer  │  replica (own copy, by name)   │◄── update ───┐
//	  State ◄─┤  dirty names ─► Changes()      │              │ ovsdb-server
//	 Commit ─►│  ops → one transaction ────────┼── transact ──┘
//	          └────────────────────────────────┘
//
// The Client keeps its own copy of the few columns that matter. A consumer is
// level-triggered: Changes fires, TakeDirty names what changed since it was
// last asked, State or Interface gives the present values. After a lost
// connection the Client reconnects for ever; once the copy is complete again
// TakeDirty says Full.
//
// A change is a value (an Op), so that a planner can be a pure function and its
// answer can be compared and printed. Commit sends any number of them as one
// database transaction: all or nothing.
//
// The protocol is RFC 7047 as ovsdb-server speaks it; the tables and columns
// are those of ovs-vswitchd.conf.db(5). Operations are encoded with the wire
// types of github.com/ovn-kubernetes/libovsdb. Its client is not used: it keeps
// every monitored column by reflection, blocks for ever on a peer that stops
// reading, takes a lost connection for a live one and panics on a malformed
// message. Bridge.ports is never monitored: the server and every client would
// copy and compare the whole set at each new port. Use PortsOf.
package ovsdb
