package explain

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/model"
)

// hop is a route of a router.
type hop struct {
	dst netip.Prefix
	via netip.Addr // invalid: on the link
	out *face
	by  []ref
}

// route finds the way of a packet that came in by a face.
func (r *router) route(in *face, h head) routed {
	if best, ok := longest(r.between(), h.dst); ok {
		return best
	}
	if r.replica && r.gateway != nil {
		if best, ok := longest(r.lentRoutes(h.src), h.dst); ok {
			return best
		}
		if in.port.Host != "" && !in.external {
			return routed{home: true, by: []ref{{kindRouter, r.rec.ID}}}
		}
	}
	about := ref{kindRouter, r.rec.ID}
	if r.gateway == nil {
		return routed{reason: ReasonNoGateway, about: about, text: fmt.Sprintf("has no route to %s, and no gateway", h.dst)}
	}
	return routed{reason: ReasonNoRoute, about: about, text: fmt.Sprintf("has no route to %s", h.dst)}
}

// longest chooses the route with the longest prefix.
func longest(routes []hop, dst netip.Addr) (routed, bool) {
	best := -1
	for i, x := range routes {
		if x.dst.Contains(dst) && (best < 0 || x.dst.Bits() > routes[best].dst.Bits()) {
			best = i
		}
	}
	if best < 0 {
		return routed{}, false
	}
	x := routes[best]
	out := routed{out: x.out, via: x.via, by: x.by}
	if !x.via.IsValid() {
		out.via = dst
	}
	return out, true
}

// between are the routes of the main table. A route of the router's own takes the
// place of another one to the same destination.
func (r *router) between() []hop {
	list := r.own()
	add := func(h hop) {
		if !slices.ContainsFunc(list, func(o hop) bool { return o.dst == h.dst }) {
			list = append(list, h)
		}
	}
	for _, f := range r.faces {
		for _, a := range f.addresses {
			if f.lent == nil {
				list = append(list, hop{dst: netip.PrefixFrom(a.ip, a.subnet.CIDR.Bits()).Masked(), out: f})
			}
		}
	}
	if r.gateway == nil || r.replica {
		return list
	}
	for _, s := range r.gateway.others {
		add(hop{dst: s.CIDR.Masked(), out: r.gateway})
	}
	for _, a := range r.gateway.addresses {
		if gw := a.subnet.Gateway; gw.IsValid() && gw != a.ip {
			add(hop{dst: everything(gw), via: gw, out: r.gateway, by: []ref{{kindSubnet, a.subnet.ID}}})
		}
	}
	return list
}

// own are the routes that the router's record has.
func (r *router) own() []hop {
	var list []hop
	for _, x := range r.rec.Routes {
		if f := r.linkTo(x.NextHop); f != nil {
			list = append(list, hop{dst: x.Destination.Masked(), via: x.NextHop, out: f, by: []ref{{kindRouter, r.rec.ID}}})
		}
	}
	return list
}

// linkTo finds the face on whose subnet the address is.
func (r *router) linkTo(ip netip.Addr) *face {
	for _, f := range r.faces {
		for _, a := range f.addresses {
			if a.subnet.CIDR.Contains(ip) && f.lent == nil {
				return f
			}
		}
	}
	if r.gateway != nil && !r.replica && slices.ContainsFunc(r.gateway.others, func(s *model.Subnet) bool { return s.CIDR.Contains(ip) }) {
		return r.gateway
	}
	return nil
}

// lentRoutes are the ways out of what a floating address of this replica stands
// for.
func (r *router) lentRoutes(src netip.Addr) []hop {
	var list []hop
	for _, f := range r.faces {
		if f.lent == nil || f.lent.FixedIP != src {
			continue
		}
		by := []ref{{kindFloatingIP, f.lent.ID}}
		var outside []netip.Prefix
		for _, a := range f.addresses {
			if a.ip != f.lent.FloatingIP {
				continue
			}
			if gw := a.subnet.Gateway; gw.IsValid() {
				list = append(list, hop{dst: everything(gw), via: gw, out: f, by: by})
			}
			outside = append(outside, a.subnet.CIDR.Masked())
		}
		for _, s := range f.others {
			if s.CIDR.Addr().Is4() {
				outside = append(outside, s.CIDR.Masked())
			}
		}
		for _, p := range outside {
			list = append(list, hop{dst: p, out: f, by: by})
		}
		for _, x := range r.rec.Routes {
			if slices.ContainsFunc(outside, func(p netip.Prefix) bool { return p.Contains(x.NextHop) }) {
				list = append(list, hop{dst: x.Destination.Masked(), via: x.NextHop, out: f, by: by})
			}
		}
	}
	return list
}

func everything(of netip.Addr) netip.Prefix {
	if of.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}
