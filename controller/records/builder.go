package records

import (
	"slices"

	"k8s.io/utils/third_party/forked/golang/btree"
)

// builder holds the trees that the applier changes, and publishes them as
// views. It belongs to one goroutine.
type builder struct {
	tables  []tree[entry]
	indexes []tree[entry]
	claims  tree[claim]
	hidden  []int // rows that could not be decoded, by table
}

// tree is a B-tree being changed, and the copy of it in the last view.
type tree[T any] struct {
	*btree.BTree[T]
	published *btree.BTree[T] // nil: changed since
}

func (t *tree[T]) publish() *btree.BTree[T] {
	if t.published == nil {
		t.published = t.Clone()
	}
	return t.published
}

func newBuilder() *builder {
	b := &builder{
		claims: tree[claim]{BTree: btree.New(degree, byClaim)},
		hidden: make([]int, len(declared.tables)),
	}
	for range declared.tables {
		b.tables = append(b.tables, tree[entry]{BTree: btree.New(degree, byKey)})
	}
	for range declared.indexes {
		b.indexes = append(b.indexes, tree[entry]{BTree: btree.New(degree, byKeyAndID)})
	}
	return b
}

// publish gives the records as they are now as a view.
func (b *builder) publish(revision int64) *view {
	v := &view{
		revision: revision,
		claims:   b.claims.publish(),
		hidden:   slices.Clone(b.hidden),
		tables:   make([]*btree.BTree[entry], len(b.tables)),
		indexes:  make([]*btree.BTree[entry], len(b.indexes)),
	}
	for i := range b.tables {
		v.tables[i] = b.tables[i].publish()
	}
	for i := range b.indexes {
		v.indexes[i] = b.indexes[i].publish()
	}
	return v
}

// putRow writes a row and returns the record that it replaces, nil for none.
func (b *builder) putRow(t *tableDef, r *row) any {
	table := &b.tables[t.place]
	table.published = nil
	before, _ := table.ReplaceOrInsert(entry{key: r.id, row: r})
	return b.changed(t, before.row, r)
}

// deleteRow removes a row and returns the record that it held, nil for none.
func (b *builder) deleteRow(t *tableDef, id string) any {
	table := &b.tables[t.place]
	table.published = nil
	before, _ := table.Delete(entry{key: id})
	return b.changed(t, before.row, nil)
}

// changed follows a change of a row, either side of which may be nil, and
// returns the record that was there before.
func (b *builder) changed(t *tableDef, before, after *row) any {
	var old any
	if before != nil {
		if old = before.rec; old == nil {
			b.hidden[t.place]--
		}
	}
	if after != nil && after.rec == nil {
		b.hidden[t.place]++
	}
	for _, x := range t.indexes {
		b.reindex(x, before, after)
	}
	return old
}

// reindex moves a record in one index. An entry whose key stays is replaced,
// never removed first.
func (b *builder) reindex(x *indexDef, before, after *row) {
	ix := &b.indexes[x.place]
	keys := x.keysOf(after)
	for _, key := range x.keysOf(before) {
		if !slices.Contains(keys, key) {
			ix.published = nil
			ix.Delete(entry{key: key, row: before})
		}
	}
	for _, key := range keys {
		ix.published = nil
		ix.ReplaceOrInsert(entry{key: key, row: after})
	}
}

func (b *builder) putClaim(c claim) {
	b.claims.published = nil
	b.claims.ReplaceOrInsert(c)
}

func (b *builder) deleteClaim(key string) {
	b.claims.published = nil
	b.claims.Delete(claim{key: key})
}
