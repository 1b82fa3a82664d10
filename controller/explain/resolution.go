package explain

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

// This file: how a sender learns the MAC of its next hop, by ARP (RFC 826) or
// neighbour discovery (RFC 4861 section 7.2). The question is run over the tables
// like the packet itself.

const (
	etherTypeARP         = 0x0806
	arpRequest, arpReply = 1, 2
	solicitation, advert = 135, 136
	optionSourceLink     = 1
)

// linkLocalHolder gives the port of a network whose MAC makes the link-local
// address.
func (w *walk) linkLocalHolder(network string, ip netip.Addr) *model.Port {
	if !ip.Is6() || !ip.IsLinkLocalUnicast() {
		return nil
	}
	for p := range records.PortsByNetwork.Get(w.r, network) {
		if p.MAC.LinkLocal() == ip {
			return p
		}
	}
	return nil
}

// question is the frame that asks for an address.
func (c crossing) question(via netip.Addr) sim.Packet {
	if via.Is4() {
		p := sim.NewPacket(flows.Exact(flows.EthSrc, flows.MAC(c.src[:])), flows.Exact(flows.EthDst, flows.MAC(broadcast[:])))
		p.SetNum(flows.EthType, etherTypeARP)
		p.SetNum(flows.ARPOp, arpRequest)
		p.Set(flows.ARPSHA, flows.MAC(c.src[:]))
		p.Set(flows.ARPSPA, flows.IP(c.asker(false)))
		p.Set(flows.ARPTPA, flows.IP(via))
		return p
	}
	b := via.As16()
	group := model.MAC{0x33, 0x33, 0xff, b[13], b[14], b[15]}
	to := netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(to[13:], b[13:])
	p := sim.NewPacket(flows.Exact(flows.EthSrc, flows.MAC(c.src[:])), flows.Exact(flows.EthDst, flows.MAC(group[:])))
	p.SetNum(flows.EthType, etherTypeIPv6)
	p.Set(flows.IPv6Src, flows.IP(c.asker(true)))
	p.Set(flows.IPv6Dst, flows.IP(netip.AddrFrom16(to)))
	p.SetNum(flows.IPProto, model.ProtoICMPv6)
	p.SetNum(flows.IPTTL, 255)
	p.SetNum(flows.ICMPv6Type, solicitation)
	p.SetNum(flows.ICMPv6Code, 0)
	p.Set(flows.NDTarget, flows.IP(via))
	p.SetNum(flows.NDOptionsType, optionSourceLink)
	p.Set(flows.NDSLL, flows.MAC(c.src[:]))
	return p
}

// asker is the address that asks: the packet's own source of a guest, a router's
// address.
func (c crossing) asker(v6 bool) netip.Addr {
	ip := c.head.src
	for i, f := range c.from.FixedIPs {
		if f.IP == c.head.src {
			return f.IP
		}
		if f.IP.Is6() == v6 && (i == 0 || ip == c.head.src) {
			ip = f.IP
		}
	}
	if v6 && ip == c.head.src {
		return c.from.MAC.LinkLocal()
	}
	return ip
}

// resolution notes who answers for the next hop of what a port sends. That nobody
// does is a warning: the packet's own way is judged by itself.
func (w *walk) resolution(ctx context.Context, c crossing, via netip.Addr) error {
	if c.from == nil || !via.IsValid() || c.to.port == nil {
		return nil
	}
	n, err := w.node(ctx, c.host)
	if err != nil {
		return err
	}
	how := "ARP"
	if via.Is6() {
		how = "a neighbour solicitation"
	}
	frame := c.question(via)
	frame.SetNum(flows.InPort, uint64(n.numbers[c.from.ID]))
	run := n.integration().Run(frame, sim.Options{Conns: n.conns})
	text := ""
	switch {
	case w.answeredFor(n, run, c):
		text = fmt.Sprintf("br-tun answers %s for %s in the name of %s", how, via, w.called(c.to.port))
	case w.arrived(n, run, c.to):
		text = fmt.Sprintf("%s hears %s for %s, and answers itself", w.called(c.to.port), how, via)
	default:
		heard, err := w.heardElsewhere(ctx, n, run, c)
		if err != nil {
			return err
		}
		if heard {
			text = fmt.Sprintf("%s for %s is flooded to the other hosts; %s hears it, and answers itself", how, via, w.called(c.to.port))
		}
	}
	s := Step{Kind: "resolution", Host: c.host, Text: text, Packet: c.head.String()}
	if text == "" {
		s.Text = fmt.Sprintf("nobody answers %s for %s", how, via)
		if len(n.numbers) > 0 && c.to.host != "" {
			w.warn(c.host, fmt.Sprintf("does not learn the MAC of %s: %s", via, s.Text))
		}
	}
	s.Path, s.Tables = w.tables(n, run)
	w.step(s, kindPort, c.to.port.ID)
	return nil
}

// answeredFor reports whether the asker gets an answer out of the tables.
func (w *walk) answeredFor(n *node, run sim.Result, c crossing) bool {
	for _, o := range run.Outputs {
		answer := o.Packet.Num(flows.ARPOp) == arpReply
		if o.Packet.Num(flows.EthType) == etherTypeIPv6 {
			answer = o.Packet.Num(flows.ICMPv6Type) == advert
		}
		if o.Bridge == n.integration() && o.Port == n.numbers[c.from.ID] && answer {
			return true
		}
	}
	return false
}

// heardElsewhere reports whether the question reaches the station on its host.
func (w *walk) heardElsewhere(ctx context.Context, n *node, run sim.Result, c crossing) (bool, error) {
	out, _ := w.exit(n, run, c)
	if out == nil || c.to.host == "" || c.to.host == n.name {
		return false, nil
	}
	other, err := w.node(ctx, c.to.host)
	if err != nil {
		return false, err
	}
	bridge, in := w.entrance(c, other, n, out)
	if bridge == nil {
		return false, nil
	}
	p := out.packet
	arrive(&p, in, out.physical)
	return w.arrived(other, bridge.Run(p, sim.Options{Conns: other.conns}), c.to), nil
}

// entrance is where a packet that left one host enters another; nil for nowhere.
func (w *walk) entrance(c crossing, n, from *node, out *exit) (*sim.Bridge, uint32) {
	if out.physical {
		return n.physical[w.segmentOn(c.network, n).PhysicalNetwork], nic
	}
	in := n.view.Tunnels[pipeline.TunnelKey{Host: from.name, Type: out.tunnel}]
	if in == 0 {
		return nil, 0
	}
	return n.bridges[tunnelBridge], in
}
