package ovsdb

// State is the client's copy of the database at one moment, by name. It is
// complete as of one transaction. Its maps and all maps and slices in its rows
// are shared between callers: read only.
type State struct {
	// Connected says that the copy is live; when false it is what was known
	// when the connection was lost.
	Connected   bool
	OpenVSwitch OpenVSwitch
	Bridges     map[string]Bridge
	Ports       map[string]Port
	Interfaces  map[string]Interface
	// BridgePorts is bridge → names of its ports, sorted. It is nil unless the
	// State came from StateWithPorts: the database's copy is not watched.
	BridgePorts map[string][]string
}

// OpenVSwitch is the root row.
type OpenVSwitch struct {
	UUID        string
	OVSVersion  string // written by the distribution's start script, may be ""
	DBVersion   string // likewise
	ExternalIDs map[string]string
	OtherConfig map[string]string
	// NextCfg is the number of the newest configuration, CurCfg of the newest
	// one that ovs-vswitchd has realised.
	NextCfg, CurCfg int
}

// Bridge is a row of table Bridge.
type Bridge struct {
	UUID         string
	Name         string
	DatapathID   string // 16 hexadecimal digits; "" until ovs-vswitchd made the bridge
	DatapathType string // "", "system" or "netdev"
	FailMode     string // "", "standalone" or "secure"
	Protocols    []string
	ExternalIDs  map[string]string
	OtherConfig  map[string]string
	Controllers  []Controller
	FlowTables   map[int]FlowTable // by OpenFlow table number
}

// FlowTable is a row of table Flow_Table.
type FlowTable struct {
	UUID        string
	Name        string
	ExternalIDs map[string]string
}

// Controller is a row of table Controller: an OpenFlow controller of a bridge.
type Controller struct {
	UUID           string
	Target         string // "tcp:127.0.0.1:6633"
	ConnectionMode string // "", "in-band", "out-of-band"
	IsConnected    bool
	// MaxBackoff and InactivityProbe are in milliseconds, -1 when not set; a
	// probe of 0 is switched off.
	MaxBackoff, InactivityProbe int
	ExternalIDs                 map[string]string
}

// Port is a row of table Port.
type Port struct {
	UUID        string
	Name        string
	Tag         int // VLAN id; 0: no tag
	OtherConfig map[string]string
	ExternalIDs map[string]string
	Interfaces  []string // names; more than one is a bond
}

// Interface is a row of table Interface.
type Interface struct {
	UUID string
	Name string
	Type string // "", "internal", "patch", "vxlan" …
	// OFPort is the OpenFlow port number: 0 while ovs-vswitchd has not given
	// one, -1 when it could not make the interface (Error says why).
	OFPort      int
	Error       string
	ExternalIDs map[string]string
	Options     map[string]string
	MACInUse    string // "" until ovs-vswitchd knows it
	MTU         int    // bytes, 0: not known
	MTURequest  int    // bytes, 0: none
}

// Dirty names what changed in the copy.
type Dirty struct {
	// Full means that anything may have changed: the copy is new, after the
	// first connect or a reconnect. The lists are empty then.
	Full                       bool
	Bridges, Ports, Interfaces []string // sorted; deleted ones too
	// Root says that the Open_vSwitch row changed, other than NextCfg and CurCfg.
	Root bool
}

// Empty reports whether nothing changed.
func (d Dirty) Empty() bool {
	return !d.Full && !d.Root && len(d.Bridges)+len(d.Ports)+len(d.Interfaces) == 0
}
