package plugin

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// FloatingIPSpec is a floating address as a request asks for it.
type FloatingIPSpec struct {
	model.FloatingIP
	// ExternalSubnetID is the subnet to take the address from, "" for any.
	ExternalSubnetID string
	// WantPort and WantFixed are port_id and fixed_ip_address.
	WantPort  string
	WantFixed netip.Addr
	// AddressPort is the port that keeps an imported address; nil for a new one.
	AddressPort *ImportedPort
}

// FloatingIPView is a floating address as the API shows it.
type FloatingIPView struct {
	*model.FloatingIP
	Status      string    // shadows the record's
	Port        *PortView // nil while it stands for none
	Forwardings []*model.PortForwarding
}

// ViewFloatingIP gives a floating address as the API shows it.
func (p *Plugin) ViewFloatingIP(r records.Reader, f *model.FloatingIP) *FloatingIPView {
	v := &FloatingIPView{
		FloatingIP: f, Status: floatingStatus(r, f), Forwardings: slices.Collect(records.ForwardingsByFloatingIP.Get(r, f.ID)),
	}
	if port, ok := records.Ports.Get(r, f.PortID); ok {
		v.Port = p.ViewPort(r, port)
	}
	return v
}

// The keys of what is translated to a port.
func natPrefix(port string) string         { return "nat/" + port + "/" }
func natFloatingPrefix(port string) string { return natPrefix(port) + "fip/" }

// floatingClaims are the keys that a floating address holds.
func floatingClaims(f *model.FloatingIP) []string {
	keys := append(quotaKeys(&f.Meta, QuotaFloatingIP), qosKeys(f.QoSPolicyID, qosOfFloatingIP, f.ID)...)
	if f.PortID != "" {
		keys = append(keys, fixedUseKey(f), routeUseKey(f.RouterID, f.SubnetID, f.ID))
	}
	return keys
}

// fixedUseKey makes a fixed address have one floating address of each network.
func fixedUseKey(f *model.FloatingIP) string {
	return natFloatingPrefix(f.PortID) + f.FixedIP.String() + "/" + f.FloatingNetworkID
}

func badFloating(format string, args ...any) *Error {
	return BadRequest("BadRequest", "Bad floatingip request: "+format+".", args...)
}

// CreateFloatingIP takes an address of an external network, and lets it stand
// for a port's if the request names one.
func (p *Plugin) CreateFloatingIP(c Call, u *records.Update, s *FloatingIPSpec) (string, error) {
	f := s.FloatingIP
	p.newMeta(&f.Meta, 0)
	network, err := p.externalNetwork(c, u, "floatingip", f.FloatingNetworkID)
	if err != nil {
		return "", err
	}
	if err := p.takeQuota(c, u, &f.Meta, QuotaFloatingIP); err != nil {
		return "", err
	}
	if err := p.checkSubnetsSeen(c, u, network.ID, []AddressRequest{{SubnetID: s.ExternalSubnetID}}); err != nil {
		return "", err
	}
	if err := p.takeFloatingAddress(u, network, s, &f); err != nil {
		return "", err
	}
	f.Status = statusDown
	if err := p.associate(c, u, s, &f); err != nil {
		return "", err
	}
	if err := p.attachQoS(c, u, qosUse{qosOfFloatingIP, f.ID}, "", f.QoSPolicyID); err != nil {
		return "", err
	}
	if err := claimFloating(u, nil, &f); err != nil {
		return "", err
	}
	p.settleFloatingIP(u, &f)
	records.FloatingIPs.Put(u, &f)
	return f.ID, nil
}

