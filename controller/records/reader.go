package records

import "iter"

// Reader is the records as of one revision: what Read gives, or an Update with
// the changes it has buffered. It stays valid, and the same, after the function
// that it was given to has returned, except for an Update's.
type Reader interface {
	// Revision is the store's revision that the reader shows.
	Revision() int64
	// Claimed tells who has taken a key.
	Claimed(key string) (owner string, ok bool)
	// ClaimsUnder gives the taken keys that begin with prefix, in order, and
	// their owners.
	ClaimsUnder(prefix string) iter.Seq2[string, string]

	lookup(t *tableDef, id string) any
	scan(t *tableDef, after string, yield func(rec any) bool)
	scanIndex(x *indexDef, key string, yield func(rec any) bool)
	count(t *tableDef) int
}

// Batch is what one revision changed.
type Batch struct {
	Revision int64
	// Full marks a batch that holds every record there is, as a new one or with
	// its previous value, and after it the records that have vanished since the
	// batch before. It is the first batch, and the one after a gap in the watch.
	Full    bool
	Changes []Change
}

// Change is one record's change. Old is nil for a new record and New for one
// that was deleted; otherwise they are pointers to the record type of the table:
// see Table.Change.
type Change struct {
	Table    string
	ID       string
	Old, New any
}
