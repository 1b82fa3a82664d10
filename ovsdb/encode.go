package ovsdb

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// encoder turns Ops into the operations of one transaction (RFC 7047, section
// 5.2). What the copy already shows is left out. Rows are found by name, or by
// UUID where they have none, so that a row made earlier in the transaction is
// found too.
type encoder struct {
	have  State
	wire  []wire.Operation
	owner []int // for each of wire: index of the Op that wants it
	op    int   // index of the Op that is being encoded
	must  []int // indexes in wire of operations that must find a row
	seq   int   // of named UUIDs

	// touched rows ("Port/tap1") were changed in this transaction: the copy
	// says nothing about them any more.
	touched map[string]bool
	made    map[string]bool // rows inserted in this transaction, likewise
	waited  map[string]bool // bridges asked to exist
	// The ports sets are changed once per bridge, at the end: the server
	// copies the whole set each time.
	joins, leaves map[string]*portSet
}

type portSet struct {
	op    int
	uuids []any
}

func encode(have State, ops []Op) (*encoder, error) {
	e := &encoder{
		have:    have,
		touched: map[string]bool{}, made: map[string]bool{}, waited: map[string]bool{},
		joins: map[string]*portSet{}, leaves: map[string]*portSet{},
	}
	for i, op := range ops {
		e.op = i
		if err := op.encode(e); err != nil {
			return nil, &CommitError{Failed: []OpError{{Op: op, Err: err}}}
		}
	}
	e.flush()
	return e, nil
}

func (e *encoder) add(op wire.Operation) {
	e.wire = append(e.wire, op)
	e.owner = append(e.owner, e.op)
}

// addMust adds an operation that is an error when it finds no row.
func (e *encoder) addMust(op wire.Operation) {
	e.must = append(e.must, len(e.wire))
	e.add(op)
}

// insert adds a row and gives its name in this transaction.
func (e *encoder) insert(table string, row wire.Row) wire.UUID {
	e.seq++
	name := "row" + strconv.Itoa(e.seq)
	e.add(wire.Operation{Op: wire.OperationInsert, Table: table, Row: row, UUIDName: name})
	return wire.UUID{GoUUID: name}
}

func byName(name string) []wire.Condition {
	return []wire.Condition{{Column: "name", Function: wire.ConditionEqual, Value: name}}
}

func byUUID(uuid string) []wire.Condition {
	return []wire.Condition{{Column: "_uuid", Function: wire.ConditionEqual, Value: wire.UUID{GoUUID: uuid}}}
}

func key(table, name string) string { return table + "/" + name }

// update sets columns of a row that is found by name.
func (e *encoder) update(table, name string, row wire.Row) {
	if len(row) == 0 {
		return
	}
	e.addMust(wire.Operation{Op: wire.OperationUpdate, Table: table, Where: byName(name), Row: row})
	e.touched[key(table, name)] = true
}

// mapChange is a change of one map column.
type mapChange struct {
	column string
	have   map[string]string
	set    map[string]string
	remove []string
}

// merge changes map columns of a row that is found by name. In a map an insert
// does not replace a value, so the key is deleted first (RFC 7047, section
// 5.1).
func (e *encoder) merge(table, name string, changes ...mapChange) {
	e.mergeWhere(table, name, byName(name), changes...)
}

// mergeWhere is merge for a row that is found in another way.
func (e *encoder) mergeWhere(table, name string, where []wire.Condition, changes ...mapChange) {
	trust := !e.touched[key(table, name)] && !e.made[key(table, name)]
	var mutations []wire.Mutation
	for _, c := range changes {
		var gone []any
		fresh := map[any]any{}
		for _, k := range slices.Sorted(maps.Keys(c.set)) {
			old, ok := c.have[k]
			if trust && ok && old == c.set[k] {
				continue
			}
			if ok || !trust {
				gone = append(gone, k)
			}
			fresh[k] = c.set[k]
		}
		for _, k := range c.remove {
			if _, set := c.set[k]; set {
				continue
			}
			if _, ok := c.have[k]; ok || !trust {
				gone = append(gone, k)
			}
		}
		if len(gone) > 0 {
			mutations = append(mutations, wire.Mutation{
				Column: c.column, Mutator: wire.MutateOperationDelete, Value: wire.OvsSet{GoSet: gone},
			})
		}
		if len(fresh) > 0 {
			mutations = append(mutations, wire.Mutation{
				Column: c.column, Mutator: wire.MutateOperationInsert, Value: wire.OvsMap{GoMap: fresh},
			})
		}
	}
	if len(mutations) == 0 {
		return
	}
	e.addMust(wire.Operation{Op: wire.OperationMutate, Table: table, Where: where, Mutations: mutations})
	e.touched[key(table, name)] = true
}

func ovsMap(m map[string]string) wire.OvsMap {
	out := make(map[any]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return wire.OvsMap{GoMap: out}
}

func ovsSet[T any](members []T) wire.OvsSet {
	out := make([]any, len(members))
	for i, v := range members {
		out[i] = v
	}
	return wire.OvsSet{GoSet: out}
}

// known says whether a row exists, in the copy or in this transaction.
func known[T any](e *encoder, table, name string, rows map[string]T) bool {
	_, ok := rows[name]
	return ok || e.made[key(table, name)]
}

// requireBridge makes the transaction fail when the bridge does not exist.
func (e *encoder) requireBridge(name string) {
	if e.made[key("Bridge", name)] || e.waited[name] {
		return
	}
	e.waited[name] = true
	now := 0
	e.add(wire.Operation{
		Op: wire.OperationWait, Table: "Bridge", Timeout: &now, Where: byName(name),
		Columns: []string{"name"}, Until: string(wire.WaitConditionEqual), Rows: []wire.Row{{"name": name}},
	})
}

func (e *encoder) join(bridge string, port wire.UUID) {
	set := e.joins[bridge]
	if set == nil {
		set = &portSet{op: e.op}
		e.joins[bridge] = set
	}
	set.uuids = append(set.uuids, port)
}

func (e *encoder) leave(bridge string, port wire.UUID) {
	set := e.leaves[bridge]
	if set == nil {
		set = &portSet{op: e.op}
		e.leaves[bridge] = set
	}
	set.uuids = append(set.uuids, port)
}

// flush adds the changes of the ports sets, leaving before joining.
func (e *encoder) flush() {
	for _, part := range []struct {
		sets    map[string]*portSet
		mutator wire.Mutator
	}{{e.leaves, wire.MutateOperationDelete}, {e.joins, wire.MutateOperationInsert}} {
		for _, bridge := range slices.Sorted(maps.Keys(part.sets)) {
			set := part.sets[bridge]
			where := byName(bridge)
			if bridge == "" { // whatever bridge it is
				where = []wire.Condition{{Column: "name", Function: wire.ConditionNotEqual, Value: ""}}
			}
			e.op = set.op
			e.add(wire.Operation{
				Op: wire.OperationMutate, Table: "Bridge", Where: where,
				Mutations: []wire.Mutation{{Column: "ports", Mutator: part.mutator, Value: wire.OvsSet{GoSet: set.uuids}}},
			})
		}
	}
}

func checkName(what, name string) error {
	if name == "" {
		return fmt.Errorf("%s without a name", what)
	}
	return nil
}
