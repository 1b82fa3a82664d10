package lab

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
)

// Fixed names inside a lab's namespaces, which are its own.
const (
	fabricName     = "fabric"   // the namespace of the switches
	mgmtLink       = "mgmt"     // a host's link to the management network, and that network's switch
	underlayLink   = "underlay" // a host's link to the underlay, and that network's switch
	underlayBridge = "br-ul"    // the netdev bridge that holds the tunnel address
)

// The lab's own addresses are from the range for benchmarks (RFC 2544) and a
// unique local prefix, so that no tenant's plan meets them.
const (
	mgmtRange      = "198.18.0.0/16"
	underlayRange4 = "198.19.0.0/16"
	underlayRange6 = "fd00:1ab:0:1::/64"
)

// The ports of the programs, each in its own host's namespace.
const (
	apiListen        = "127.0.0.1:9696"
	rpcPort          = 9797
	controllerMetric = "127.0.0.1:9698"
	openflowListen   = "127.0.0.1:6633"
	agentMetric      = "127.0.0.1:9699"
)

// Plan is everything about a lab that is decided before anything is made.
type Plan struct {
	Lab      string     `json:"lab"`
	Dir      string     `json:"dir"` // the lab's own directory
	Datapath string     `json:"datapath"`
	Topology Topology   `json:"topology"`
	Fabric   string     `json:"fabric"` // namespace of the switches
	Switches []string   `json:"switches"`
	Hosts    []HostPlan `json:"hosts"`
	// Internet is the namespace that plays it; "" without a gateway to it.
	Internet string `json:"internet,omitempty"`
}

// HostPlan is what one host gets.
type HostPlan struct {
	Name      string       `json:"name"`
	Roles     []string     `json:"roles"`
	Namespace string       `json:"namespace"`
	Dir       string       `json:"dir"`
	Mgmt      netip.Prefix `json:"management"`
	Tunnel    netip.Prefix `json:"tunnel"`
	Cables    []Cable      `json:"cables"`
	// Mappings is physical network → bridge.
	Mappings map[string]string `json:"bridge_mappings,omitempty"`
	// Join is the host's part in the physical network with a gateway.
	Join *Join `json:"join,omitempty"`
	// Agent is what the topology wants changed in the agent's configuration.
	Agent map[string]any `json:"-"`
}

// Cable is a veth pair between a host and a switch of the fabric.
type Cable struct {
	Switch string `json:"switch"` // bridge in the fabric
	Port   string `json:"port"`   // link in the fabric
	Link   string `json:"link"`   // link in the host
	// Bridge is the OVS bridge of the host that takes the link; empty for the
	// management link, which carries an address itself.
	Bridge string `json:"bridge,omitempty"`
}

// Is reports whether the host has the role.
func (h HostPlan) Is(role string) bool { return HostSpec{Roles: h.Roles}.has(role) }

// RunsAgent reports whether a lepton-agent runs on the host.
func (h HostPlan) RunsAgent() bool { return h.Is(RoleNetwork) || h.Is(RoleCompute) }

func (h HostPlan) ovsDir() string   { return filepath.Join(h.Dir, "ovs") }
func (h HostPlan) dbSocket() string { return filepath.Join(h.ovsDir(), "db.sock") }

// underlayMAC is fixed, as a real card's is: without it the bridge has another
// one after each restart of ovs-vswitchd, and its neighbours send to the old.
func (h HostPlan) underlayMAC() string {
	a := h.Tunnel.Addr().AsSlice()
	return fmt.Sprintf("0a:1a:b0:00:%02x:%02x", a[len(a)-2], a[len(a)-1])
}

// controller gives the host whose controller is asked: the first that has one.
func (p *Plan) controller() *HostPlan {
	for i := range p.Hosts {
		if p.Hosts[i].Is(RoleController) {
			return &p.Hosts[i]
		}
	}
	return nil // Topology.Validate demands one
}

// controllers gives the hosts that run one.
func (p *Plan) controllers() (out []HostPlan) {
	for _, h := range p.Hosts {
		if h.Is(RoleController) {
			out = append(out, h)
		}
	}
	return out
}

// underlay gives the address range of the tunnels.
func (t Topology) underlay() netip.Prefix {
	if t.UnderlayIP == 6 {
		return netip.MustParsePrefix(underlayRange6)
	}
	return netip.MustParsePrefix(underlayRange4)
}

// nth gives address n of the range with the range's length.
func nth(r netip.Prefix, n int) netip.Prefix {
	a := r.Addr().AsSlice()
	a[len(a)-1], a[len(a)-2] = byte(n), byte(n>>8)
	addr, _ := netip.AddrFromSlice(a)
	return netip.PrefixFrom(addr, r.Bits())
}

// newPlan decides names and addresses. It is pure: the same topology gives the
// same plan. The topology must be complete.
func newPlan(lab, dir, datapath string, t Topology) *Plan {
	p := &Plan{
		Lab: lab, Dir: dir, Datapath: datapath, Topology: t,
		Fabric:   lab + "-" + fabricName,
		Switches: []string{mgmtLink, underlayLink},
	}
	switchOf := map[string]string{}
	for i, n := range t.PhysicalNetworks {
		if n.Gateway != nil {
			continue
		}
		switchOf[n.Name] = fmt.Sprintf("phys%d", i+1)
		p.Switches = append(p.Switches, switchOf[n.Name])
	}
	for i, spec := range t.Hosts {
		n := i + 1
		h := HostPlan{
			Name: spec.Name, Roles: spec.Roles, Agent: spec.Agent,
			Namespace: lab + "-" + spec.Name,
			Dir:       filepath.Join(dir, spec.Name),
			Mgmt:      nth(netip.MustParsePrefix(mgmtRange), n),
			Tunnel:    nth(t.underlay(), n),
			Mappings:  map[string]string{},
		}
		cable := func(sw, bridge string) {
			h.Cables = append(h.Cables, Cable{Switch: sw, Port: sw + "-" + strconv.Itoa(n), Link: sw, Bridge: bridge})
		}
		cable(mgmtLink, "")
		cable(underlayLink, underlayBridge)
		for _, net := range t.physicalNetworks(spec) {
			if net.Gateway == nil {
				cable(switchOf[net.Name], net.Bridge)
			}
			h.Mappings[net.Name] = net.Bridge
		}
		p.Hosts = append(p.Hosts, h)
	}
	for _, n := range t.PhysicalNetworks {
		if n.Gateway != nil {
			p.join(n)
		}
	}
	return p
}
