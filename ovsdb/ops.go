package ovsdb

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Op is one change of the database, a value. Its String is close to what an
// operator would write for ovs-vsctl.
type Op interface {
	fmt.Stringer
	// encode adds the wire operations; what is already so in the replica adds
	// nothing.
	encode(*encoder) error
}

// EnsureBridge makes the bridge with its local port if it is missing and sets
// what is given: empty strings and nil slices leave what is there.
type EnsureBridge struct {
	Name         string
	DatapathType string
	FailMode     string
	Protocols    []string // the exact set
	// OtherConfig and ExternalIDs are merged into what is there; a key of
	// RemoveExternalIDs is taken out.
	OtherConfig, ExternalIDs map[string]string
	RemoveExternalIDs        []string
}

// DeleteBridge deletes a bridge and, with it, all its ports. A bridge that does
// not exist is no error.
type DeleteBridge struct{ Name string }

// EnsurePort makes the port with one interface of the same name on the bridge
// if no port of that name exists, and sets what is given. A port that exists
// stays on the bridge it is on: see MovePort.
type EnsurePort struct {
	Bridge, Name string
	// Type of the interface: "", "internal", "patch", "vxlan" …; "" leaves the
	// type of an existing interface.
	Type string
	// Options is the exact set of the interface's options; nil leaves them.
	Options map[string]string
	// ExternalIDs is merged into the interface's external_ids,
	// PortExternalIDs into the port's, OtherConfig into the port's
	// other_config.
	ExternalIDs, PortExternalIDs, OtherConfig map[string]string
	Tag                                       int // VLAN id; 0 leaves the tag
	MTURequest                                int // bytes; 0 leaves it
	OFPortRequest                             int // used when the port is made; 0: any
	MAC                                       string
}

// MovePort takes an existing port off whatever bridge it is on and puts it on
// this one.
type MovePort struct{ Bridge, Name string }

// DeletePort deletes a port and its interfaces. A port that does not exist is
// no error.
type DeletePort struct {
	Bridge string // "" finds the bridge
	Name   string
}

// SetPortTag sets the VLAN id of an access port; 0 takes the tag away.
type SetPortTag struct {
	Port string
	Tag  int
}

// SetPort merges into a port's external_ids and other_config.
type SetPort struct {
	Name                     string
	ExternalIDs, OtherConfig map[string]string
	RemoveExternalIDs        []string
	RemoveOtherConfig        []string
}

// SetInterface merges into an interface's external_ids.
type SetInterface struct {
	Name              string
	ExternalIDs       map[string]string
	RemoveExternalIDs []string
	MTURequest        int // bytes; 0 leaves it
}

// SetRoot merges into the Open_vSwitch row.
type SetRoot struct {
	OtherConfig, ExternalIDs             map[string]string
	RemoveOtherConfig, RemoveExternalIDs []string
}

// SetBridgeExternalIDs merges into an existing bridge's external_ids.
type SetBridgeExternalIDs struct {
	Bridge string
	Set    map[string]string
	Remove []string
}

// SetController gives a bridge exactly this OpenFlow controller, out of band;
// others it has are removed.
type SetController struct {
	Bridge string
	Target string // "tcp:127.0.0.1:6633"
	// MaxBackoff is how long the switch waits at most between two attempts to
	// connect, InactivityProbe after how long a silence it sends an echo; both
	// in milliseconds.
	MaxBackoff, InactivityProbe int
	ExternalIDs                 map[string]string
}

// SetFlowTables names a bridge's OpenFlow tables, so that `ovs-ofctl --names`
// reads. Tables that are not in Names and carry OwnerKey lose their name;
// others keep theirs.
type SetFlowTables struct {
	Bridge      string
	Names       map[int]string
	ExternalIDs map[string]string // of the rows that are made
}

func (o EnsureBridge) String() string {
	w := newLine("--may-exist", "add-br", o.Name)
	w.str("datapath_type", o.DatapathType)
	w.str("fail_mode", o.FailMode)
	w.str("protocols", strings.Join(o.Protocols, ","))
	w.strMap("other_config", o.OtherConfig)
	w.strMap("external_ids", o.ExternalIDs)
	w.removed("external_ids", o.RemoveExternalIDs)
	return w.String()
}

