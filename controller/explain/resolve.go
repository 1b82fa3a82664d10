package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// This file: who has an address, and how the answer to a packet sets out.

// resolve finds what answers for an address in the packet's network.
func (w *walk) resolve(ctx context.Context, c crossing, ip netip.Addr) (station, *Decision, error) {
	p := w.holder(c.network.ID, ip)
	if c.head.metadata() && ip == c.head.dst {
		p = w.metadataServer(c.network.ID, c.head)
	}
	if p != nil {
		if p.DeviceOwner == ownerFloating {
			return w.floatingStation(c, p, ip)
		}
		host, err := w.hostOf(ctx, p, c.host)
		if err != nil {
			return station{}, nil, err
		}
		to := station{mac: p.MAC, port: p, host: host}
		return to, w.routerUnready(c.head, p, host), nil
	}
	if p := w.linkLocalHolder(c.network.ID, ip); p != nil {
		return station{mac: p.MAC, port: p, host: p.Host}, nil, nil
	}
	if p, mac := w.pairHolder(c.network.ID, ip); p != nil {
		return station{mac: mac, port: p, host: p.Host}, nil, nil
	}
	if c.network.Segment.Type.Physical() {
		return station{mac: unknownMAC}, nil, nil
	}
	return station{}, w.nobody(c, ip), nil
}

// nobody says that no port has the next hop's address.
func (w *walk) nobody(c crossing, ip netip.Addr) *Decision {
	net := w.object(kindNetwork, c.network.ID)
	if ip == c.head.dst {
		return w.drop(c.head, ReasonUnknown, kindNetwork, net.ID, c.host, fmt.Sprintf("no port of %s has the address %s", net, ip))
	}
	for s := range records.SubnetsByNetwork.Get(w.r, net.ID) {
		if s.Gateway == ip {
			return w.drop(c.head, ReasonNoGateway, kindSubnet, s.ID, c.host,
				fmt.Sprintf("no router has the gateway's address %s of %s", ip, w.object(kindSubnet, s.ID)))
		}
	}
	return w.drop(c.head, ReasonNoRoute, kindNetwork, net.ID, c.host, fmt.Sprintf("no port of %s has the next hop's address %s", net, ip))
}

// holder gives the port of a network that has a fixed address.
func (w *walk) holder(network string, ip netip.Addr) *model.Port {
	var found *model.Port
	for p := range records.PortsByIP.Get(w.r, records.AddressKey(ip)) {
		if p.NetworkID == network && (found == nil || p.ID < found.ID) {
			found = p
		}
	}
	return found
}

// pairHolder gives the port of a network that may use an address by an address
// pair, and the MAC with which it does.
func (w *walk) pairHolder(network string, ip netip.Addr) (found *model.Port, mac model.MAC) {
	for p := range records.PortsByNetwork.Get(w.r, network) {
		for _, pair := range p.AllowedAddressPairs {
			if pair.IP.Bits() == 0 || !pair.IP.Contains(ip) || found != nil && found.ID < p.ID {
				continue
			}
			if found, mac = p, pair.MAC; mac == (model.MAC{}) {
				mac = p.MAC
			}
		}
	}
	return found, mac
}

// hostOf gives the host where a port is met from another host: a distributed
// router's interface is on every host that routes.
func (w *walk) hostOf(ctx context.Context, p *model.Port, from string) (string, error) {
	if !p.Distributed() || p.Host == from {
		return p.Host, nil
	}
	n, err := w.node(ctx, from)
	if err != nil {
		return "", err
	}
	if _, here := n.numbers[p.ID]; here {
		return from, nil
	}
	return p.Host, nil
}

// floatingStation finds where a floating address is answered for.
func (w *walk) floatingStation(c crossing, p *model.Port, ip netip.Addr) (station, *Decision, error) {
	for f := range records.FloatingIPsByAddress.Get(w.r, records.AddressKey(ip)) {
		if f.FloatingPortID != p.ID {
			continue
		}
		rec, ok := records.Routers.Get(w.r, f.RouterID)
		switch {
		case !ok || rec.Gateway == nil:
			o := w.object(kindFloatingIP, f.ID)
			return station{}, w.drop(c.head, ReasonUnknown, kindFloatingIP, f.ID, c.host, o.String()+" ("+ip.String()+") is in no use: no router answers for it"), nil
		case f.Host != "":
			return station{mac: p.MAC, port: p, host: f.Host}, nil, nil
		}
		g, ok := records.Ports.Get(w.r, rec.Gateway.PortID)
		if !ok {
			break
		}
		return station{mac: g.MAC, port: g, host: g.Host}, w.routerUnready(c.head, g, g.Host), nil
	}
	return station{}, w.drop(c.head, ReasonUnknown, kindPort, p.ID, c.host, "nothing answers for "+ip.String()), nil
}

