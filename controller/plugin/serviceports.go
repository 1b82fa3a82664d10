package plugin

import (
	"errors"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// servicePortSpec is a port that the service makes for one of its objects.
type servicePortSpec struct {
	network       *model.Network
	project       string // "" for gateways and floating addresses
	owner, device string
	addresses     []AddressRequest
	// onlyIPv4: without addresses, one of IPv4 only.
	onlyIPv4 bool
	// had is what an imported one is; nil for a new port.
	had *ImportedPort
}

// makeServicePort makes a port of a router or a floating address: without
// security groups, and bound to the host where its router is, if any.
func (p *Plugin) makeServicePort(u *records.Update, s servicePortSpec) (*model.Port, error) {
	port := &model.Port{
		NetworkID: s.network.ID, AdminStateUp: true, DeviceOwner: s.owner, DeviceID: s.device,
		VNICType: "normal", PropagateUplink: true, IPAllocation: allocationImmediate,
	}
	port.ProjectID = s.project
	if err := p.identify(u, port, s.had); err != nil {
		return nil, err
	}
	// Interfaces are counted, and no quota keeps one out: there are as many as
	// the quotas of routers and subnets let there be.
	if !routerInterface(s.owner) {
		if err := p.takeQuota(Call{}, u, &port.Meta, QuotaPort); err != nil {
			return nil, err
		}
	}
	if err := p.addressServicePort(u, s, port); err != nil {
		return nil, err
	}
	// A port whose addresses depend on its host gets both when its router is
	// placed again.
	if router(s.owner) && port.IPAllocation != allocationDeferred {
		port.Host = routerHost(u, s.device)
	}
	p.bind(u, s.network, port)
	if err := reclaim(u, port.ID, nil, portClaims(port)); err != nil {
		return nil, portTaken(port, err)
	}
	records.Ports.Put(u, port)
	return port, nil
}

func (p *Plugin) addressServicePort(u *records.Update, s servicePortSpec, port *model.Port) error {
	switch {
	case len(s.addresses) > 0:
		fixed, err := p.changeAddresses(u, port, s.addresses)
		port.FixedIPs = fixed
		return err
	case !s.onlyIPv4:
		return p.giveDefaultAddresses(u, port)
	}
	eligible, err := subnetsFor(u, port, nil)
	if err != nil && !errors.Is(err, errDeferred) {
		return err
	}
	eligible = slices.DeleteFunc(eligible, func(s *model.Subnet) bool { return s.IPVersion != 4 })
	fixed, ok := p.pickAddress(u, eligible, port.ID)
	if !ok {
		return exhausted(port.NetworkID)
	}
	port.FixedIPs = []model.FixedIP{fixed}
	return nil
}

// maySeePort tells whether the caller may use a port for an object of its own.
func (p *Plugin) maySeePort(c Call, r records.Reader, port *model.Port) bool {
	return policy.May(policy.Of("port").Get, c.Who, PortTarget(p.ViewPort(r, port)))
}

// maySeeSubnet tells whether the caller may put a router on a subnet.
func (p *Plugin) maySeeSubnet(c Call, r records.Reader, s *model.Subnet) bool {
	return policy.May(policy.Of("subnet").Get, c.Who, SubnetTarget(p.ViewSubnet(r, s)))
}

// externalNetwork finds a network that a gateway or a floating address can be
// on; kind is what the request is about.
func (p *Plugin) externalNetwork(c Call, u *records.Update, kind, id string) (*model.Network, error) {
	n, err := p.networkSeen(c, u, id)
	if err != nil {
		return nil, err
	}
	if !n.External {
		return nil, BadRequest("BadRequest", "Bad %s request: Network %s is not a valid external network.", kind, id)
	}
	return n, nil
}

// onExternal reports whether ports of the owner keep their network external.
func onExternal(owner string) bool { return owner == OwnerRouterGateway || owner == OwnerFloatingIP }

// serves reports whether a port is in use as the router's or the floating
// address's that it says it is of.
func serves(r records.Reader, port *model.Port) bool {
	switch port.DeviceOwner {
	case OwnerRouterInterface, OwnerRouterInterfaceDVR, OwnerRouterInterfaceHA:
		for _, f := range port.FixedIPs {
			if id, ok := r.Claimed(interfaceKey(port.DeviceID, f.SubnetID)); ok && id == port.ID {
				return true
			}
		}
	case OwnerRouterGateway:
		router, ok := records.Routers.Get(r, port.DeviceID)
		return ok && router.Gateway != nil && router.Gateway.PortID == port.ID
	case OwnerFloatingIP:
		f, ok := records.FloatingIPs.Get(r, port.DeviceID)
		return ok && f.FloatingPortID == port.ID
	}
	return false
}

// keepService refuses to turn a port in use by the service into another's, or
// to give it other addresses: that is what the router's and the floating
// address's own requests are for.
func keepService(r records.Reader, before, port *model.Port) error {
	if !servicePort(before.DeviceOwner) || !serves(r, before) {
		return nil
	}
	if port.DeviceID != before.DeviceID || port.DeviceOwner != before.DeviceOwner {
		return Conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.",
			before.ID, before.NetworkID, before.DeviceID)
	}
	if !slices.Equal(port.FixedIPs, before.FixedIPs) {
		return BadRequest("BadRequest", "Bad port request: The addresses of port %s cannot be changed, device owner %s uses them.", before.ID, before.DeviceOwner)
	}
	return nil
}

// checkUses looks after routers and floating addresses that use a port which
// changes.
func (p *Plugin) checkUses(c Call, u *records.Update, before, port *model.Port) error {
	if err := keepService(u, before, port); err != nil {
		return err
	}
	if err := checkRouterOwned(c, u.Peek(), port); err != nil {
		return err
	}
	return p.releaseLostAddresses(u, before, port)
}

// checkRouterOwned refuses ports that pose as another project's router's.
func checkRouterOwned(c Call, r records.Reader, port *model.Port) error {
	if c.Who.Admin || !routerInterface(port.DeviceOwner) || port.DeviceID == "" {
		return nil
	}
	if router, ok := records.Routers.Get(r, port.DeviceID); ok && !identity.Owner(c.Who, identity.Target{ProjectID: router.ProjectID}) {
		return foreignDevice(port.DeviceID)
	}
	return nil
}

// foreignDevice refuses a port and a router of different projects for each other.
func foreignDevice(router string) *Error {
	return Conflict("DeviceIDNotOwnedByTenant", "The following device_id %s is not owned by your tenant or matches another tenants router.", router)
}
