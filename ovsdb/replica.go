package ovsdb

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// replica is the client's own copy of the monitored columns, and the list of
// what changed for each watcher. It is a leaf: it locks itself and calls
// nothing outside.
//
// The maps of handed out States are the replica's own until the next change,
// which then works on copies.
type replica struct {
	mu        sync.Mutex
	connected bool
	root      OpenVSwitch
	bridges   table[Bridge]
	ports     table[Port]
	ifaces    table[Interface]

	// Bridges are put together from these.
	bridgeRows  map[string]bridgeRow
	controllers map[string]Controller
	flowTables  map[string]FlowTable

	watchers map[*Watcher]struct{}
	moved    chan struct{} // closed and replaced when cur_cfg or connected changes
	complain func(err error)
}

// table is rows by name, and names by UUID.
type table[T any] struct {
	rows   map[string]T
	names  map[string]string
	shared bool // rows is in a State that was handed out
}

func newTable[T any]() table[T] {
	return table[T]{rows: map[string]T{}, names: map[string]string{}}
}

func (t *table[T]) own() {
	if t.shared {
		t.rows, t.shared = maps.Clone(t.rows), false
	}
}

func (t *table[T]) put(uuid, name string, row T) {
	t.own()
	if old, ok := t.names[uuid]; ok && old != name {
		delete(t.rows, old)
	}
	t.rows[name], t.names[uuid] = row, name
}

// drop removes a row and gives its name.
func (t *table[T]) drop(uuid string) (string, bool) {
	name, ok := t.names[uuid]
	if ok {
		t.own()
		delete(t.rows, name)
		delete(t.names, uuid)
	}
	return name, ok
}

// newReplica makes an empty copy. complain is told about rows that cannot be
// read; they are left out and the others go on.
func newReplica(complain func(error)) *replica {
	r := &replica{watchers: map[*Watcher]struct{}{}, moved: make(chan struct{}), complain: complain}
	r.clear()
	return r
}

func (r *replica) clear() {
	r.root = OpenVSwitch{}
	r.bridges, r.ports, r.ifaces = newTable[Bridge](), newTable[Port](), newTable[Interface]()
	r.bridgeRows = map[string]bridgeRow{}
	r.controllers = map[string]Controller{}
	r.flowTables = map[string]FlowTable{}
}

// load replaces the copy by the answer to "monitor".
func (r *replica) load(result any) error {
	updates, err := decodeUpdates(result)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	r.merge(updates)
	r.connected = true
	r.broadcast()
	for w := range r.watchers {
		w.markFull()
	}
	return nil
}

// apply brings the copy up to date with an "update" notification:
// [<monitor id>, <table-updates>].
func (r *replica) apply(params any) error {
	both, ok := params.([]any)
	if !ok || len(both) != 2 {
		return fmt.Errorf("decode update: not two parameters but %.100s", fmt.Sprint(params))
	}
	updates, err := decodeUpdates(both[1])
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.connected { // before the monitor's answer: not for this copy
		return nil
	}
	before := r.root.CurCfg
	d := r.merge(updates)
	if r.root.CurCfg != before {
		r.broadcast()
	}
	for w := range r.watchers {
		w.mark(d)
	}
	return nil
}

// lost marks the copy as no longer live; it stays readable.
func (r *replica) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connected = false
	r.broadcast()
}

func (r *replica) broadcast() {
	close(r.moved)
	r.moved = make(chan struct{})
}

// merge applies updates, references first, and gives the names that changed.
func (r *replica) merge(updates tableUpdates) Dirty {
	var d Dirty
	for _, u := range ordered(updates["Interface"]) {
		d.Interfaces = append(d.Interfaces, r.mergeInterface(u)...)
	}
	for _, u := range ordered(updates["Port"]) {
		d.Ports = append(d.Ports, r.mergePort(u)...)
	}
	for _, u := range updates["Open_vSwitch"] {
		d.Root = r.mergeRoot(u) || d.Root
	}
	mergeRows(r, "Controller", updates["Controller"], r.controllers, decodeController)
	mergeRows(r, "Flow_Table", updates["Flow_Table"], r.flowTables, decodeFlowTable)
	mergeRows(r, "Bridge", updates["Bridge"], r.bridgeRows, decodeBridge)
	if len(updates["Controller"])+len(updates["Flow_Table"])+len(updates["Bridge"]) > 0 {
		d.Bridges = r.assemble()
	}
	return d
}

// ordered puts deletions first: a name may be given up and taken again in one
// transaction.
func ordered(rows []rowUpdate) []rowUpdate {
	slices.SortStableFunc(rows, func(a, b rowUpdate) int {
		switch {
		case a.Row == nil && b.Row != nil:
			return -1
		case a.Row != nil && b.Row == nil:
			return 1
		}
		return 0
	})
	return rows
}

