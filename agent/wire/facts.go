package wire

import (
	"maps"
	"slices"

	"github.com/lepton-sdn/lepton/ovsdb"
)

// The external_ids that Nova, libvirt and os-vif write on the interface of a
// guest.
const (
	ifaceIDKey     = "iface-id"
	attachedMACKey = "attached-mac"
)

// haKey is the external_id by which the l3 agent says whether a port of an ha
// router is in use on this host.
const haKey = "lepton-ha"

// plug is an interface that claims to be a port: it carries an iface-id.
type plug struct {
	name   string
	uuid   string // of the row: a replugged interface is another one
	portID string
	mac    string // attached-mac, "" when not said
	ofport int    // 0: not yet; -1: failed
	err    string // of ovs-vswitchd
	// standby is said of a port of an ha router that another host uses.
	standby bool
}

// facts are the plugs as the database has them, and which of them are on the
// integration bridge. The database's list of a bridge's ports is too costly to
// watch, so it is asked once for every new interface.
type facts struct {
	plugs  map[string]plug            // by interface name
	byPort map[string]map[string]bool // port id → interface names
	// placed is interface name → what is known of the row with this uuid.
	placed map[string]place
	// unplaced are the plugs whose bridge is not known, interface name → uuid.
	unplaced map[string]string
}

type place struct {
	uuid string
	here bool // on the integration bridge
}

func newFacts() *facts {
	return &facts{
		plugs: map[string]plug{}, byPort: map[string]map[string]bool{},
		placed: map[string]place{}, unplaced: map[string]string{},
	}
}

// set notes the present state of an interface and returns the ids of the ports
// that it concerns.
func (f *facts) set(name string, row ovsdb.Interface, exists bool) []string {
	var concerned []string
	if old, ok := f.plugs[name]; ok {
		concerned = append(concerned, old.portID)
		delete(f.plugs, name)
		delete(f.byPort[old.portID], name)
		if len(f.byPort[old.portID]) == 0 {
			delete(f.byPort, old.portID)
		}
	}
	delete(f.unplaced, name)
	id := row.ExternalIDs[ifaceIDKey]
	if !exists {
		delete(f.placed, name)
	}
	if !exists || id == "" {
		return concerned
	}
	f.plugs[name] = plug{
		name: name, uuid: row.UUID, portID: id, mac: row.ExternalIDs[attachedMACKey],
		ofport: row.OFPort, err: row.Error, standby: row.ExternalIDs[haKey] == "standby",
	}
	if f.byPort[id] == nil {
		f.byPort[id] = map[string]bool{}
	}
	f.byPort[id][name] = true
	if f.placed[name].uuid != row.UUID {
		f.unplaced[name] = row.UUID
	}
	if len(concerned) == 0 || concerned[0] != id {
		concerned = append(concerned, id)
	}
	return concerned
}

// replace takes a whole new copy of the database and returns the ports that it
// concerns. What is known of the interfaces' bridges stays as it was until it
// has been asked again.
func (f *facts) replace(rows map[string]ovsdb.Interface) []string {
	concerned := map[string]bool{}
	for name := range f.plugs {
		if _, ok := rows[name]; !ok {
			for _, id := range f.set(name, ovsdb.Interface{}, false) {
				concerned[id] = true
			}
		}
	}
	for name, row := range rows {
		for _, id := range f.set(name, row, true) {
			concerned[id] = true
		}
	}
	return slices.Sorted(maps.Keys(concerned))
}

// place notes the answer for the interfaces that were asked about and returns
// the ports that it concerns.
func (f *facts) place(asked map[string]string, onBridge map[string]bool) []string {
	var concerned []string
	for name, uuid := range asked {
		f.placed[name] = place{uuid: uuid, here: onBridge[name]}
		if p, ok := f.plugs[name]; ok && p.uuid == uuid {
			delete(f.unplaced, name)
			concerned = append(concerned, p.portID)
		}
	}
	return concerned
}

// of gives the plugs of a port that are on the integration bridge, by name.
func (f *facts) of(portID string) []plug {
	var out []plug
	for name := range f.byPort[portID] {
		p := f.plugs[name]
		if at := f.placed[name]; at.here && at.uuid == p.uuid {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b plug) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return out
}