// takeFloatingAddress makes the port that keeps the address.
func (p *Plugin) takeFloatingAddress(u *records.Update, n *model.Network, s *FloatingIPSpec, f *model.FloatingIP) error {
	hasIPv4 := false
	for subnet := range records.SubnetsByNetwork.Get(u, n.ID) {
		hasIPv4 = hasIPv4 || subnet.IPVersion == 4
	}
	if !hasIPv4 {
		return badFloating("Network %s does not contain any IPv4 subnet", n.ID)
	}
	spec := servicePortSpec{network: n, owner: OwnerFloatingIP, device: f.ID, onlyIPv4: true, had: s.AddressPort}
	if s.FloatingIP.FloatingIP.IsValid() || s.ExternalSubnetID != "" {
		spec.addresses = []AddressRequest{{SubnetID: s.ExternalSubnetID, IP: s.FloatingIP.FloatingIP}}
	}
	port, err := p.makeServicePort(u, spec)
	if err != nil {
		return err
	}
	for _, fixed := range port.FixedIPs {
		if fixed.IP.Is4() {
			f.FloatingIP, f.FloatingPortID = fixed.IP, port.ID
			return nil
		}
	}
	return Conflict("ExternalIpAddressExhausted", "Unable to find any IP address on external network %s.", n.ID)
}

func claimFloating(u *records.Update, before, f *model.FloatingIP) error {
	var had []string
	if before != nil {
		had = floatingClaims(before)
	}
	err := reclaim(u, f.ID, had, floatingClaims(f))
	if taken := (*records.TakenError)(nil); errors.As(err, &taken) && f.PortID != "" && taken.Key == fixedUseKey(f) {
		return Conflict("FloatingIPPortAlreadyAssociated",
			"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
			f.FloatingIP, f.ID, f.PortID, f.FixedIP, f.FloatingNetworkID)
	}
	return err
}

// associate applies port_id and fixed_ip_address of a request.
func (p *Plugin) associate(c Call, u *records.Update, s *FloatingIPSpec, f *model.FloatingIP) error {
	switch {
	case s.WantPort == "" && s.WantFixed.IsValid():
		return badFloating("fixed_ip_address cannot be specified without a port_id")
	case !c.Has("port_id"):
		return nil
	case s.WantPort == "":
		dissociate(f)
		return nil
	}
	for range records.ForwardingsByFloatingIP.Get(u, f.ID) {
		return floatingInUse(f.ID)
	}
	port, ok := records.Ports.Get(u, s.WantPort)
	if !ok || !p.maySeePort(c, u.Peek(), port) {
		return NotFound("Port", "Port", s.WantPort)
	}
	if port.ProjectID != f.ProjectID && !c.Who.Admin {
		return badFloating("Cannot process floating IP association with Port %s, since that port is owned by a different tenant", port.ID)
	}
	fixed, err := fixedIPv4(port, s.WantFixed)
	if err != nil {
		return err
	}
	router, err := routerBetween(u, f.FloatingNetworkID, port, fixed.SubnetID)
	if err != nil {
		return err
	}
	if f.PortID != port.ID || f.FixedIP != fixed.IP {
		f.Status = statusDown
	}
	f.PortID, f.FixedIP, f.SubnetID, f.RouterID = port.ID, fixed.IP, fixed.SubnetID, router.ID
	return nil
}

func dissociate(f *model.FloatingIP) {
	if f.PortID != "" {
		f.Status = statusDown
		f.PortID, f.FixedIP, f.SubnetID, f.RouterID = "", netip.Addr{}, "", ""
	}
}

func floatingInUse(id string) *Error {
	return Conflict("FipInUseByPortForwarding", "Floating IP %s in use by Port Forwarding resources.", id)
}

// fixedIPv4 gives the address of a port that a request means: the one it names,
// or the only one.
func fixedIPv4(port *model.Port, want netip.Addr) (model.FixedIP, error) {
	var found []model.FixedIP
	for _, f := range port.FixedIPs {
		if f.IP == want || !want.IsValid() && f.IP.Is4() {
			found = append(found, f)
		}
	}
	switch {
	case want.IsValid() && want.Is6():
		return model.FixedIP{}, badFloating("Cannot process floating IP association with %s, since that is not an IPv4 address", want)
	case len(found) == 0 && want.IsValid():
		return model.FixedIP{}, badFloating("Port %s does not have fixed ip %s", port.ID, want)
	case len(found) == 0:
		return model.FixedIP{}, badFloating("Cannot add floating IP to port %s that has no fixed IPv4 addresses", port.ID)
	case len(found) > 1:
		return model.FixedIP{}, badFloating("Port %s has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a floating IP", port.ID)
	}
	return found[0], nil
}

