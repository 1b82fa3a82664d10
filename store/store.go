package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Store is a flat, ordered map of keys to values under one root, with a
// revision that grows with every transaction. Implementations are safe for
// concurrent use. Keys are relative to the root; they are not empty and do not
// begin with a dot, which is reserved for the store's own keys.
type Store interface {
	// Txn applies all operations at one revision if all conditions hold, and
	// none otherwise. A condition that does not hold is no error: OK is false.
	// An error that is ErrUnavailable leaves open whether the operations happened.
	Txn(ctx context.Context, txn Txn) (Result, error)

	// Range visits every key that begins with prefix, in key order, as of the
	// one revision that it returns; "" is every key. It fails with ErrCompacted
	// when the revision was compacted away meanwhile; what was visited is then
	// of no use.
	Range(ctx context.Context, prefix string, visit func(KV) error) (int64, error)

	// Scan gives the first keys of a range, in key order, as they are now.
	Scan(ctx context.Context, s Scan) ([]KV, error)

	// Count is how many keys there are from one on, up to but without another.
	Count(ctx context.Context, from, to string) (int, error)

	// Watch delivers every change after revision from, one batch a revision, in
	// order. The channel is closed when ctx ends, and after a batch that has Err:
	// ErrCompacted when from is too old (the caller reads everything again),
	// ErrUnavailable otherwise (the caller watches again from what it has seen).
	// A batch may be empty of events.
	Watch(ctx context.Context, from int64) <-chan Batch

	// Head is the revision of the last transaction that was acknowledged to any
	// client of the store before the call. Watch delivers a batch for it.
	Head(ctx context.Context) (int64, error)

	// Close stops what the store runs. Watches end with ErrUnavailable.
	Close() error
}

// Txn is an atomic change. No key may be in two operations.
type Txn struct {
	Conds []Cond
	Ops   []Op
}

// Result is the outcome of a transaction.
type Result struct {
	// OK tells that the conditions held and the operations happened.
	OK bool
	// Revision is the revision of the operations when OK; otherwise it is the
	// head at the moment the conditions were checked.
	Revision int64
}

// Scan says which keys are wanted: those from From on, up to but without To, at
// most Limit of them, which is not 0. KeysOnly leaves their values away.
type Scan struct {
	From, To string
	Limit    int
	KeysOnly bool
}

// KV is a key as it was last written. The value belongs to the store and must
// not be changed.
type KV struct {
	Key   string
	Value []byte
	// Revision is the revision of the last transaction that put the key.
	Revision int64
}

// Event is a change of one key. A deletion has no value.
type Event struct {
	KV
	Deleted bool
}

// Batch is everything that happened at one revision.
type Batch struct {
	Revision int64
	Events   []Event
	// Err ends the watch; a batch that has it carries nothing else.
	Err error
}

// Cond is a condition of a transaction; see Unchanged, Absent and NoneNewer.
type Cond struct {
	Key string
	// Prefix makes the condition one on every key that begins with Key.
	Prefix bool
	// Revision is that of the last put, exactly for a single key (0: the key
	// does not exist), at most for a prefix.
	Revision int64
}

// Unchanged holds while the key was last put at the revision; 0 stands for a
// key that does not exist.
func Unchanged(key string, revision int64) Cond { return Cond{Key: key, Revision: revision} }

// Absent holds while the key does not exist.
func Absent(key string) Cond { return Cond{Key: key} }

// NoneNewer holds while no existing key under the prefix was put after the
// revision. With revision 0 it holds while there is no key at all.
func NoneNewer(prefix string, revision int64) Cond {
	return Cond{Key: prefix, Prefix: true, Revision: revision}
}

// Op is a change of one key; see Put and Delete.
type Op struct {
	Key     string
	Value   []byte
	Deleted bool
}

// Put writes a key. The value must not be changed afterwards.
func Put(key string, value []byte) Op { return Op{Key: key, Value: value} }

// Delete removes a key; one that does not exist is left so.
func Delete(key string) Op { return Op{Key: key, Deleted: true} }

// Errors that callers tell apart, by errors.Is.
var (
	// ErrUnavailable is a store that does not answer, or answers that it cannot
	// write: no quorum, no space. Whether a transaction happened is not known.
	ErrUnavailable = errors.New("store unavailable")
	// ErrFull is a store that has no space for more; it is an ErrUnavailable too.
	// The transaction did not happen. Only an operator ends that.
	ErrFull = fmt.Errorf("%w: no space", ErrUnavailable)
	// ErrCompacted is a revision that the store no longer remembers.
	ErrCompacted = errors.New("revision compacted")
	// ErrTooLarge is a transaction beyond the store's limits of operations or bytes.
	ErrTooLarge = errors.New("transaction too large")
)

// Check finds what no store accepts in a transaction: bad keys, and a key with
// two operations.
func (t Txn) Check() error {
	for _, c := range t.Conds {
		if err := checkKey(c.Key, c.Prefix); err != nil {
			return err
		}
	}
	seen := make(map[string]bool, len(t.Ops))
	for _, o := range t.Ops {
		if err := checkKey(o.Key, false); err != nil {
			return err
		}
		if seen[o.Key] {
			return fmt.Errorf("key %q has two operations in one transaction", o.Key)
		}
		seen[o.Key] = true
	}
	return nil
}

func checkKey(key string, prefix bool) error {
	if key == "" && !prefix {
		return errors.New("empty key")
	}
	if strings.HasPrefix(key, ".") {
		return fmt.Errorf("key %q begins with a dot", key)
	}
	return nil
}

// Member is a member of the cluster that a store is in.
type Member struct {
	Name      string
	Endpoints []string
	Leader    bool
	Version   string
	// Size is that of the database file in bytes, InUse what of it is not free.
	Size, InUse int64
	Revision    int64
	// Error says what is wrong with it; "" for nothing.
	Error string
}
