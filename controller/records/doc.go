// Package records is the controller's database: typed tables over the store.
//
// Every controller holds all records in memory, indexed, fed by a watch on the
// store. Readers work on an immutable view of one revision, without a lock:
//
//	store ──watch──▶ applier ──publishes──▶ view ◀── Read, ReadStale
//	  ▲                 │                    ▲
//	  │                 └─ OnApply           └────── Update (optimistic)
//	  └────────────────── transaction ───────────────┘
//
// A Read sees at least everything that was acknowledged before it, through any
// controller: it asks the store for its head and waits until the view has it.
// An Update runs a function that reads from a view and buffers changes; the
// records that it read or changed one by one, and the claims that it took, are
// the conditions of the one transaction that commits it. When they no longer
// hold, the function runs again on a newer view.
//
// A claim is a key that can be taken once: an address, a MAC, a segment id, a
// name. Uniqueness, and "nothing uses this", are claims, so that any number of
// controllers can write at once without locks.
//
// Tables and indexes are declared in tables.go, one line each. Records are
// never changed once they were put or handed out; pointers to them may be kept.
package records
