package plugin

import (
	"maps"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// InterfaceSpec names a router interface: by its subnet, its port, or, when one
// is removed, both.
type InterfaceSpec struct{ SubnetID, PortID string }

// InterfaceView is a router interface as the API shows it.
type InterfaceView struct {
	RouterID, ProjectID, PortID, NetworkID string
	SubnetIDs                              []string // in use, at least one
}

func viewInterface(router *model.Router, port *model.Port, subnets []string) *InterfaceView {
	return &InterfaceView{
		RouterID: router.ID, ProjectID: router.ProjectID, PortID: port.ID, NetworkID: port.NetworkID, SubnetIDs: subnets,
	}
}

func badRouter(format string, args ...any) *Error {
	return BadRequest("BadRequest", "Bad router request: "+format, args...)
}

// AddInterface puts a router on a subnet, with the subnet's gateway address, or
// on the subnets of an existing port.
func (p *Plugin) AddInterface(c Call, u *records.Update, id string, s InterfaceSpec) (*InterfaceView, error) {
	before, ok := records.Routers.Get(u, id)
	if !ok {
		return nil, NotFound("Router", "Router", id)
	}
	router := *before
	var port *model.Port
	var subnets []string
	var err error
	switch {
	case s.SubnetID != "" && s.PortID != "":
		return nil, badRouter("Cannot specify both subnet-id and port-id.")
	case s.SubnetID != "":
		subnets = []string{s.SubnetID}
		port, err = p.addSubnetInterface(c, u, &router, s.SubnetID)
	case s.PortID != "":
		port, err = p.addPortInterface(c, u, &router, s.PortID)
	default:
		return nil, badRouter("Either subnet_id or port_id must be specified.")
	}
	if err != nil {
		return nil, err
	}
	if subnets == nil {
		subnets = subnetIDs(port.FixedIPs)
	}
	for _, subnet := range subnets {
		if err := u.Claim(interfaceKey(router.ID, subnet), port.ID); err != nil {
			return nil, subnetTwice(subnet)
		}
	}
	p.touch(&router.Meta)
	records.Routers.Put(u, &router)
	return viewInterface(&router, port, subnets), nil
}

func subnetTwice(subnet string) *Error {
	return badRouter("Router already has a port on subnet %s.", subnet)
}

// addSubnetInterface makes a port with the subnet's gateway address; IPv6
// subnets of one network share one.
func (p *Plugin) addSubnetInterface(c Call, u *records.Update, router *model.Router, id string) (*model.Port, error) {
	subnet, ok := records.Subnets.Get(u, id)
	if !ok || !p.maySeeSubnet(c, u.Peek(), subnet) {
		return nil, NotFound("Subnet", "Subnet", id)
	}
	network, ok := records.Networks.Get(u, subnet.NetworkID)
	if !ok {
		return nil, NotFound("Network", "Network", subnet.NetworkID)
	}
	if !subnet.Gateway.IsValid() {
		return nil, badRouter("Subnet for router interface must have a gateway IP")
	}
	if !mayBeGateway(c, u.Peek(), network, subnet) {
		return nil, badRouter("Cannot add interface to router because subnet %s is not owned by project making the request", id)
	}
	if err := checkAdvertised(subnet); err != nil {
		return nil, err
	}
	if err := checkNewSubnets(u, router, []*model.Subnet{subnet}); err != nil {
		return nil, err
	}
	if port := interfaceForIPv6(u, router, subnet); port != nil {
		return p.extendInterface(u, port, subnet)
	}
	return p.makeServicePort(u, servicePortSpec{
		network: network, project: router.ProjectID, owner: interfaceOwner(router), device: router.ID,
		addresses: []AddressRequest{{SubnetID: id, IP: subnet.Gateway}},
	})
}

// mayBeGateway tells whether a router of the caller may take a subnet's gateway
// address: not on a network that is shared with everybody, where one project's
// router would become that of all the others; those that the owner shares it with
// by name have the owner's trust.
func mayBeGateway(c Call, r records.Reader, n *model.Network, s *model.Subnet) bool {
	return c.Who.Admin || slices.Contains([]string{s.ProjectID, n.ProjectID}, c.Who.ProjectID) ||
		slices.Contains(sharingOf(r, n.ID).SharedWith, c.Who.ProjectID)
}

// checkAdvertised refuses a subnet whose router advertisements come from
// elsewhere.
func checkAdvertised(s *model.Subnet) error {
	if s.IPVersion == 6 && s.IPv6RAMode == "" && s.IPv6AddressMode != "" {
		return badRouter("IPv6 subnet %s configured to receive RAs from an external router cannot be added to Neutron Router.", s.ID)
	}
	return nil
}

// interfaceForIPv6 finds the router's port that a further IPv6 subnet of its
// network goes to.
func interfaceForIPv6(u *records.Update, router *model.Router, s *model.Subnet) *model.Port {
	if s.IPVersion != 6 {
		return nil
	}
	return ipv6Interface(u, router, s.NetworkID)
}

// ipv6Interface finds the router's port with IPv6 addresses on a network; nil for
// none.
func ipv6Interface(u *records.Update, router *model.Router, network string) *model.Port {
	for _, port := range interfacePorts(u, router.ID) {
		if port.NetworkID == network && slices.ContainsFunc(port.FixedIPs, func(f model.FixedIP) bool { return f.IP.Is6() }) {
			return port
		}
	}
	return nil
}

// extendInterface gives a router's port the gateway address of another subnet.
func (p *Plugin) extendInterface(u *records.Update, port *model.Port, s *model.Subnet) (*model.Port, error) {
	changed := *port
	want := AddressRequest{SubnetID: s.ID, IP: s.Gateway}
	eligible, err := subnetsFor(u, &changed, []AddressRequest{want})
	if err != nil {
		return nil, err
	}
	f, err := p.namedAddress(u, &changed, eligible, want)
	if err != nil {
		return nil, err
	}
	changed.FixedIPs = append(slices.Clone(port.FixedIPs), f)
	p.touch(&changed.Meta)
	records.Ports.Put(u, &changed)
	return &changed, nil
}

// addPortInterface makes a port that belongs to nobody the router's.
func (p *Plugin) addPortInterface(c Call, u *records.Update, router *model.Router, id string) (*model.Port, error) {
	port, ok := records.Ports.Get(u, id)
	switch {
	case !ok || !p.maySeePort(c, u.Peek(), port):
		return nil, NotFound("Port", "Port", id)
	case port.DeviceID != "":
		return nil, Conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.", id, port.NetworkID, port.DeviceID)
	case port.ProjectID != router.ProjectID && !c.Who.Admin:
		return nil, foreignDevice(router.ID)
	case len(port.FixedIPs) == 0:
		return nil, badRouter("Router port must have at least one fixed IP")
	}
	if err := keepFromService(u, id); err != nil {
		return nil, err
	}
	subnets := subnetsOf(u, port.FixedIPs)
	v4 := 0
	for _, s := range subnets {
		if s.IPVersion == 4 {
			v4++
		}
		if err := checkAdvertised(s); err != nil {
			return nil, err
		}
	}
	if v4 > 1 {
		return nil, badRouter("Cannot have multiple IPv4 subnets on router port")
	}
	if v4 < len(subnets) {
		if other := ipv6Interface(u, router, port.NetworkID); other != nil {
			return nil, badRouter("Cannot have multiple router ports with the same network id if both contain IPv6 subnets. Existing port %s has IPv6 subnet(s) and network id %s", other.ID, port.NetworkID)
		}
	}
	if err := checkNewSubnets(u, router, subnets); err != nil {
		return nil, err
	}
	changed := *port
	changed.DeviceID, changed.DeviceOwner = router.ID, interfaceOwner(router)
	changed.PortSecurityEnabled, changed.SecurityGroups, changed.AllowedAddressPairs = false, nil, nil
	if host := routerHost(u, router.ID); host != "" {
		if moved := p.onHost(u, &changed, host); moved != nil {
			changed = *moved
		}
	}
	if err := reclaim(u, id, portClaims(port), portClaims(&changed)); err != nil {
		return nil, err
	}
	p.touch(&changed.Meta)
	records.Ports.Put(u, &changed)
	return &changed, nil
}

// checkNewSubnets refuses subnets that the router is on already, or that overlap
// with one that it is on.
func checkNewSubnets(u *records.Update, router *model.Router, subnets []*model.Subnet) error {
	have := routerSubnets(u, router)
	for _, s := range subnets {
		for _, other := range have {
			if other.ID == s.ID {
				return subnetTwice(s.ID)
			}
			if other.CIDR.Overlaps(s.CIDR) {
				return badRouter("Cidr %s of subnet %s overlaps with cidr %s of subnet %s.", s.CIDR, s.ID, other.CIDR, other.ID)
			}
		}
	}
	return nil
}

// RemoveInterface takes a router off a subnet; its port goes unless it has
// addresses in other subnets.
func (p *Plugin) RemoveInterface(c Call, u *records.Update, id string, s InterfaceSpec) (*InterfaceView, error) {
	before, ok := records.Routers.Get(u, id)
	if !ok {
		return nil, NotFound("Router", "Router", id)
	}
	port, subnets, err := p.findInterface(c, u, id, s)
	if err != nil {
		return nil, err
	}
	for _, subnet := range subnets {
		if err := checkInterfaceUnused(u, before, subnet); err != nil {
			return nil, err
		}
	}
	for _, subnet := range subnets {
		u.Release(interfaceKey(id, subnet))
		u.RequireNoClaims(routeUsePrefix(id) + subnet + "/")
	}
	if len(subnets) < len(subnetIDs(port.FixedIPs)) {
		if err := p.dropAddresses(u, port, subnets[0]); err != nil {
			return nil, err
		}
	} else if err := p.removePort(u, port.ID); err != nil {
		return nil, err
	}
	router := *before
	p.touch(&router.Meta)
	records.Routers.Put(u, &router)
	return viewInterface(&router, port, subnets), nil
}

// findInterface finds the port of an interface, and the subnets that it is to be
// taken off.
func (p *Plugin) findInterface(c Call, u *records.Update, router string, s InterfaceSpec) (*model.Port, []string, error) {
	if s.PortID != "" {
		port, ok := records.Ports.Get(u, s.PortID)
		if !ok || !routerInterface(port.DeviceOwner) || port.DeviceID != router || !serves(u, port) {
			return nil, nil, NotFoundAs("RouterInterfaceNotFound", "Router %s does not have an interface with id %s", router, s.PortID)
		}
		if s.SubnetID != "" && !slices.Contains(subnetIDs(port.FixedIPs), s.SubnetID) {
			return nil, nil, Conflict("SubnetMismatchForPort", "Subnet on port %s does not match the requested subnet %s.", s.PortID, s.SubnetID)
		}
		return port, subnetIDs(port.FixedIPs), nil
	}
	if s.SubnetID == "" {
		return nil, nil, badRouter("Either subnet_id or port_id must be specified.")
	}
	subnet, there := records.Subnets.Get(u, s.SubnetID)
	if !there {
		return nil, nil, NotFound("Subnet", "Subnet", s.SubnetID)
	}
	id, _ := u.Claimed(interfaceKey(router, s.SubnetID))
	port, ok := records.Ports.Get(u, id)
	switch {
	case !ok && !p.maySeeSubnet(c, u.Peek(), subnet):
		return nil, nil, NotFound("Subnet", "Subnet", s.SubnetID)
	case !ok:
		return nil, nil, NotFoundAs("RouterInterfaceNotFoundForSubnet", "Router %s has no interface on subnet %s", router, s.SubnetID)
	}
	return port, []string{s.SubnetID}, nil
}

// checkInterfaceUnused refuses to remove what routes or floating addresses go
// through.
func checkInterfaceUnused(u *records.Update, router *model.Router, id string) error {
	subnet, ok := records.Subnets.Get(u, id)
	if !ok {
		return NotFound("Subnet", "Subnet", id)
	}
	for _, route := range router.Routes {
		if subnet.CIDR.Contains(route.NextHop) {
			return Conflict("RouterInterfaceInUseByRoute", "Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more routes.", id, router.ID)
		}
	}
	if held(u, routeUsePrefix(router.ID)+id+"/") {
		return Conflict("RouterInterfaceInUseByFloatingIP", "Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", id, router.ID)
	}
	return nil
}

// interfacePorts gives a router's interfaces.
func interfacePorts(r records.Reader, router string) []*model.Port {
	ids := map[string]bool{}
	for _, id := range r.ClaimsUnder(interfacePrefix(router)) {
		ids[id] = true
	}
	var ports []*model.Port
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if port, ok := records.Ports.Get(r, id); ok {
			ports = append(ports, port)
		}
	}
	return ports
}

