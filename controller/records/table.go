package records

import (
	"fmt"
	"iter"
	"strings"
)

// Table is one kind of record. It holds no data: it is the typed door to the
// records of a Reader.
type Table[T any] struct {
	def *tableDef
	id  func(*T) string
}

// Index finds the records of a table by what they hold.
type Index[T any] struct{ def *indexDef }

// Name is the table's name, as it is in Change.Table and in the store.
func (t *Table[T]) Name() string { return t.def.name }

// Get gives the record. Through an Update it makes the record, or its absence,
// a condition of the commit; Update.Peek reads without that.
func (t *Table[T]) Get(r Reader, id string) (*T, bool) {
	rec, ok := r.lookup(t.def, id).(*T)
	return rec, ok
}

// All gives the records in the order of their ids.
func (t *Table[T]) All(r Reader) iter.Seq[*T] { return t.After(r, "") }

// After gives the records whose ids sort after the given one, in the order of
// their ids: what a page with a marker needs.
func (t *Table[T]) After(r Reader, id string) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		r.scan(t.def, id, func(rec any) bool { return yield(rec.(*T)) })
	}
}

// Len counts the records.
func (t *Table[T]) Len(r Reader) int { return r.count(t.def) }

// Put writes the record when the update commits. That the record is the one
// that the update saw, or is new, is a condition of the commit. The record must
// not be changed afterwards.
func (t *Table[T]) Put(u *Update, rec *T) { u.put(t.def, t.id(rec), rec) }

// Delete removes the record when the update commits, on the same condition as
// Put. One that does not exist is left so.
func (t *Table[T]) Delete(u *Update, id string) { u.put(t.def, id, nil) }

// Change gives the record before and after a change, nil for none; ok is false
// when the change is of another table.
func (t *Table[T]) Change(c Change) (before, after *T, ok bool) {
	if c.Table != t.def.name {
		return nil, nil, false
	}
	before, _ = c.Old.(*T)
	after, _ = c.New.(*T)
	return before, after, true
}

// Get gives the records that hold the key, in the order of their ids. Through
// an Update it makes nothing a condition of the commit.
func (x *Index[T]) Get(r Reader, key string) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		if key != "" {
			r.scanIndex(x.def, key, func(rec any) bool { return yield(rec.(*T)) })
		}
	}
}

// Len counts the records that hold the key.
func (x *Index[T]) Len(r Reader, key string) int {
	n := 0
	for range x.Get(r, key) {
		n++
	}
	return n
}

// schema is the list of declared tables and indexes; a table's and an index's
// place in it is their place in every view.
type schema struct {
	tables  []*tableDef
	indexes []*indexDef
}

type tableDef struct {
	place   int
	name    string
	decode  func([]byte) (any, error)
	id      func(any) string
	indexes []*indexDef
}

type indexDef struct {
	place int
	table *tableDef
	keys  func(rec any, emit func(string))
}

// keysOf gives the keys under which a row is in the index; none for nil.
func (x *indexDef) keysOf(r *row) []string {
	if r == nil || r.rec == nil {
		return nil
	}
	var keys []string
	x.keys(r.rec, func(key string) {
		if key != "" {
			keys = append(keys, key)
		}
	})
	return keys
}

func newTable[T any](name string, id func(*T) string) *Table[T] {
	def := &tableDef{
		place: len(declared.tables),
		name:  name,
		id:    func(rec any) string { return id(rec.(*T)) },
		decode: func(b []byte) (any, error) {
			rec := new(T)
			if err := decode(b, rec); err != nil {
				return nil, err
			}
			return rec, nil
		},
	}
	if name == claimsName || strings.Contains(name, "/") || declared.table(name) != nil {
		panic(fmt.Sprintf("table name %q cannot be used", name))
	}
	declared.tables = append(declared.tables, def)
	return &Table[T]{def: def, id: id}
}

func newIndex[T any](t *Table[T], keys func(rec *T, emit func(string))) *Index[T] {
	def := &indexDef{
		place: len(declared.indexes),
		table: t.def,
		keys:  func(rec any, emit func(string)) { keys(rec.(*T), emit) },
	}
	declared.indexes = append(declared.indexes, def)
	t.def.indexes = append(t.def.indexes, def)
	return &Index[T]{def: def}
}

func (s *schema) table(name string) *tableDef {
	for _, t := range s.tables {
		if t.name == name {
			return t
		}
	}
	return nil
}
