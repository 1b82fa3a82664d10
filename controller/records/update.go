package records

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/store"
)

// Update is one run of the function given to DB.Update: a Reader that shows the
// changes it has buffered. It is of no use after the function has returned, and
// not for concurrent use.
type Update struct {
	overlay
	guards   map[string]int64 // store key → revision it must still have
	reserved *reservations
	ticket   *ticket
	// pending is another update of this process that holds a key which this one
	// wanted to claim; the outcome is not known yet.
	pending *ticket
	free    []string // prefixes under which nothing may be claimed
	settled []string // prefixes under which nothing may be claimed meanwhile
}

func newUpdate(v *view, r *reservations, t *ticket) *Update {
	return &Update{
		overlay:  overlay{base: v, rows: map[*tableDef]map[string]any{}, taken: map[string]claimChange{}},
		guards:   map[string]int64{},
		reserved: r,
		ticket:   t,
	}
}

// Peek reads what the update reads, without making it a condition of the commit.
func (u *Update) Peek() Reader { return &u.overlay }

// lookup reads with a guard.
func (u *Update) lookup(t *tableDef, id string) any {
	u.guard(t, id)
	return u.overlay.lookup(t, id)
}

func (u *Update) guard(t *tableDef, id string) {
	key := recordKey(t, id)
	if _, ok := u.guards[key]; ok {
		return
	}
	u.guards[key] = 0
	if r := u.base.row(t, id); r != nil {
		u.guards[key] = r.revision
	}
}

// put buffers a record, or a deletion when rec is nil.
func (u *Update) put(t *tableDef, id string, rec any) {
	u.guard(t, id)
	rows := u.rows[t]
	if rows == nil {
		rows = map[string]any{}
		u.rows[t] = rows
	}
	rows[id] = rec
}

// Claim takes a key for an owner. It fails with *TakenError when the key is
// taken, by this update or any other; that another controller takes it at the
// same moment makes the update run again.
func (u *Update) Claim(key, owner string) error {
	if have, ok := u.Claimed(key); ok {
		return &TakenError{Key: key, Owner: have}
	}
	if change, ok := u.taken[key]; ok { // released before in this update
		change.owner, change.released = owner, false
		u.taken[key] = change
		return nil
	}
	if other, by := u.reserved.take(u.ticket, claimKey(key), owner); other != nil {
		if u.pending == nil {
			u.pending = other
		}
		return &TakenError{Key: key, Owner: by}
	}
	u.taken[key] = claimChange{owner: owner}
	return nil
}

// Release gives a key back. One that is not taken is left so.
func (u *Update) Release(key string) {
	if change, ok := u.taken[key]; ok {
		if change.revision == 0 { // claimed in this update
			delete(u.taken, key)
			u.reserved.drop(u.ticket, claimKey(key))
			return
		}
		change.released = true
		u.taken[key] = change
		return
	}
	if c, ok := u.base.claims.Get(claim{key: key}); ok {
		u.taken[key] = claimChange{released: true, revision: c.revision}
	}
}

// RequireNoClaims makes it a condition of the commit that nothing is claimed
// under the prefix, but by this update. DB.Update fails with *InUseError when
// something is.
func (u *Update) RequireNoClaims(prefix string) { u.free = append(u.free, prefix) }

// RequireNoNewClaims makes it a condition of the commit that nothing is claimed
// under the prefix that the update could not see; otherwise it runs again.
func (u *Update) RequireNoNewClaims(prefix string) { u.settled = append(u.settled, prefix) }

// inUse finds a claim where RequireNoClaims forbids it.
func (u *Update) inUse() error {
	for _, prefix := range u.free {
		for key, owner := range u.base.ClaimsUnder(prefix) {
			if _, ok := u.taken[key]; !ok {
				return &InUseError{Prefix: prefix, Key: key, Owner: owner}
			}
		}
	}
	return nil
}

// changes gives what the update changes, in the order of tables and ids.
func (u *Update) changes() []Change {
	var out []Change
	for _, t := range declared.tables {
		for _, id := range slices.Sorted(maps.Keys(u.rows[t])) {
			c := Change{Table: t.name, ID: id, Old: u.base.lookup(t, id), New: u.rows[t][id]}
			if c.Old != nil || c.New != nil {
				out = append(out, c)
			}
		}
	}
	return out
}

// txn is the transaction that commits the update; without operations there is
// nothing to commit. Conditions and operations come in the order of their keys.
func (u *Update) txn() (store.Txn, error) {
	var txn store.Txn
	for _, key := range slices.Sorted(maps.Keys(u.guards)) {
		txn.Conds = append(txn.Conds, store.Unchanged(key, u.guards[key]))
	}
	for _, t := range declared.tables {
		for _, id := range slices.Sorted(maps.Keys(u.rows[t])) {
			op, err := recordOp(t, id, u.rows[t][id])
			if err != nil {
				return txn, err
			}
			if !op.Deleted || u.guards[op.Key] != 0 { // nothing is there to delete
				txn.Ops = append(txn.Ops, op)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(u.taken)) {
		change := u.taken[key]
		txn.Conds = append(txn.Conds, store.Unchanged(claimKey(key), change.revision))
		if change.released {
			txn.Ops = append(txn.Ops, store.Delete(claimKey(key)))
		} else {
			txn.Ops = append(txn.Ops, store.Put(claimKey(key), []byte(change.owner)))
		}
	}
	for _, prefix := range u.free {
		// What was claimed before is released by this update, see inUse.
		txn.Conds = append(txn.Conds, store.NoneNewer(claimKey(prefix), u.base.revision))
	}
	for _, prefix := range u.settled {
		txn.Conds = append(txn.Conds, store.NoneNewer(claimKey(prefix), u.base.revision))
	}
	return txn, nil
}

func recordOp(t *tableDef, id string, rec any) (store.Op, error) {
	key := recordKey(t, id)
	if rec == nil {
		return store.Delete(key), nil
	}
	if id == "" || strings.Contains(id, "/") {
		return store.Op{}, fmt.Errorf("write a record of %s: bad id %q", t.name, id)
	}
	value, err := encode(rec)
	if err != nil {
		return store.Op{}, fmt.Errorf("encode %s %s: %w", t.name, id, err)
	}
	return store.Put(key, value), nil
}