// routerPorts gives a router's interfaces and the port of its gateway.
func routerPorts(r records.Reader, router *model.Router) []*model.Port {
	ports := interfacePorts(r, router.ID)
	if router.Gateway != nil {
		if port, ok := records.Ports.Get(r, router.Gateway.PortID); ok {
			ports = append(ports, port)
		}
	}
	return ports
}

// routerSubnets gives the subnets that a router is on, its gateway's included.
func routerSubnets(r records.Reader, router *model.Router) []*model.Subnet {
	var subnets []*model.Subnet
	for key := range r.ClaimsUnder(interfacePrefix(router.ID)) {
		if s, ok := records.Subnets.Get(r, strings.TrimPrefix(key, interfacePrefix(router.ID))); ok {
			subnets = append(subnets, s)
		}
	}
	if router.Gateway == nil {
		return subnets
	}
	port, ok := records.Ports.Get(r, router.Gateway.PortID)
	if !ok {
		return subnets
	}
	return append(subnets, subnetsOf(r, port.FixedIPs)...)
}

// subnetIDs gives the subnets of addresses, each once.
func subnetIDs(fixed []model.FixedIP) []string {
	var ids []string
	for _, f := range fixed {
		if !slices.Contains(ids, f.SubnetID) {
			ids = append(ids, f.SubnetID)
		}
	}
	return ids
}

// subnetsOf gives the same as records.
func subnetsOf(r records.Reader, fixed []model.FixedIP) []*model.Subnet {
	var subnets []*model.Subnet
	for _, id := range subnetIDs(fixed) {
		if s, ok := records.Subnets.Get(r, id); ok {
			subnets = append(subnets, s)
		}
	}
	return subnets
}
