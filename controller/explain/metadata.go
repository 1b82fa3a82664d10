package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

// This file: requests for metadata. A router redirects those of its guests to the
// proxy on its host; where no router of ours is the gateway, DHCP servers send
// guests to the proxy on theirs. A host with `metadata.mode: local` answers its own
// guests, wherever they send their requests.

const metadataPort = 80

// metadata reports whether it is a request for metadata.
func (h head) metadata() bool {
	return h.proto == model.ProtoTCP && h.dport == metadataPort && !h.reply && (h.dst == pipeline.MetadataIPv4 || h.dst == pipeline.MetadataIPv6)
}

// metadataRoute is the way that a guest is told to its metadata.
func (w *walk) metadataRoute(p *model.Port, h head) (via netip.Addr, text string, d *Decision) {
	name := w.called(p)
	if h.v6() {
		return h.dst, fmt.Sprintf("%s asks for metadata on its link", name), nil
	}
	var subnet *model.Subnet
	for _, f := range p.FixedIPs {
		if s, ok := records.Subnets.Get(w.r, f.SubnetID); ok && f.IP == h.src {
			subnet = s
		}
	}
	if subnet == nil {
		text = name + " is on no subnet"
		return via, text, w.drop(h, ReasonNoMetadata, kindPort, p.ID, p.Host, text)
	}
	for _, r := range subnet.HostRoutes {
		if r.Destination == netip.PrefixFrom(h.dst, h.dst.BitLen()) {
			return r.NextHop, fmt.Sprintf("%s asks for metadata at %s, by the host route of its subnet", name, r.NextHop), nil
		}
	}
	if server := w.metadataServer(p.NetworkID, h); server != nil && !isRouter(server) {
		return h.dst, fmt.Sprintf("%s asks for metadata at the DHCP server, as that tells it", name), nil
	}
	if !subnet.Gateway.IsValid() || w.interfaceAt(p.NetworkID, subnet.Gateway) == nil {
		text = "no router of the cloud is the gateway of its subnet, and no DHCP server on a host of role metadata serves that"
		return via, text, w.drop(h, ReasonNoMetadata, kindSubnet, subnet.ID, p.Host, text)
	}
	return subnet.Gateway, fmt.Sprintf("%s asks for metadata by its gateway %s", name, subnet.Gateway), nil
}

func isRouter(p *model.Port) bool {
	return slices.Contains([]string{ownerInterface, ownerDistributed, ownerHAInterface}, p.DeviceOwner)
}

// interfaceAt gives the router's interface that has an address of a network.
func (w *walk) interfaceAt(network string, ip netip.Addr) *model.Port {
	if p := w.holder(network, ip); p != nil && isRouter(p) {
		return p
	}
	return nil
}

// metadataServer gives the port on a network that has the service's address: over
// IPv6 an interface of a router, else the first DHCP server on a host of role
// metadata of a subnet whose gateway is no router of ours.
func (w *walk) metadataServer(network string, h head) (found *model.Port) {
	if h.v6() {
		for p := range records.PortsByNetwork.Get(w.r, network) {
			if isRouter(p) && (found == nil || p.ID < found.ID) {
				found = p
			}
		}
		if found != nil {
			return found
		}
	}
	binding, ok := records.DHCPBindings.Get(w.r, network)
	if !ok {
		return nil
	}
	for _, b := range binding.Hosts {
		p, ok := records.Ports.Get(w.r, b.PortID)
		if !ok || !w.serves(b.Host) {
			continue
		}
		if h.v6() || w.isolated(p, h.src) {
			return p
		}
	}
	return nil
}

// isolated reports whether a DHCP server's port serves the subnet that an address
// is of, and no router of ours is its gateway.
func (w *walk) isolated(server *model.Port, of netip.Addr) bool {
	for _, f := range server.FixedIPs {
		s, ok := records.Subnets.Get(w.r, f.SubnetID)
		if ok && s.EnableDHCP && s.CIDR.Contains(of) {
			return !s.Gateway.IsValid() || w.interfaceAt(s.NetworkID, s.Gateway) == nil
		}
	}
	return false
}

