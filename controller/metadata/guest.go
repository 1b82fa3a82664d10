package metadata

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// defaultZone is the zone of who named none, as in Neutron and Nova.
const defaultZone = "nova"

// Guest is an instance with all that its documents are made of.
type Guest struct {
	*model.Instance
	// Recorded says that there is an instance record; otherwise it was made of
	// the port.
	Recorded bool
	// NICs are the instance's ports, the first one first.
	NICs []NIC
	// Domain completes the host's name; "" for none.
	Domain string
	// Seed are random bytes for the guest's generator.
	Seed []byte
}

// NIC is a port of an instance with what the guest has to know of its network.
type NIC struct {
	Port    *model.Port
	Network *model.Network
	// Subnets are those that the port has addresses of, by id.
	Subnets map[string]*model.Subnet
	// Floating is fixed address → floating address.
	Floating map[netip.Addr]netip.Addr
	// Groups are the names of the port's security groups.
	Groups []string
	// VLANs are the sub ports of the trunk whose parent the port is, by VLAN id.
	VLANs []VLAN
}

// VLAN is a port that a guest reaches with a tag on another port.
type VLAN struct {
	NIC
	ID int // 1–4094
}

// Gather collects what the guest on a port is told. Domain is that of networks
// without one. It gives false when there is no such port.
func Gather(r records.Reader, portID, domain string) (Guest, bool) {
	port, ok := records.Ports.Get(r, portID)
	if !ok {
		return Guest{}, false
	}
	g := Guest{Domain: domain}
	ports := []*model.Port{port}
	if g.Instance, g.Recorded = plugin.InstanceOf(r, portID); g.Recorded {
		ports = ports[:0]
		for _, id := range g.Ports {
			if p, ok := records.Ports.Get(r, id); ok {
				ports = append(ports, p)
			}
		}
	} else {
		g.Instance = unrecorded(port)
		ports = sameDevice(r, port)
	}
	for _, p := range ports {
		if nic, ok := nicOf(r, p); ok {
			nic.VLANs = vlansOf(r, p)
			g.NICs = append(g.NICs, nic)
		}
	}
	if len(g.NICs) > 0 && g.NICs[0].Network.DNSDomain != "" {
		g.Domain = strings.TrimSuffix(g.NICs[0].Network.DNSDomain, ".")
	}
	return g, true
}

// unrecorded makes an instance of a port.
func unrecorded(p *model.Port) *model.Instance {
	id := cmp.Or(p.DeviceID, p.ID)
	i := &model.Instance{Meta: model.Meta{ID: id, ProjectID: p.ProjectID, Name: p.Name}}
	i.Hostname = cmp.Or(p.DNSName, plugin.HostnameOf(p.Name, id))
	return i
}

// sameDevice gives the ports of the device that a port is of, in the order in
// which they were made. Ports of other projects are not counted among them,
// whatever they say.
func sameDevice(r records.Reader, port *model.Port) []*model.Port {
	if port.DeviceID == "" {
		return []*model.Port{port}
	}
	var ports []*model.Port
	for p := range records.PortsByDevice.Get(r, port.DeviceID) {
		if p.ProjectID == port.ProjectID && p.DeviceOwner == port.DeviceOwner {
			ports = append(ports, p)
		}
	}
	slices.SortStableFunc(ports, func(a, b *model.Port) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return ports
}

func nicOf(r records.Reader, p *model.Port) (NIC, bool) {
	n := NIC{Port: p, Subnets: map[string]*model.Subnet{}, Floating: map[netip.Addr]netip.Addr{}}
	var ok bool
	if n.Network, ok = records.Networks.Get(r, p.NetworkID); !ok {
		return n, false
	}
	for _, f := range p.FixedIPs {
		if s, ok := records.Subnets.Get(r, f.SubnetID); ok {
			n.Subnets[s.ID] = s
		}
	}
	for f := range records.FloatingIPsByPort.Get(r, p.ID) {
		n.Floating[f.FixedIP] = f.FloatingIP
	}
	for _, id := range p.SecurityGroups {
		if g, ok := records.SecurityGroups.Get(r, id); ok {
			n.Groups = append(n.Groups, g.Name)
		}
	}
	slices.Sort(n.Groups)
	return n, true
}

func vlansOf(r records.Reader, parent *model.Port) []VLAN {
	trunk, ok := plugin.TrunkOf(r, parent.ID)
	if !ok || trunk.PortID != parent.ID {
		return nil
	}
	var out []VLAN
	for _, sub := range trunk.SubPorts {
		p, ok := records.Ports.Get(r, sub.PortID)
		if !ok {
			continue
		}
		if nic, ok := nicOf(r, p); ok {
			out = append(out, VLAN{nic, sub.SegmentationID})
		}
	}
	slices.SortFunc(out, func(a, b VLAN) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// fqdn is the host's whole name.
func (g *Guest) fqdn() string {
	if strings.Contains(g.Hostname, ".") || g.Domain == "" {
		return g.Hostname
	}
	return g.Hostname + "." + g.Domain
}

func (g *Guest) zone() string { return cmp.Or(g.AvailabilityZone, defaultZone) }

// addresses gives the NIC's addresses of a family, in the port's order.
func (n *NIC) addresses(v6 bool) []netip.Addr {
	var out []netip.Addr
	for _, f := range n.Port.FixedIPs {
		if f.IP.Is6() == v6 {
			out = append(out, f.IP)
		}
	}
	return out
}

// first gives the first IPv4 address of any NIC, and the first floating one.
func (g *Guest) first() (fixed, floating string) {
	for i := range g.NICs {
		for _, a := range g.NICs[i].addresses(false) {
			if fixed == "" {
				fixed = a.String()
			}
			if f, ok := g.NICs[i].Floating[a]; ok && floating == "" {
				floating = f.String()
			}
		}
	}
	return fixed, floating
}

func (g *Guest) groups() []string {
	var all []string
	for i := range g.NICs {
		all = append(all, g.NICs[i].Groups...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
