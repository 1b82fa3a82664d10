package plugin

import (
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// GatewaySpec is external_gateway_info as a request has it.
type GatewaySpec struct {
	NetworkID string
	// Addresses is external_fixed_ips; none leaves the choice to the pools.
	Addresses []AddressRequest
	// EnableSNAT is nil when it was not given, which means true.
	EnableSNAT *bool
	// QoSPolicyID is nil when it was not given, which keeps the present one;
	// empty for none.
	QoSPolicyID *string
	had         *ImportedPort
}

// changeGateway sets, moves or clears a router's gateway.
func (p *Plugin) changeGateway(c Call, u *records.Update, router *model.Router, s *GatewaySpec) error {
	qos := ""
	if router.Gateway != nil {
		qos = router.Gateway.QoSPolicyID
	}
	if s == nil || router.Gateway != nil && router.Gateway.NetworkID != s.NetworkID {
		if err := p.clearGateway(u, router); err != nil {
			return err
		}
	}
	if s == nil {
		return p.requalify(c, u, qosUse{qosOfRouter, router.ID}, qos, "")
	}
	if err := p.setGateway(c, u, router, s); err != nil {
		return err
	}
	router.Gateway.QoSPolicyID = qos
	if s.QoSPolicyID != nil {
		router.Gateway.QoSPolicyID = *s.QoSPolicyID
	}
	return p.requalify(c, u, qosUse{qosOfRouter, router.ID}, qos, router.Gateway.QoSPolicyID)
}

// setGateway gives a router a gateway, or changes the one that it has on the
// same network.
func (p *Plugin) setGateway(c Call, u *records.Update, router *model.Router, s *GatewaySpec) error {
	network, err := p.externalNetwork(c, u, "router", s.NetworkID)
	if err != nil {
		return err
	}
	port, err := p.gatewayPort(u, router, network, s)
	if err != nil {
		return err
	}
	router.Gateway = nil // its own subnets do not count
	if err := checkNewSubnets(u, router, subnetsOf(u, port.FixedIPs)); err != nil {
		return err
	}
	router.Gateway = &model.RouterGateway{NetworkID: network.ID, PortID: port.ID, EnableSNAT: s.EnableSNAT == nil || *s.EnableSNAT}
	return nil
}

// gatewayPort makes the port of a gateway, or gives the present one the
// addresses.
func (p *Plugin) gatewayPort(u *records.Update, router *model.Router, n *model.Network, s *GatewaySpec) (*model.Port, error) {
	if router.Gateway == nil {
		return p.makeServicePort(u, servicePortSpec{network: n, owner: OwnerRouterGateway, device: router.ID, addresses: s.Addresses, had: s.had})
	}
	port, ok := records.Ports.Get(u, router.Gateway.PortID)
	if !ok {
		return nil, NotFound("Port", "Port", router.Gateway.PortID)
	}
	if len(s.Addresses) == 0 {
		return port, nil
	}
	changed := *port
	fixed, err := p.changeAddresses(u, &changed, s.Addresses)
	if err != nil {
		return nil, err
	}
	changed.FixedIPs = fixed
	if err := reclaim(u, port.ID, portClaims(port), portClaims(&changed)); err != nil {
		return nil, portTaken(&changed, err)
	}
	p.touch(&changed.Meta)
	records.Ports.Put(u, &changed)
	return &changed, nil
}

// clearGateway takes a router's gateway away, unless something is translated on
// its way through it.
func (p *Plugin) clearGateway(u *records.Update, router *model.Router) error {
	if router.Gateway == nil {
		return nil
	}
	if held(u, routeUsePrefix(router.ID)) {
		return Conflict("RouterExternalGatewayInUseByFloatingIp",
			"Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.",
			router.ID, router.Gateway.NetworkID)
	}
	u.RequireNoClaims(routeUsePrefix(router.ID))
	if err := p.removePort(u, router.Gateway.PortID); err != nil {
		return err
	}
	router.Gateway = nil
	return nil
}