func (r *replica) unreadable(table, uuid string, err error) {
	r.complain(fmt.Errorf("read row %s of table %s: %w", uuid, table, err))
}

func (r *replica) mergeInterface(u rowUpdate) []string {
	if u.Row == nil {
		return dropped(r.ifaces.drop(u.UUID))
	}
	reader := rowReader{row: u.Row}
	row := decodeInterface(u.UUID, &reader)
	if reader.err != nil {
		r.unreadable("Interface", u.UUID, reader.err)
		return dropped(r.ifaces.drop(u.UUID))
	}
	if equalInterface(r.ifaces.rows[row.Name], row) {
		return nil
	}
	r.ifaces.put(u.UUID, row.Name, row)
	return []string{row.Name}
}

func (r *replica) mergePort(u rowUpdate) []string {
	if u.Row == nil {
		return dropped(r.ports.drop(u.UUID))
	}
	reader := rowReader{row: u.Row}
	row := decodePort(u.UUID, &reader)
	if reader.err != nil {
		r.unreadable("Port", u.UUID, reader.err)
		return dropped(r.ports.drop(u.UUID))
	}
	for i, id := range row.Interfaces {
		if name, ok := r.ifaces.names[id]; ok {
			row.Interfaces[i] = name
		}
	}
	if reflect.DeepEqual(r.ports.rows[row.Name], row) {
		return nil
	}
	r.ports.put(u.UUID, row.Name, row)
	return []string{row.Name}
}

func dropped(name string, ok bool) []string {
	if !ok {
		return nil
	}
	return []string{name}
}

func (r *replica) mergeRoot(u rowUpdate) bool {
	if u.Row == nil {
		return false
	}
	reader := rowReader{row: u.Row}
	row := decodeRoot(u.UUID, &reader)
	if reader.err != nil {
		r.unreadable("Open_vSwitch", u.UUID, reader.err)
		return false
	}
	old := r.root
	r.root = row
	// Every use of ovs-vsctl counts the configurations up: that is no news.
	old.NextCfg, old.CurCfg = row.NextCfg, row.CurCfg
	return !reflect.DeepEqual(old, row)
}

// mergeRows keeps a table by UUID up to date.
func mergeRows[T any](r *replica, table string, updates []rowUpdate, rows map[string]T, decode func(string, *rowReader) T) {
	for _, u := range updates {
		delete(rows, u.UUID)
		if u.Row == nil {
			continue
		}
		reader := rowReader{row: u.Row}
		row := decode(u.UUID, &reader)
		if reader.err != nil {
			r.unreadable(table, u.UUID, reader.err)
			continue
		}
		rows[u.UUID] = row
	}
}

// assemble builds all bridges from their rows and gives the names of those
// that changed. There are few of them.
func (r *replica) assemble() []string {
	fresh := newTable[Bridge]()
	for uuid, row := range r.bridgeRows {
		b := row.Bridge
		for _, id := range row.controllers {
			if c, ok := r.controllers[id]; ok {
				b.Controllers = append(b.Controllers, c)
			}
		}
		slices.SortFunc(b.Controllers, func(x, y Controller) int {
			return strings.Compare(x.Target+x.UUID, y.Target+y.UUID)
		})
		for n, id := range row.flowTables {
			if b.FlowTables == nil {
				b.FlowTables = make(map[int]FlowTable, len(row.flowTables))
			}
			b.FlowTables[n] = r.flowTables[id]
		}
		fresh.put(uuid, b.Name, b)
	}
	var changed []string
	for name, b := range fresh.rows {
		if !reflect.DeepEqual(b, r.bridges.rows[name]) {
			changed = append(changed, name)
		}
	}
	for name := range r.bridges.rows {
		if _, ok := fresh.rows[name]; !ok {
			changed = append(changed, name)
		}
	}
	r.bridges = fresh
	return changed
}

func (r *replica) state() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bridges.shared, r.ports.shared, r.ifaces.shared = true, true, true
	return State{
		Connected:   r.connected,
		OpenVSwitch: r.root,
		Bridges:     r.bridges.rows,
		Ports:       r.ports.rows,
		Interfaces:  r.ifaces.rows,
	}
}

func (r *replica) iface(name string) (Interface, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	row, ok := r.ifaces.rows[name]
	return row, ok
}

func (r *replica) port(name string) (Port, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	row, ok := r.ports.rows[name]
	return row, ok
}

func (r *replica) bridge(name string) (Bridge, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	row, ok := r.bridges.rows[name]
	return row, ok
}

// config gives the root row's progress and a channel that is closed when it
// moves on.
func (r *replica) config() (root OpenVSwitch, connected bool, moved <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.root, r.connected, r.moved
}
