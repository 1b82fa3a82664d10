package plugin

import (
	"net/netip"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// NDPProxySpec is an NDP proxy as a request asks for it: a router that answers
// on its external network for an IPv6 address behind it.
type NDPProxySpec struct {
	model.Meta
	RouterID, PortID string
	IP               netip.Addr
}

// RefuseNDPProxy is the refusal of routers that proxy NDP: hosts do not do so
// yet.
func RefuseNDPProxy() *Error {
	return Conflict("RouterGatewayNotValid", "Can not enable ndp proxy on routers: hosts do not answer neighbour solicitations for addresses behind a router yet.")
}

// CreateNDPProxy refuses every NDP proxy: no router can have enable_ndp_proxy.
func (p *Plugin) CreateNDPProxy(c Call, u *records.Update, s *NDPProxySpec) (string, error) {
	port, ok := records.Ports.Get(u, s.PortID)
	if !ok || !p.maySeePort(c, u.Peek(), port) {
		return "", NotFound("Port", "Port", s.PortID)
	}
	router, ok := records.Routers.Get(u, s.RouterID)
	if !ok || !c.Who.Admin && router.ProjectID != c.Who.ProjectID {
		return "", NotFound("Router", "Router", s.RouterID)
	}
	reached, named := false, false
	for _, f := range port.FixedIPs {
		_, ok := u.Claimed(interfaceKey(router.ID, f.SubnetID))
		reached = reached || ok && f.IP.Is6()
		named = named || f.IP == s.IP && f.IP.Is6()
	}
	switch {
	case !reached:
		return "", Conflict("PortUnreachableRouter", "The port %s cannot reach the router %s by IPv6 subnet.", port.ID, router.ID)
	case s.IP.IsValid() && !named:
		return "", BadRequest("InvalidAddress", "The address %s is invalid, reason: it is no IPv6 address of port %s.", s.IP, port.ID)
	}
	return "", Conflict("RouterNDPProxyNotEnable",
		"The enable_ndp_proxy parameter of router %s must be true, which it cannot be: hosts do not answer neighbour solicitations for addresses behind a router yet.", router.ID)
}
