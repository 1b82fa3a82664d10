package plugin

import (
	"net/netip"
	"reflect"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/ipam"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// SubnetSpec is a subnet as a request asks for it. An invalid Gateway means
// none when the request has gateway_ip, and the default when it has not; the
// same goes for AllocationPools.
type SubnetSpec struct {
	model.Subnet
	UseDefaultPool bool
	// PrefixLen is the length of the range that a subnet pool is to give.
	PrefixLen *int
}

// SubnetView is a subnet as the API shows it.
type SubnetView struct {
	*model.Subnet
	// NetworkProjectID and Shared are the network's.
	NetworkProjectID string
	Sharing
}

// ViewSubnet gives a subnet as the API shows it.
func (p *Plugin) ViewSubnet(r records.Reader, s *model.Subnet) *SubnetView {
	v := &SubnetView{Subnet: s}
	if n, ok := records.Networks.Get(r, s.NetworkID); ok {
		v.NetworkProjectID, v.Sharing = n.ProjectID, sharingOf(r, n.ID)
	}
	return v
}

// SubnetTarget is a subnet as rules about rights see it.
func SubnetTarget(v *SubnetView) identity.Target {
	t := v.target(v.ProjectID)
	t.NetworkProjectID = v.NetworkProjectID
	return t
}

// IPv6 modes: how addresses and router advertisements are made (RFC 4861, RFC
// 4862, RFC 8415).
const (
	ModeSLAAC     = "slaac"
	ModeStateful  = "dhcpv6-stateful"
	ModeStateless = "dhcpv6-stateless"
)

// automatic reports whether guests make their own addresses in the subnet, from
// their MACs.
func automatic(s *model.Subnet) bool {
	return slices.Contains([]string{ModeSLAAC, ModeStateless}, s.IPv6AddressMode) ||
		slices.Contains([]string{ModeSLAAC, ModeStateless}, s.IPv6RAMode)
}

// CreateSubnet makes a subnet on a network.
func (p *Plugin) CreateSubnet(c Call, u *records.Update, s *SubnetSpec) (string, error) {
	network, err := p.networkSeen(c, u, s.NetworkID)
	if err != nil {
		return "", err
	}
	subnet := s.Subnet
	p.newMeta(&subnet.Meta, 0)
	if err := p.takeRange(c, u, s, &subnet); err != nil {
		return "", err
	}
	subnet.CIDR = subnet.CIDR.Masked()
	if !c.Has("gateway_ip") {
		subnet.Gateway = ipam.DefaultGateway(subnet.CIDR)
	}
	if subnet.AllocationPools == nil || len(subnet.AllocationPools) == 0 && !c.Imported() {
		subnet.AllocationPools = ipam.DefaultPools(subnet.CIDR, subnet.Gateway)
	}
	if err := p.checkSubnet(&subnet); err != nil {
		return "", err
	}
	if subnet.IPVersion == 6 && network.MTU < minMTUv6 {
		return "", InvalidInput("IPv6 needs an MTU of %d, network %s has %d", minMTUv6, network.ID, network.MTU)
	}
	if err := checkOverlap(u, &subnet); err != nil {
		return "", err
	}
	if err := checkAffinity(u, &subnet); err != nil {
		return "", err
	}
	if err := checkNewSegment(u, network, &subnet); err != nil {
		return "", err
	}
	if err := p.takeQuota(c, u, &subnet.Meta, QuotaSubnet); err != nil {
		return "", err
	}
	p.touchNetwork(u, network)
	p.linkSegments(u, &subnet)
	records.Subnets.Put(u, &subnet)
	if automatic(&subnet) {
		if err := p.addAutomaticAddresses(u, &subnet); err != nil {
			return "", err
		}
	}
	return subnet.ID, nil
}

// touchNetwork counts a change of a network's subnets as one of the network. It
// also makes concurrent changes of the subnets of one network exclude each
// other.
func (p *Plugin) touchNetwork(u *records.Update, n *model.Network) {
	changed := *n
	p.touch(&changed.Meta)
	records.Networks.Put(u, &changed)
}

// checkRange finds out whether a request without a pool names a usable range.
func checkRange(s *SubnetSpec) error {
	switch {
	case !s.CIDR.IsValid():
		return BadRequest("BadRequest", "Bad subnets request: a subnetpool must be specified in the absence of a cidr.")
	case version(s.CIDR.Addr()) != s.IPVersion:
		return InvalidInput("cidr '%s' does not match the ip_version '%d'", s.CIDR, s.IPVersion)
	case s.CIDR.Bits() == 0:
		return InvalidInput("0 is not allowed as CIDR prefix length")
	}
	return nil
}

func version(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

// checkSubnet applies the rules that need nothing but the subnet.
func (p *Plugin) checkSubnet(s *model.Subnet) error {
	for _, check := range []func(*model.Subnet) error{
		checkDHCP, checkIPv6Modes, checkGateway, checkPools, p.checkNameservers, p.checkHostRoutes,
	} {
		if err := check(s); err != nil {
			return err
		}
	}
	return nil
}

func checkDHCP(s *model.Subnet) error {
	if !s.EnableDHCP {
		return nil
	}
	switch room := s.CIDR.Addr().BitLen() - s.CIDR.Bits(); {
	case s.CIDR.Addr().IsMulticast():
		return InvalidInput("Multicast IP subnet is not supported if enable_dhcp is True")
	case s.CIDR.Addr().IsLoopback():
		return InvalidInput("Loopback IP subnet is not supported if enable_dhcp is True")
	case s.CIDR.Addr() == netip.IPv4Unspecified():
		return InvalidInput("First IP '0.0.0.0' of network is not supported if enable_dhcp is True")
	case room < 2:
		return InvalidInput("Subnet has a prefix length that is incompatible with DHCP service enabled")
	}
	return nil
}

func checkIPv6Modes(s *model.Subnet) error {
	if s.IPv6AddressMode == "" && s.IPv6RAMode == "" {
		return nil
	}
	switch {
	case s.IPVersion != 6:
		return InvalidInput("ipv6_ra_mode and ipv6_address_mode can only be used when the ip_version is 6")
	case !s.EnableDHCP:
		return InvalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
	case s.IPv6AddressMode != "" && s.IPv6RAMode != "" && s.IPv6AddressMode != s.IPv6RAMode:
		return InvalidInput("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. If both attributes are set, they must be the same value", s.IPv6RAMode, s.IPv6AddressMode)
	case automatic(s) && s.CIDR.Bits() != 64:
		return InvalidInput("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64", s.CIDR)
	}
	return nil
}

func checkGateway(s *model.Subnet) error {
	if !s.Gateway.IsValid() {
		return nil
	}
	if version(s.Gateway) != s.IPVersion {
		return InvalidInput("gateway_ip '%s' does not match the ip_version '%d'", s.Gateway, s.IPVersion)
	}
	if s.CIDR.Contains(s.Gateway) && ipam.Reserved(s.CIDR, s.Gateway) {
		return InvalidInput("Gateway is not valid on subnet")
	}
	return nil
}

func checkPools(s *model.Subnet) error {
	for _, pool := range s.AllocationPools {
		for _, a := range []netip.Addr{pool.Start, pool.End} {
			if version(a) != s.IPVersion {
				return BadRequest("InvalidAllocationPool", "The allocation pool %s-%s is not valid.", pool.Start, pool.End)
			}
		}
	}
	if err := ipam.CheckPools(s.CIDR, s.AllocationPools); err != nil {
		return poolRefusal(err)
	}
	if pool, ok := ipam.PoolWith(s.AllocationPools, s.Gateway); ok && s.Gateway.IsValid() {
		return Conflict("GatewayConflictWithAllocationPools", "Gateway ip %s conflicts with allocation pool %s-%s.", s.Gateway, pool.Start, pool.End)
	}
	return nil
}

func (p *Plugin) checkNameservers(s *model.Subnet) error {
	if len(s.DNSNameservers) > p.config.MaxDNSNameservers {
		return BadRequest("DNSNameServersExhausted", "Unable to complete operation for %s. The number of DNS nameservers exceeds the limit %d.", s.ID, p.config.MaxDNSNameservers)
	}
	for _, a := range s.DNSNameservers {
		if version(a) != s.IPVersion {
			return InvalidInput("dns_nameserver '%s' does not match the ip_version '%d'", a, s.IPVersion)
		}
	}
	return nil
}

func (p *Plugin) checkHostRoutes(s *model.Subnet) error {
	if len(s.HostRoutes) > p.config.MaxSubnetHostRoutes {
		return BadRequest("HostRoutesExhausted", "Unable to complete operation for %s. The number of host routes exceeds the limit %d.", s.ID, p.config.MaxSubnetHostRoutes)
	}
	for _, route := range s.HostRoutes {
		if version(route.Destination.Addr()) != s.IPVersion || version(route.NextHop) != s.IPVersion {
			return InvalidInput("host route '%s' via '%s' does not match the ip_version '%d'", route.Destination, route.NextHop, s.IPVersion)
		}
	}
	return nil
}

func checkOverlap(r records.Reader, s *model.Subnet) error {
	for other := range records.SubnetsByNetwork.Get(r, s.NetworkID) {
		if other.ID != s.ID && other.CIDR.Overlaps(s.CIDR) {
			return InvalidInput("Requested subnet with cidr: %s for network: %s overlaps with another subnet %s (%s)", s.CIDR, s.NetworkID, other.ID, other.CIDR)
		}
	}
	return nil
}

// UpdateSubnet changes a subnet.
func (p *Plugin) UpdateSubnet(c Call, u *records.Update, before *model.Subnet, s *SubnetSpec) error {
	subnet := s.Subnet
	if c.Has("allocation_pools") && subnet.AllocationPools == nil {
		subnet.AllocationPools = before.AllocationPools
	}
	if before.EnableDHCP && !subnet.EnableDHCP && (subnet.IPv6AddressMode != "" || subnet.IPv6RAMode != "") {
		return InvalidInput("Cannot disable enable_dhcp with ipv6 attributes set")
	}
	if err := p.checkSubnet(&subnet); err != nil {
		return err
	}
	// None at all is no other: guests are told of no gateway, and the router stays.
	if subnet.Gateway != before.Gateway && before.Gateway.IsValid() && subnet.Gateway.IsValid() {
		if port := routerPortWith(u, before.ID, before.Gateway); port != nil {
			return Conflict("GatewayIpInUse", "Current gateway ip %s already in use by port %s. Unable to update.", before.Gateway, port.ID)
		}
	}
	if err := p.changeSegment(u, before, &subnet); err != nil {
		return err
	}
	relink(u, before, &subnet)
	if !reflect.DeepEqual(subnet, *before) {
		p.touch(&subnet.Meta)
		records.Subnets.Put(u, &subnet)
	}
	return nil
}

func routerPortWith(r records.Reader, subnet string, a netip.Addr) *model.Port {
	owner, ok := r.Claimed(addressKey(subnet, a))
	if !ok {
		return nil
	}
	if port, ok := records.Ports.Get(r, owner); ok && router(port.DeviceOwner) {
		return port
	}
	return nil
}

// DeleteSubnet removes a subnet that no port uses. Addresses that guests make
// themselves, and those of the service's own ports, go with it.
func (p *Plugin) DeleteSubnet(u *records.Update, id string) error {
	s, ok := records.Subnets.Get(u, id)
	if !ok {
		return NotFound("Subnet", "Subnet", id)
	}
	for port := range records.PortsBySubnet.Get(u, id) {
		if !autoDeleted(port.DeviceOwner) && (!automatic(s) || router(port.DeviceOwner)) {
			return Conflict("SubnetInUse", "Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", id)
		}
	}
	for port := range records.PortsBySubnet.Get(u, id) {
		if err := p.dropAddresses(u, port, id); err != nil {
			return err
		}
	}
	if network, ok := records.Networks.Get(u, s.NetworkID); ok {
		p.touchNetwork(u, network)
	}
	p.unlinkSegments(u, s)
	return removeSubnet(u, id)
}

// dropAddresses takes a port's addresses in the subnet away, with what is
// translated to them.
func (p *Plugin) dropAddresses(u *records.Update, port *model.Port, subnet string) error {
	changed := *port
	changed.FixedIPs = nil
	for _, f := range port.FixedIPs {
		if f.SubnetID == subnet {
			u.Release(addressKey(subnet, f.IP))
			continue
		}
		changed.FixedIPs = append(changed.FixedIPs, f)
	}
	p.touch(&changed.Meta)
	records.Ports.Put(u, &changed)
	return p.releaseLostAddresses(u, port, &changed)
}

// removeSubnet deletes the record; no address of the subnet may be left.
func removeSubnet(u *records.Update, id string) error {
	s, ok := records.Subnets.Get(u, id)
	if !ok {
		return nil
	}
	for _, key := range quotaKeys(&s.Meta, QuotaSubnet) {
		u.Release(key)
	}
	u.RequireNoClaims(addressPrefix(id))
	records.Subnets.Delete(u, id)
	return nil
}