// routerOf gives the router whose port it is; nil for any other port. The port of
// a floating address is the router's where that has a link for it.
func (w *walk) routerOf(p *model.Port) *model.Router {
	device := p.DeviceID
	if p.DeviceOwner == ownerFloating {
		for _, fixed := range p.FixedIPs {
			for f := range records.FloatingIPsByAddress.Get(w.r, records.AddressKey(fixed.IP)) {
				if f.FloatingPortID == p.ID {
					device = f.RouterID
				}
			}
		}
	}
	rec, ok := records.Routers.Get(w.r, device)
	if !ok || !strings.HasPrefix(p.DeviceOwner, "network:") {
		return nil
	}
	return rec
}

// routerUnready says why a router's port is not there, nil for any other port.
func (w *walk) routerUnready(h head, p *model.Port, host string) *Decision {
	rec := w.routerOf(p)
	if rec == nil {
		return nil
	}
	o := w.object(kindRouter, rec.ID)
	switch {
	case !rec.AdminStateUp:
		return w.drop(h, ReasonRouterDown, kindRouter, rec.ID, host, o.String()+" is down (admin_state_up is false)")
	case host == "":
		return w.drop(h, ReasonRouterNowhere, kindRouter, rec.ID, host, o.String()+" is on no host: no l3 agent has it")
	}
	return nil
}

// reply follows the answer from where the packet got to.
func (w *walk) reply(ctx context.Context, there end) (end, *Decision, error) {
	h := there.head.answer()
	switch {
	case there.port != nil:
		return w.send(ctx, there.port, h)
	case there.router != nil:
		return w.routerReply(ctx, there, h)
	}
	return w.outsideReply(ctx, there, h)
}

// routerReply is an answer that a router gives.
func (w *walk) routerReply(ctx context.Context, there end, h head) (end, *Decision, error) {
	r := there.router
	out := r.route(there.in, h)
	if h.dst.IsLinkLocalUnicast() {
		out = routed{out: there.in, via: h.dst}
	}
	o := w.object(kindRouter, r.rec.ID)
	if conn, answers := r.find(h); conn != nil && answers {
		h = conn.original.answer()
	}
	s := Step{Kind: "router", Host: r.host, Text: o.String() + " answers", Packet: h.String()}
	if out.reason == "" && !out.home {
		s.Out, s.NextHop = w.object(kindPort, out.out.port.ID), hopText(out.via)
	}
	w.step(s, kindRouter, r.rec.ID)
	if out.reason != "" {
		return end{}, w.drop(h, out.reason, kindRouter, r.rec.ID, r.host, o.String()+" "+out.text), nil
	}
	if out.home {
		out.out, out.via = there.in, h.dst
	}
	c := crossing{network: out.out.network, head: h, src: out.out.port.MAC, from: out.out.port, host: r.host}
	return w.onward(ctx, c, out.via)
}

// outsideReply is what a machine outside answers: to who has the address on the
// network, or, where an inside address was not translated, to the router that the
// packet came from.
func (w *walk) outsideReply(ctx context.Context, there end, h head) (end, *Decision, error) {
	c := crossing{network: there.network, head: h, src: unknownMAC, host: there.host}
	w.step(Step{Kind: "sender", Text: "the machine outside answers", Packet: h.String()}, kindNetwork, there.network.ID)
	p := w.holder(there.network.ID, h.dst)
	via := h.dst
	if p == nil && there.exit != nil && !slices.ContainsFunc(there.exit.FixedIPs, func(f model.FixedIP) bool { return f.IP == h.dst }) {
		for _, f := range there.exit.FixedIPs {
			if f.IP.Is6() == h.v6() {
				via = f.IP
			}
		}
		w.answer.Warnings = append(w.answer.Warnings, fmt.Sprintf("machines outside need a route to %s by %s", h.dst, via))
	}
	to, d, err := w.resolve(ctx, c, via)
	if err != nil || d != nil {
		return end{}, d, err
	}
	if to.port == nil {
		return end{}, w.drop(h, ReasonUnknown, kindNetwork, there.network.ID, "", "nothing in the cloud has the address "+h.dst.String()), nil
	}
	c.host = to.host
	return w.onward(ctx, c, via)
}