// routerBetween finds the router that leads from a port's subnet to an external
// network, by preference the subnet's own gateway. The router and its interface
// become conditions of the commit.
func routerBetween(u *records.Update, external string, port *model.Port, subnet string) (*model.Router, error) {
	s, ok := records.Subnets.Get(u, subnet)
	if !ok {
		return nil, NotFound("Subnet", "Subnet", subnet)
	}
	var found *model.Port
	for candidate := range records.PortsBySubnet.Get(u, subnet) {
		if !routerInterface(candidate.DeviceOwner) || !leadsTo(u.Peek(), candidate, subnet, external) {
			continue
		}
		if found == nil || slices.Contains(candidate.FixedIPs, model.FixedIP{SubnetID: subnet, IP: s.Gateway}) {
			found = candidate
		}
	}
	if found != nil {
		_, ok := records.Ports.Get(u, found.ID)
		if router, there := records.Routers.Get(u, found.DeviceID); ok && there {
			return router, nil
		}
	}
	return nil, NotFoundAs("ExternalGatewayForFloatingIPNotFound",
		"External network %s is not reachable from subnet %s.  Therefore, cannot associate Port %s with a Floating IP.", external, subnet, port.ID)
}

// leadsTo reports whether a port is the interface of a router with a gateway on
// the external network.
func leadsTo(r records.Reader, port *model.Port, subnet, external string) bool {
	id, ok := r.Claimed(interfaceKey(port.DeviceID, subnet))
	if !ok || id != port.ID {
		return false
	}
	router, ok := records.Routers.Get(r, port.DeviceID)
	return ok && router.Gateway != nil && router.Gateway.NetworkID == external
}

// UpdateFloatingIP changes a floating address, and what it stands for. A request
// that gives nothing frees it: once, what it stands for was all that could be
// given.
func (p *Plugin) UpdateFloatingIP(c Call, u *records.Update, before *model.FloatingIP, s *FloatingIPSpec) error {
	f := s.FloatingIP
	if len(c.Given) == 0 {
		dissociate(&f)
	} else if err := p.associate(c, u, s, &f); err != nil {
		return err
	}
	if err := p.attachQoS(c, u, qosUse{qosOfFloatingIP, f.ID}, before.QoSPolicyID, f.QoSPolicyID); err != nil {
		return err
	}
	return p.saveFloating(u, before, &f)
}

func (p *Plugin) saveFloating(u *records.Update, before, f *model.FloatingIP) error {
	if reflect.DeepEqual(f, before) {
		return nil
	}
	if err := claimFloating(u, before, f); err != nil {
		return err
	}
	p.settleFloatingIP(u, f)
	p.touch(&f.Meta)
	records.FloatingIPs.Put(u, f)
	return nil
}

// TagFloatingIP replaces a floating address's tags.
func (p *Plugin) TagFloatingIP(u *records.Update, before *model.FloatingIP, tags []string) {
	f := *before
	p.retag(&f.Meta, tags)
	records.FloatingIPs.Put(u, &f)
}

// DeleteFloatingIP gives a floating address back, unless its ports are
// forwarded.
func (p *Plugin) DeleteFloatingIP(u *records.Update, id string) error {
	f, ok := records.FloatingIPs.Get(u, id)
	if !ok {
		return NotFound("FloatingIP", "Floating IP", id)
	}
	for range records.ForwardingsByFloatingIP.Get(u, id) {
		return floatingInUse(id)
	}
	if err := reclaim(u, id, floatingClaims(f), nil); err != nil {
		return err
	}
	records.FloatingIPs.Delete(u, id)
	forgetStates(u, model.ObjectFloatingIP, id)
	return p.removePort(u, f.FloatingPortID)
}