func (o DeleteBridge) String() string { return newLine("del-br", o.Name).String() }

func (o EnsurePort) String() string {
	w := newLine("--may-exist", "add-port", o.Bridge, o.Name)
	w.num("tag", o.Tag)
	w.str("type", o.Type)
	w.strMap("options", o.Options)
	w.strMap("other_config", o.OtherConfig)
	w.strMap("external_ids", o.ExternalIDs)
	w.strMap("port_external_ids", o.PortExternalIDs)
	w.num("mtu_request", o.MTURequest)
	w.num("ofport_request", o.OFPortRequest)
	w.str("mac", o.MAC)
	return w.String()
}

func (o MovePort) String() string { return newLine("move-port", o.Bridge, o.Name).String() }

func (o DeletePort) String() string { return newLine("del-port", o.Bridge, o.Name).String() }

func (o SetPortTag) String() string {
	return newLine("set", "Port", o.Port, "tag="+strconv.Itoa(o.Tag)).String()
}

func (o SetPort) String() string {
	w := newLine("set", "Port", o.Name)
	w.strMap("other_config", o.OtherConfig)
	w.removed("other_config", o.RemoveOtherConfig)
	w.strMap("external_ids", o.ExternalIDs)
	w.removed("external_ids", o.RemoveExternalIDs)
	return w.String()
}

func (o SetInterface) String() string {
	w := newLine("set", "Interface", o.Name)
	w.num("mtu_request", o.MTURequest)
	w.strMap("external_ids", o.ExternalIDs)
	w.removed("external_ids", o.RemoveExternalIDs)
	return w.String()
}

func (o SetBridgeExternalIDs) String() string {
	w := newLine("set", "Bridge", o.Bridge)
	w.strMap("external_ids", o.Set)
	w.removed("external_ids", o.Remove)
	return w.String()
}

func (o SetRoot) String() string {
	w := newLine("set", "Open_vSwitch", ".")
	w.strMap("other_config", o.OtherConfig)
	w.removed("other_config", o.RemoveOtherConfig)
	w.strMap("external_ids", o.ExternalIDs)
	w.removed("external_ids", o.RemoveExternalIDs)
	return w.String()
}

func (o SetController) String() string {
	w := newLine("set-controller", o.Bridge, o.Target)
	w.num("max_backoff", o.MaxBackoff)
	w.num("inactivity_probe", o.InactivityProbe)
	w.strMap("external_ids", o.ExternalIDs)
	return w.String()
}

func (o SetFlowTables) String() string {
	w := newLine("set", "Bridge", o.Bridge)
	for _, n := range slices.Sorted(maps.Keys(o.Names)) {
		w.word("flow_tables:" + strconv.Itoa(n) + "=" + quoted(o.Names[n]))
	}
	return w.String()
}

// line builds the text form of an Op.
type line struct{ strings.Builder }

func newLine(words ...string) *line {
	w := &line{}
	for _, s := range words {
		if s != "" {
			w.word(s)
		}
	}
	return w
}

func (w *line) word(s string) {
	if w.Len() > 0 {
		w.WriteByte(' ')
	}
	w.WriteString(s)
}

func (w *line) str(column, v string) {
	if v != "" {
		w.word(column + "=" + quoted(v))
	}
}

func (w *line) num(column string, v int) {
	if v != 0 {
		w.word(column + "=" + strconv.Itoa(v))
	}
}

func (w *line) strMap(column string, m map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.word(column + ":" + k + "=" + quoted(m[k]))
	}
}

func (w *line) removed(column string, keys []string) {
	for _, k := range keys {
		w.word("remove-" + column + ":" + k)
	}
}

// quoted puts a value in quotes where a shell or ovs-vsctl would need them.
func quoted(v string) string {
	if v == "" || strings.ContainsAny(v, " \t\n\"'{}[]=;&|$`\\") {
		return strconv.Quote(v)
	}
	return v
}
