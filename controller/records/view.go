package records

import (
	"cmp"
	"iter"
	"strings"

	"k8s.io/utils/third_party/forked/golang/btree"
)

// degree of the B-trees: small, because every published view copies the path
// to each item that changed.
const degree = 12

// view is every record and claim as of one revision. It is immutable; the trees
// of successive views share what did not change.
type view struct {
	revision int64
	tables   []*btree.BTree[entry] // by tableDef.place; key is the id
	indexes  []*btree.BTree[entry] // by indexDef.place
	claims   *btree.BTree[claim]
	// hidden counts the rows of each table that could not be decoded.
	hidden []int
}

// entry is an item of a table's or an index's tree.
type entry struct {
	key string
	row *row
}

// row is a record and the revision of its last put. rec is a pointer to the
// record; nil when it could not be decoded: such a row does not show, but its
// revision lets an update overwrite it.
type row struct {
	id       string
	revision int64
	rec      any
}

type claim struct {
	key, owner string
	revision   int64
}

func byKey(a, b entry) bool { return a.key < b.key }

// byKeyAndID orders an index; an entry without a row sorts before all of its key.
func byKeyAndID(a, b entry) bool {
	if c := cmp.Compare(a.key, b.key); c != 0 {
		return c < 0
	}
	if a.row == nil || b.row == nil {
		return a.row == nil && b.row != nil
	}
	return a.row.id < b.row.id
}

func byClaim(a, b claim) bool { return a.key < b.key }

func (v *view) Revision() int64 { return v.revision }

func (v *view) Claimed(key string) (string, bool) {
	c, ok := v.claims.Get(claim{key: key})
	return c.owner, ok
}

func (v *view) ClaimsUnder(prefix string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		v.claims.AscendGreaterOrEqual(claim{key: prefix}, func(c claim) bool {
			return strings.HasPrefix(c.key, prefix) && yield(c.key, c.owner)
		})
	}
}

// row gives the row of a record, decoded or not; nil for none.
func (v *view) row(t *tableDef, id string) *row {
	e, _ := v.tables[t.place].Get(entry{key: id})
	return e.row
}

func (v *view) lookup(t *tableDef, id string) any {
	if r := v.row(t, id); r != nil {
		return r.rec
	}
	return nil
}

func (v *view) scan(t *tableDef, after string, yield func(any) bool) {
	v.tables[t.place].AscendGreaterOrEqual(entry{key: after}, func(e entry) bool {
		return e.key == after || e.row.rec == nil || yield(e.row.rec)
	})
}

func (v *view) scanIndex(x *indexDef, key string, yield func(any) bool) {
	v.indexes[x.place].AscendGreaterOrEqual(entry{key: key}, func(e entry) bool {
		return e.key == key && yield(e.row.rec)
	})
}

func (v *view) count(t *tableDef) int { return v.tables[t.place].Len() - v.hidden[t.place] }
