package explain

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// This file: who answers DHCP (RFC 2131) and DHCPv6 (RFC 8415). The question goes to
// each server of the network, and from each an answer has to come back.

// Ports of both, and where questions are sent.
const (
	dhcpServer, dhcpClient   = 67, 68
	dhcp6Server, dhcp6Client = 547, 546
)

var (
	allHosts   = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	allServers = netip.MustParseAddr("ff02::1:2")
	// The MACs of both (RFC 2464 section 7).
	broadcast    = model.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allServerMAC = model.MAC{0x33, 0x33, 0, 1, 0, 2}
)

// asksDHCP reports whether it is asked who answers DHCP: UDP to port 67 or 547 of
// nobody in particular.
func (q *Question) asksDHCP() bool {
	n, ok := model.ProtocolNumber(strings.ToLower(q.Protocol))
	to := q.To == "" || q.To == allHosts.String() || q.To == allServers.String()
	return ok && n == model.ProtoUDP && to && (q.Port == dhcpServer || q.Port == dhcp6Server)
}

// dhcpServers is the address that all servers hear.
func (q *Question) dhcpServers() (netip.Addr, error) {
	all, version := allHosts, 4
	if q.Port == dhcp6Server {
		all, version = allServers, 6
	}
	switch {
	case q.IPVersion != 0 && q.IPVersion != version:
		return all, bad("ip_version", "%d does not fit port %d, which is of IPv%d", q.IPVersion, q.Port, version)
	case q.To != "" && q.To != all.String():
		return all, bad("to", "%s is not where servers are asked at port %d: that is %s", q.To, q.Port, all)
	}
	return all, nil
}

func dhcpSource(p *model.Port, v6 bool) (netip.Addr, uint16) {
	if v6 {
		return p.MAC.LinkLocal(), dhcp6Client
	}
	return netip.IPv4Unspecified(), dhcpClient
}

// leases gives the port's addresses that a server would give it, with their
// subnets: the first of IPv4, all of IPv6.
func (w *walk) leases(p *model.Port, v6 bool) (list []string, subnets map[string]bool) {
	subnets = map[string]bool{}
	for _, f := range p.FixedIPs {
		s, ok := records.Subnets.Get(w.r, f.SubnetID)
		mode := ""
		if ok {
			if mode = s.IPv6AddressMode; mode == "" {
				mode = s.IPv6RAMode
			}
		}
		if !ok || !s.EnableDHCP || f.IP.Is6() != v6 || mode == "slaac" || !v6 && len(list) > 0 {
			continue
		}
		if subnets[s.ID] = true; mode == "dhcpv6-stateless" {
			list = append(list, "options only")
			continue
		}
		list = append(list, f.IP.String())
	}
	return list, subnets
}

// dhcp follows the question of a port for DHCP servers.
func (w *walk) dhcp(ctx context.Context, p *model.Port, h head) error {
	w.direction = "forward"
	w.awaitPort(p)
	network, ok := records.Networks.Get(w.r, p.NetworkID)
	d := w.unready(h, p, p.Host)
	if d == nil && !ok {
		d = w.drop(h, ReasonUnknown, kindPort, p.ID, p.Host, "the port has no network")
	}
	text := w.called(p) + " asks all DHCP servers of its network"
	if d != nil {
		text = d.Text
	}
	w.step(Step{Kind: "sender", Host: p.Host, Text: text, Packet: h.String()}, kindPort, p.ID)
	if d != nil {
		w.conclude(d, end{})
		return nil
	}
	offers, subnets := w.leases(p, h.v6())
	if len(offers) == 0 {
		w.conclude(w.drop(h, ReasonNoDHCP, kindPort, p.ID, p.Host,
			fmt.Sprintf("%s has no address in a subnet whose DHCP would give it one, so nobody answers it", w.called(p))), end{})
		return nil
	}
	n, err := w.node(ctx, p.Host)
	if err != nil {
		return err
	}
	offer := strings.Join(offers, ", ")
	if n.host.Update.Settings.LocalDHCP {
		w.concludeDHCP(p, fmt.Sprintf("the agent of its own host answers, and offers %s", offer), p.Host)
		return nil
	}
	return w.dhcpOfServers(ctx, crossing{network: network, head: h, src: p.MAC, from: p, host: p.Host}, offer, subnets)
}

// concludeDHCP is a question that is answered.
func (w *walk) concludeDHCP(server *model.Port, text, host string) {
	w.conclude(&Decision{Direction: "forward", Reason: ReasonDelivered, Host: host, Object: w.object(kindPort, server.ID), Text: text}, end{port: server})
}

// dhcpOfServers asks the network's servers, each of them.
func (w *walk) dhcpOfServers(ctx context.Context, c crossing, offer string, subnets map[string]bool) error {
	var last *Decision
	answered := false
	binding, _ := records.DHCPBindings.Get(w.r, c.network.ID)
	if binding == nil {
		binding = &model.DHCPBinding{}
	}
	for _, b := range binding.Hosts {
		server, ok := records.Ports.Get(w.r, b.PortID)
		if !ok || !servesAny(server, subnets) {
			continue
		}
		d, err := w.askServer(ctx, c, server)
		switch {
		case err != nil:
			return err
		case d != nil:
			last = d
			w.warn(b.Host, "serves the network, and does not answer: "+d.Text)
		case !answered:
			answered = true
			defer w.concludeDHCP(server, fmt.Sprintf("the DHCP server %s answers, and offers %s", w.called(server), offer), b.Host)
		}
	}
	if !answered && last == nil {
		net := w.object(kindNetwork, c.network.ID)
		last = w.drop(c.head, ReasonNoDHCP, kindNetwork, net.ID, "", "no host serves "+net.String()+" with DHCP")
	}
	if !answered {
		w.conclude(last, end{})
	}
	return nil
}

func servesAny(server *model.Port, subnets map[string]bool) bool {
	for _, f := range server.FixedIPs {
		if subnets[f.SubnetID] {
			return true
		}
	}
	return false
}

// askServer takes the question to one server and its answer back.
func (w *walk) askServer(ctx context.Context, c crossing, server *model.Port) (*Decision, error) {
	w.direction = "forward"
	c.to = station{mac: broadcast, port: server, host: server.Host}
	if c.head.v6() {
		c.to.mac = allServerMAC
	}
	got, err := w.cross(ctx, c)
	if err != nil || got.drop != nil {
		return got.drop, err
	}
	w.awaitPort(server)
	w.direction = "reply"
	h := c.head.answer()
	if h.src, h.dst = server.MAC.LinkLocal(), c.from.MAC.LinkLocal(); !h.v6() {
		for _, f := range server.FixedIPs {
			if f.IP.Is4() {
				h.src = f.IP
			}
		}
	}
	if c.head.v6() {
		h.dst = c.head.src
	} else {
		h.dst = w.firstOf(c.from, false)
	}
	back := crossing{network: c.network, head: h, src: server.MAC, from: server, host: server.Host, to: station{mac: c.from.MAC, port: c.from, host: c.from.Host}}
	got, err = w.cross(ctx, back)
	return got.drop, err
}

// firstOf is a port's first address of a family.
func (w *walk) firstOf(p *model.Port, v6 bool) netip.Addr {
	for _, f := range p.FixedIPs {
		if f.IP.Is6() == v6 {
			return f.IP
		}
	}
	return netip.Addr{}
}
