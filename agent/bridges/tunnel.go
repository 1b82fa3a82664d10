package bridges

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// vxlanPort is the UDP port that IANA gave VXLAN (RFC 7348, section 5).
const vxlanPort = 4789

// tunnels makes the ports towards the other hosts.
func (p *planner) tunnels() {
	sorted := slices.SortedFunc(slices.Values(p.want.Tunnels), func(a, b Tunnel) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Type, b.Type))
	})
	ends := map[string]string{} // port → host
	for _, t := range sorted {
		t.Remote = t.Remote.Unmap()
		name := TunnelPort(t.Type, t.Remote)
		other, taken := ends[name]
		switch {
		case p.want.Tunnel == "":
			p.tunnelProblem(t, "there is no tunnel bridge")
		case !p.want.LocalIP.IsValid():
			p.tunnelProblem(t, "this host has no tunnel.local_ip")
		case !t.Remote.IsValid():
			p.tunnelProblem(t, "that host has no tunnel address")
		case t.Remote == p.want.LocalIP.Unmap():
			p.tunnelProblem(t, "that host has the same tunnel address as this one, "+t.Remote.String())
		case t.Remote.Is4() != p.want.LocalIP.Unmap().Is4():
			p.tunnelProblem(t, "its address "+t.Remote.String()+" is not of the family of tunnel.local_ip "+p.want.LocalIP.String())
		case taken && other != t.Host:
			p.tunnelProblem(t, "it has the same tunnel address as "+other+", "+t.Remote.String())
		default:
			ends[name] = t.Host
			p.port(p.tunnelPort(name, t))
		}
	}
}

func (p *planner) tunnelProblem(t Tunnel, text string) {
	p.problem("tunnel "+string(t.Type)+" to host "+t.Host, "%s", text)
}

// tunnelPort has the options that Neutron gives its tunnels: keys and remote
// networks are the flows' business, the outer header is set up here
// (ovs-vswitchd.conf.db(5), "Tunnel Options").
func (p *planner) tunnelPort(name string, t Tunnel) ovsdb.EnsurePort {
	ids := owner()
	ids[ovsdb.TunnelHostKey] = t.Host
	options := map[string]string{
		"in_key": "flow", "out_key": "flow",
		"local_ip": p.want.LocalIP.Unmap().String(), "remote_ip": t.Remote.String(),
		"df_default": strconv.FormatBool(p.want.DF),
		// A mark on the inner packet is no business of the underlay.
		"egress_pkt_mark": "0",
	}
	if p.want.CSUM {
		options["csum"] = "true"
	}
	if t.Type == model.VXLAN && t.DstPort != 0 && t.DstPort != vxlanPort {
		options["dst_port"] = strconv.Itoa(t.DstPort)
	}
	kind := interfaceType(t.Type, t.Remote)
	if kind == "ip6gre" {
		options["packet_type"] = "legacy_l2"
	}
	return ovsdb.EnsurePort{
		Bridge: p.want.Tunnel, Name: name, Type: kind, Options: options, ExternalIDs: ids, PortExternalIDs: ids,
	}
}

// interfaceType is Open vSwitch's name of a tunnel: GRE over IPv6 is a type of
// its own.
func interfaceType(t model.NetworkType, remote netip.Addr) string {
	if t == model.GRE && remote.Is6() {
		return "ip6gre"
	}
	return string(t)
}
