package plugin

import (
	"net/netip"
	"reflect"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// ForwardingSpec is a port forwarding as a request asks for it. ExternalPorts
// and InternalPorts are what was given of single ports and ranges.
type ForwardingSpec struct {
	model.PortForwarding
	ExternalPorts, InternalPorts PortsGiven
}

// PortsGiven is a range of ports as a request has it: as one port, as a range,
// or not at all.
type PortsGiven struct{ Single, Range *model.PortRange }

// ForwardingView is a port forwarding as the API shows it.
type ForwardingView struct {
	*model.PortForwarding
	// FloatingProjectID owns the floating address.
	FloatingProjectID string
}

// ViewForwarding gives a port forwarding as the API shows it.
func (p *Plugin) ViewForwarding(r records.Reader, f *model.PortForwarding) *ForwardingView {
	v := &ForwardingView{PortForwarding: f}
	if floating, ok := records.FloatingIPs.Get(r, f.FloatingIPID); ok {
		v.FloatingProjectID = floating.ProjectID
	}
	return v
}

func badForwarding(format string, args ...any) *Error {
	return BadRequest("BadRequest", "Bad port_forwarding request: "+format+".", args...)
}

// forwardingClaims are the keys that a port forwarding holds.
func forwardingClaims(f *model.PortForwarding) []string {
	return []string{natPrefix(f.PortID) + "pf/" + f.ID, routeUseKey(f.RouterID, f.SubnetID, f.ID)}
}

// CreateForwarding forwards ports of a floating address that stands for no port.
func (p *Plugin) CreateForwarding(c Call, u *records.Update, s *ForwardingSpec) (string, error) {
	f := s.PortForwarding
	floating, ok := records.FloatingIPs.Get(u, f.FloatingIPID)
	if !ok {
		return "", NotFound("FloatingIP", "Floating IP", f.FloatingIPID)
	}
	if floating.PortID != "" {
		return "", Conflict("FloatingIPPortAlreadyAssociated",
			"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
			floating.FloatingIP, floating.ID, floating.PortID, floating.FixedIP, floating.FloatingNetworkID)
	}
	f.ProjectID = floating.ProjectID
	p.newMeta(&f.Meta, 0)
	if err := p.settleForwarding(c, u, floating, s, &f); err != nil {
		return "", err
	}
	if err := requireNoFloating(u, &f); err != nil {
		return "", err
	}
	if err := reclaim(u, f.ID, nil, forwardingClaims(&f)); err != nil {
		return "", err
	}
	records.PortForwardings.Put(u, &f)
	p.routeFloating(u, floating, f.RouterID)
	return f.ID, nil
}

// settleForwarding works out a forwarding's ports, internal address and router.
func (p *Plugin) settleForwarding(c Call, u *records.Update, floating *model.FloatingIP, s *ForwardingSpec, f *model.PortForwarding) error {
	var err error
	if f.External, err = s.ExternalPorts.apply("external", f.External); err != nil {
		return err
	}
	if f.Internal, err = s.InternalPorts.apply("internal", f.Internal); err != nil {
		return err
	}
	if f.Internal.Len() != 1 && f.Internal.Len() != f.External.Len() {
		return badForwarding("The number of internal ports, %d, must be one or the number of external ports, %d", f.Internal.Len(), f.External.Len())
	}
	port, ok := records.Ports.Get(u, f.PortID)
	if !ok || !p.maySeePort(c, u.Peek(), port) {
		return NotFound("Port", "Port", f.PortID)
	}
	if port.ProjectID != floating.ProjectID && !c.Who.Admin {
		return badForwarding("Port %s is owned by a different tenant", port.ID)
	}
	fixed, err := internalAddress(port, f.InternalIP)
	if err != nil {
		return err
	}
	router, err := routerBetween(u, floating.FloatingNetworkID, port, fixed.SubnetID)
	if err != nil {
		return err
	}
	f.InternalIP, f.SubnetID, f.RouterID = fixed.IP, fixed.SubnetID, router.ID
	return checkForwardings(u, f)
}

// internalAddress gives the address of a port that is forwarded to: the one that
// is named, or its first of IPv4.
func internalAddress(port *model.Port, want netip.Addr) (model.FixedIP, error) {
	for _, f := range port.FixedIPs {
		if f.IP.Is4() && (f.IP == want || !want.IsValid()) {
			return f, nil
		}
	}
	if want.IsValid() {
		return model.FixedIP{}, badForwarding("Requested internal IP address %s is not an IPv4 address of port %s", want, port.ID)
	}
	return model.FixedIP{}, badForwarding("Port %s has no fixed IPv4 address", port.ID)
}

// apply gives the range that a request asks for, or the present one.
func (g PortsGiven) apply(kind string, have model.PortRange) (model.PortRange, error) {
	switch {
	case g.Single != nil && g.Range != nil && *g.Single != *g.Range:
		return have, badForwarding("%s_port and %s_port_range cannot both be specified", kind, kind)
	case g.Single != nil:
		return *g.Single, nil
	case g.Range != nil:
		return *g.Range, nil
	case have == model.PortRange{}:
		return have, badForwarding("%s_port or %s_port_range must be specified", kind, kind)
	}
	return have, nil
}

// checkForwardings refuses a forwarding that collides with another one of the
// floating address, and a second router for it.
func checkForwardings(u *records.Update, f *model.PortForwarding) error {
	for other := range records.ForwardingsByFloatingIP.Get(u, f.FloatingIPID) {
		if other.ID == f.ID {
			continue
		}
		if other.RouterID != f.RouterID {
			return badForwarding("Floating IP %s is bound to router %s already, port %s is behind router %s", f.FloatingIPID, other.RouterID, f.PortID, f.RouterID)
		}
		if other.Protocol != f.Protocol {
			continue
		}
		if other.External.Overlaps(f.External) {
			return badForwarding("A duplicate port forwarding entry with same attributes already exists, conflicting external ports are %d:%d", other.External.First, other.External.Last)
		}
		if other.InternalIP == f.InternalIP && other.PortID == f.PortID && other.Internal.Overlaps(f.Internal) {
			return badForwarding("A duplicate port forwarding entry with same attributes already exists, conflicting internal ports are %d:%d", other.Internal.First, other.Internal.Last)
		}
	}
	return nil
}

// requireNoFloating refuses to forward to a port that has floating addresses of
// its own.
func requireNoFloating(u *records.Update, f *model.PortForwarding) error {
	for own := range records.FloatingIPsByPort.Get(u, f.PortID) {
		return Conflict("PortHasBindingFloatingIP",
			"Cannot forward to fixed IP %s of port %s: floating IP %s (%s) stands for the port.", f.InternalIP, f.PortID, own.FloatingIP, own.ID)
	}
	u.RequireNoClaims(natFloatingPrefix(f.PortID))
	return nil
}

// routeFloating counts a change of a floating address's forwardings as one of
// the address, and makes concurrent ones exclude each other.
func (p *Plugin) routeFloating(u *records.Update, floating *model.FloatingIP, router string) {
	changed := *floating
	changed.RouterID = router
	p.touch(&changed.Meta)
	records.FloatingIPs.Put(u, &changed)
}

// UpdateForwarding changes a port forwarding.
func (p *Plugin) UpdateForwarding(c Call, u *records.Update, before *model.PortForwarding, s *ForwardingSpec) error {
	f := s.PortForwarding
	if c.Has("internal_port_id") && !c.Has("internal_ip_address") && f.PortID != before.PortID {
		f.InternalIP = netip.Addr{}
	}
	floating, ok := records.FloatingIPs.Get(u, f.FloatingIPID)
	if !ok {
		return NotFound("FloatingIP", "Floating IP", f.FloatingIPID)
	}
	if err := p.settleForwarding(c, u, floating, s, &f); err != nil {
		return err
	}
	if reflect.DeepEqual(f, *before) {
		return nil
	}
	if f.PortID != before.PortID {
		if err := requireNoFloating(u, &f); err != nil {
			return err
		}
	}
	if err := reclaim(u, f.ID, forwardingClaims(before), forwardingClaims(&f)); err != nil {
		return err
	}
	p.touch(&f.Meta)
	records.PortForwardings.Put(u, &f)
	p.routeFloating(u, floating, f.RouterID)
	return nil
}

// DeleteForwarding removes a port forwarding.
func (p *Plugin) DeleteForwarding(u *records.Update, id string) error {
	f, ok := records.PortForwardings.Get(u, id)
	if !ok {
		return NotFound("PortForwarding", "Port Forwarding", id)
	}
	return p.removeForwarding(u, f)
}

// removeForwarding removes a port forwarding; with the last one the floating
// address leaves its router.
func (p *Plugin) removeForwarding(u *records.Update, f *model.PortForwarding) error {
	if err := reclaim(u, f.ID, forwardingClaims(f), nil); err != nil {
		return err
	}
	records.PortForwardings.Delete(u, f.ID)
	floating, ok := records.FloatingIPs.Get(u, f.FloatingIPID)
	if !ok {
		return nil
	}
	router := ""
	for other := range records.ForwardingsByFloatingIP.Get(u, f.FloatingIPID) {
		router = other.RouterID
	}
	p.routeFloating(u, floating, router)
	return nil
}