// serves reports whether a host has a metadata proxy.
func (w *walk) serves(host string) bool {
	for a := range records.AgentsByHost.Get(w.r, host) {
		return slices.Contains(a.Roles, "metadata")
	}
	return false
}

// metadataService says what the proxy of a host makes of a request, nil when it
// answers.
func (w *walk) metadataService(c crossing, host string) *Decision {
	text := "the metadata proxy of the host takes it"
	switch {
	case !w.serves(host):
		text = "the host has no metadata proxy: its agent has not the role metadata"
		w.step(Step{Kind: "metadata", Host: host, Text: text, Packet: c.head.String()}, kindPort, portID(c.to.port))
		return w.drop(c.head, ReasonNoMetadata, kindPort, portID(c.to.port), host, text)
	case c.from == nil || c.from.Trusted():
		text = "the metadata proxy of the host knows no guest of this address, and answers 404"
	default:
		text += " for " + w.instanceOf(c.from)
	}
	w.step(Step{Kind: "metadata", Host: host, Text: text, Packet: c.head.String()}, kindPort, portID(c.from))
	if c.from == nil || c.from.Trusted() {
		return w.drop(c.head, ReasonNoMetadata, kindPort, portID(c.to.port), host, "the request is no guest's")
	}
	return nil
}

// asksItsHost reports whether the sender's own host takes the request: from an
// address of the port, as the flows of the host do.
func (w *walk) asksItsHost(p *model.Port, h head) bool {
	local := false
	for a := range records.AgentsByHost.Get(w.r, p.Host) {
		local = a.LocalMetadata
	}
	return local && !p.Trusted() && slices.ContainsFunc(pipeline.MetadataAliases(p, 0), func(a pipeline.Alias) bool { return a.Address == h.src })
}

// ownMetadata is a request that the sender's own host answers. The guest has to
// have a next hop for it, whichever.
func (w *walk) ownMetadata(ctx context.Context, p *model.Port, network *model.Network, h head) (end, *Decision, error) {
	n, err := w.node(ctx, p.Host)
	if err != nil {
		return end{}, nil, err
	}
	_, text, d := w.metadataRoute(p, h)
	if d != nil && w.reachesItsHost(p, network, h, n.host.Update.Settings.LocalDHCP) {
		text, d = w.called(p)+" asks for metadata by its gateway or on its link", nil
	}
	if d == nil {
		var more string
		if more, d = w.fits(p, network, h); more != "" {
			text += ", " + more
		}
	}
	w.step(Step{Kind: "sender", Host: p.Host, Text: text, Packet: h.String()}, kindPort, p.ID)
	if d == nil {
		d = w.metadataService(crossing{head: h, from: p, to: station{port: p}}, p.Host)
	}
	return end{head: h, port: p, host: p.Host, network: network, own: true}, d, nil
}

// reachesItsHost reports whether a guest has a next hop for requests though no
// router of ours and no DHCP server is one: a gateway that may answer ARP, or the
// link, which its host's DHCP tells it.
func (w *walk) reachesItsHost(p *model.Port, network *model.Network, h head, localDHCP bool) bool {
	for _, f := range p.FixedIPs {
		s, ok := records.Subnets.Get(w.r, f.SubnetID)
		if ok && f.IP == h.src && (localDHCP && s.EnableDHCP || s.Gateway.IsValid() && network.Segment.Type.Physical()) {
			return true
		}
	}
	return false
}

// instanceOf says whose metadata a port is given.
func (w *walk) instanceOf(p *model.Port) string {
	for i := range records.InstancesByProject.Get(w.r, p.ProjectID) {
		if slices.Contains(i.Ports, p.ID) {
			return "instance " + i.ID + " of lepton-instances"
		}
	}
	if p.DeviceID == "" {
		return "the port alone: it has no device_id, and no record of lepton-instances has it"
	}
	return "device " + p.DeviceID
}
