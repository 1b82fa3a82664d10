// Package store is what the controller needs of its database: atomic
// transactions with conditions, consistent ranges, an ordered watch, and the
// revision of the last write.
//
//	Txn    all conditions hold → all operations happen, at one revision
//	Range  every key under a prefix as of one revision
//	Watch  every later change, one batch a revision, in order, none left out
//	Head   the revision of the last acknowledged write, through any client
//
// There are no locks and no leases: several controllers write at once, and
// what must be unique is a key that a transaction creates. Package store/etcd
// keeps the data in etcd, embedded or external; store/mem in memory, for tests;
// store/storetest holds the one set of tests that both must pass.
package store
