package explain

import (
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Device owners of routers' ports.
const (
	ownerInterface   = "network:router_interface"
	ownerDistributed = "network:router_interface_distributed"
	ownerHAInterface = "network:ha_router_replicated_interface"
	ownerGateway     = "network:router_gateway"
	ownerFloating    = "network:floatingip"
	ownerDHCP        = "network:dhcp"
)

// address is an address of a router's port.
type address struct {
	ip     netip.Addr
	subnet *model.Subnet
	scope  string // address scope, "" for none
}

// face is a port of a router as its namespace has it.
type face struct {
	port      *model.Port
	network   *model.Network
	addresses []address
	others    []*model.Subnet // of the network, without an address of the port
	external  bool
	lent      *model.FloatingIP // whose link it is, on a replica
}

// scope gives the address scope of the face's addresses of a family; false when
// it has none of it.
func (f *face) scope(v6 bool) (string, bool) {
	for _, a := range f.addresses {
		if a.ip.Is6() == v6 {
			return a.scope, true
		}
	}
	return "", false
}

// router is a router on one host, with the connections that it remembers. It
// does what agent/l3 has the kernel do.
type router struct {
	rec     *model.Router
	host    string
	replica bool // of a distributed router, away from its home
	faces   []*face
	gateway *face // also on a replica, which does not have it as a link
	// floating and forwardings are those that are translated here.
	floating    []*model.FloatingIP
	forwardings []*model.PortForwarding
	conns       []*translation
}

// translation is a connection through a router.
type translation struct {
	original, reply head // reply is what answers look like when they arrive
	scope           *string
}

// routerOn gathers what a router is on a host.
func (w *walk) routerOn(rec *model.Router, host string) *router {
	key := rec.ID + " " + host
	if r := w.routers[key]; r != nil {
		return r
	}
	r := &router{rec: rec, host: host}
	w.routers[key] = r
	binding, _ := records.RouterBindings.Get(w.r, rec.ID)
	r.replica = rec.Distributed && (binding == nil || !binding.On(host))
	for p := range records.PortsByDevice.Get(w.r, rec.ID) {
		if !p.AdminStateUp {
			continue
		}
		f := w.face(p)
		switch {
		case f == nil:
		case rec.Gateway != nil && rec.Gateway.PortID == p.ID:
			f.external, r.gateway = true, f
			if !r.replica {
				r.faces = append(r.faces, f)
			}
		case p.DeviceOwner == ownerInterface || p.DeviceOwner == ownerDistributed || p.DeviceOwner == ownerHAInterface:
			r.faces = append(r.faces, f)
		}
	}
	w.addFloating(r)
	slices.SortFunc(r.faces, func(a, b *face) int {
		if a.port.ID < b.port.ID {
			return -1
		}
		return 1
	})
	return r
}

func (w *walk) addFloating(r *router) {
	for f := range records.FloatingIPsByRouter.Get(w.r, r.rec.ID) {
		if f.Host == r.host && r.replica || f.Host == "" && !r.replica {
			r.floating = append(r.floating, f)
		}
		if !r.replica {
			for pf := range records.ForwardingsByFloatingIP.Get(w.r, f.ID) {
				r.forwardings = append(r.forwardings, pf)
			}
		}
		if p, ok := records.Ports.Get(w.r, f.FloatingPortID); ok && r.replica && f.Host == r.host && r.gateway != nil && f.FixedIP.IsValid() {
			if lent := w.face(p); lent != nil {
				lent.external, lent.lent = true, f
				r.faces = append(r.faces, lent)
			}
		}
	}
}

func (w *walk) face(p *model.Port) *face {
	n, ok := records.Networks.Get(w.r, p.NetworkID)
	if !ok {
		return nil
	}
	f := &face{port: p, network: n}
	on := map[string]bool{}
	for _, fixed := range p.FixedIPs {
		s, ok := records.Subnets.Get(w.r, fixed.SubnetID)
		if !ok {
			continue
		}
		on[s.ID] = true
		a := address{ip: fixed.IP, subnet: s}
		if pool, ok := records.SubnetPools.Get(w.r, s.SubnetPoolID); ok {
			a.scope = pool.AddressScopeID
		}
		f.addresses = append(f.addresses, a)
	}
	for s := range records.SubnetsByNetwork.Get(w.r, n.ID) {
		if !on[s.ID] {
			f.others = append(f.others, s)
		}
	}
	return f
}

// faceOf gives the face of a port.
func (r *router) faceOf(port string) *face {
	i := slices.IndexFunc(r.faces, func(f *face) bool { return f.port.ID == port })
	if i < 0 {
		return nil
	}
	return r.faces[i]
}

// translates reports whether the router changes IPv4 addresses here: it has a
// link on the external network.
func (r *router) translates() bool {
	return slices.ContainsFunc(r.faces, func(f *face) bool { return f.external })
}

// routed is what a router does with a packet.
type routed struct {
	head head
	// local: the packet is for the router itself.
	local bool
	out   *face
	via   netip.Addr // next hop; the destination itself without a gateway
	home  bool       // by the router's home, from the face that it came in by
	// by are the objects that had the packet changed or sent this way.
	by []ref
	// reason and about are set when the packet is dropped.
	reason Reason
	about  ref
	text   string
}

// forward sends a packet that came in by a face through the router.
func (r *router) forward(in *face, h head) routed {
	nat := r.translates() && !h.v6()
	mark, _ := in.scope(h.v6())
	conn, answers := r.find(h)
	if nat && conn != nil && conn.scope != nil {
		mark = *conn.scope
	}
	before, known := h, head{}
	dnat, by := false, []ref(nil)
	if nat {
		mark = r.scopeInto(h, mark)
		switch {
		case conn != nil:
			// The destination is translated before the packet is routed, its source
			// after that.
			known = conn.next(answers)
			h.dst, h.dport = known.dst, known.dport
		default:
			h, by = r.destination(h)
			dnat = h != before
		}
	}
	if r.owns(h.dst) {
		return routed{head: h, local: true, by: by}
	}
	out := r.route(in, h)
	if out.head, out.by = h, append(by, out.by...); nat && conn != nil {
		out.head = known
	}
	if out.reason != "" || out.home {
		if out.home {
			out.out = in
			r.remember(conn, before, h, nil)
		}
		return out
	}
	original := mark
	if nat && out.out.external {
		mark = r.scopeOutOf(h, mark)
	}
	if scope, ok := out.out.scope(h.v6()); ok && scope != mark && !(out.out.external && !h.v6() && r.rec.Gateway.EnableSNAT) {
		out.reason, out.about = ReasonScope, ref{kindRouter, r.rec.ID}
		out.text = "leads from one address scope into another, and nothing is translated in between"
		return out
	}
	if conn != nil || !nat {
		r.remember(conn, before, out.head, nil)
		return out
	}
	var more []ref
	out.head, more = r.source(in, out.out, h, dnat, original)
	out.by = append(out.by, more...)
	var scope *string
	if out.out.external {
		scope = &original
	}
	r.remember(nil, before, out.head, scope)
	return out
}

// next is what the router makes of a packet of the connection.
func (t *translation) next(answers bool) head {
	if answers {
		return t.original.answer()
	}
	return t.reply.answer()
}

// find gives the connection that the packet is of; answers says that it goes the
// other way.
func (r *router) find(h head) (conn *translation, answers bool) {
	same := func(a, b head) bool { a.reply, b.reply = false, false; return a == b }
	for _, c := range r.conns {
		switch {
		case same(c.original, h):
			return c, false
		case same(c.reply, h):
			return c, true
		}
	}
	return nil, false
}

func (r *router) remember(known *translation, before, after head, scope *string) {
	if known == nil {
		r.conns = append(r.conns, &translation{original: before, reply: after.answer(), scope: scope})
	}
}

// destination translates floating addresses and forwarded ports.
func (r *router) destination(h head) (head, []ref) {
	for _, f := range r.floating {
		if f.FixedIP.Is4() && f.FloatingIP == h.dst {
			h.dst = f.FixedIP
			return h, []ref{{kindFloatingIP, f.ID}}
		}
	}
	for _, f := range r.forwardings {
		fip := r.floatingByID(f.FloatingIPID)
		n, _ := model.ProtocolNumber(f.Protocol)
		port := int(h.dport)
		if fip != h.dst || n != int(h.proto) || port < f.External.First || port > f.External.Last {
			continue
		}
		h.dst, h.dport = f.InternalIP, uint16(f.Internal.First)
		if f.Internal.Len() > 1 {
			h.dport += uint16(port - f.External.First)
		}
		return h, []ref{{kindForwarding, f.ID}}
	}
	return h, nil
}

func (r *router) floatingByID(id string) netip.Addr {
	for _, f := range r.floating {
		if f.ID == id {
			return f.FloatingIP
		}
	}
	return netip.Addr{}
}

// source translates what leaves, and what comes back to where it came from.
func (r *router) source(in, out *face, h head, dnat bool, scope string) (head, []ref) {
	if !out.external && !dnat {
		return h, nil
	}
	if out.external && !dnat && slices.ContainsFunc(r.rec.NATExempt, func(p netip.Prefix) bool { return p.Contains(h.dst) }) {
		return h, []ref{{kindRouter, r.rec.ID}}
	}
	for _, f := range r.floating {
		if f.FixedIP.Is4() && f.FixedIP == h.src {
			h.src = f.FloatingIP
			return h, []ref{{kindFloatingIP, f.ID}}
		}
	}
	gateway, ok := r.gatewayAddress()
	if !ok {
		return h, nil
	}
	if r.rec.Gateway.EnableSNAT && !r.replica && out.external {
		if gateway.scope == "" || gateway.scope != scope {
			h.src = gateway.ip
			return h, []ref{{kindRouter, r.rec.ID}}
		}
		return h, nil
	}
	if dnat && !in.external { // a guest that asks a floating address of its own router
		h.src = gateway.ip
		return h, []ref{{kindRouter, r.rec.ID}}
	}
	return h, nil
}

// gatewayAddress is the IPv4 address that the gateway translates to.
func (r *router) gatewayAddress() (address, bool) {
	if r.gateway == nil {
		return address{}, false
	}
	i := slices.IndexFunc(r.gateway.addresses, func(a address) bool { return a.ip.Is4() })
	if i < 0 {
		return address{}, false
	}
	return r.gateway.addresses[i], true
}

// scopeInto is the address scope of what comes to a floating address of another
// scope: that of the fixed address.
func (r *router) scopeInto(h head, mark string) string {
	external, _ := r.gateway.scope(false)
	for _, f := range r.floating {
		if s := r.scopeOfSubnet(f.SubnetID); f.FixedIP.Is4() && f.FloatingIP == h.dst && s != external {
			return s
		}
	}
	for _, f := range r.forwardings {
		n, _ := model.ProtocolNumber(f.Protocol)
		s := r.scopeOfSubnet(f.SubnetID)
		if r.floatingByID(f.FloatingIPID) == h.dst && n == int(h.proto) && int(h.dport) >= f.External.First && int(h.dport) <= f.External.Last && s != external {
			return s
		}
	}
	return mark
}

// scopeOutOf is the address scope of what leaves with a floating address.
func (r *router) scopeOutOf(h head, mark string) string {
	external, _ := r.gateway.scope(false)
	for _, f := range r.floating {
		if f.FixedIP.Is4() && f.FixedIP == h.src && r.scopeOfSubnet(f.SubnetID) != external {
			return external
		}
	}
	return mark
}

func (r *router) scopeOfSubnet(id string) string {
	for _, f := range r.faces {
		for _, a := range f.addresses {
			if a.subnet.ID == id {
				return a.scope
			}
		}
	}
	return ""
}

// owns reports whether the address is the router's own.
func (r *router) owns(ip netip.Addr) bool {
	for _, f := range r.faces {
		if slices.ContainsFunc(f.addresses, func(a address) bool { return a.ip == ip }) {
			return true
		}
	}
	return !r.replica && r.gateway != nil && slices.ContainsFunc(r.floating, func(f *model.FloatingIP) bool { return f.FloatingIP == ip })
}
