package records

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
)

// overlay is a view with buffered changes on top.
type overlay struct {
	base  *view
	rows  map[*tableDef]map[string]any // by id; nil: deleted
	taken map[string]claimChange
}

// claimChange is a claim that was taken or released. revision is that of the
// claim in the view, 0 for none.
type claimChange struct {
	owner    string
	released bool
	revision int64
}

func (o *overlay) Revision() int64 { return o.base.revision }

func (o *overlay) Claimed(key string) (string, bool) {
	if change, ok := o.taken[key]; ok {
		return change.owner, !change.released
	}
	return o.base.Claimed(key)
}

func (o *overlay) ClaimsUnder(prefix string) iter.Seq2[string, string] {
	var added []claim
	for key, change := range o.taken {
		if strings.HasPrefix(key, prefix) && !change.released {
			added = append(added, claim{key: key, owner: change.owner})
		}
	}
	slices.SortFunc(added, func(a, b claim) int { return cmp.Compare(a.key, b.key) })
	return func(yield func(string, string) bool) {
		rest := added
		for key, owner := range o.base.ClaimsUnder(prefix) {
			for ; len(rest) > 0 && rest[0].key < key; rest = rest[1:] {
				if !yield(rest[0].key, rest[0].owner) {
					return
				}
			}
			if _, ok := o.taken[key]; !ok && !yield(key, owner) {
				return
			}
		}
		for _, c := range rest {
			if !yield(c.key, c.owner) {
				return
			}
		}
	}
}

func (o *overlay) lookup(t *tableDef, id string) any {
	if rec, ok := o.rows[t][id]; ok {
		return rec
	}
	return o.base.lookup(t, id)
}

func (o *overlay) scan(t *tableDef, after string, yield func(any) bool) {
	o.merge(t, func(id string, _ any) bool { return id > after },
		func(each func(any) bool) { o.base.scan(t, after, each) }, yield)
}

func (o *overlay) scanIndex(x *indexDef, key string, yield func(any) bool) {
	o.merge(x.table, func(_ string, rec any) bool { return slices.Contains(x.keysOf(&row{rec: rec}), key) },
		func(each func(any) bool) { o.base.scanIndex(x, key, each) }, yield)
}

// merge yields the records of the view that are not overwritten, and the
// buffered ones that are wanted, in the order of their ids.
func (o *overlay) merge(t *tableDef, want func(id string, rec any) bool, base func(func(any) bool), yield func(any) bool) {
	// A copy: the loop that yield is may write.
	buffered := maps.Clone(o.rows[t])
	var added []string
	for id, rec := range buffered {
		if rec != nil && want(id, rec) {
			added = append(added, id)
		}
	}
	slices.Sort(added)
	more := true
	base(func(rec any) bool {
		id := t.id(rec)
		for ; more && len(added) > 0 && added[0] <= id; added = added[1:] {
			more = yield(buffered[added[0]])
		}
		if _, ok := buffered[id]; more && !ok {
			more = yield(rec)
		}
		return more
	})
	for ; more && len(added) > 0; added = added[1:] {
		more = yield(buffered[added[0]])
	}
}

func (o *overlay) count(t *tableDef) int {
	n := o.base.count(t)
	for id, rec := range o.rows[t] {
		had := o.base.lookup(t, id) != nil
		switch {
		case rec != nil && !had:
			n++
		case rec == nil && had:
			n--
		}
	}
	return n
}
