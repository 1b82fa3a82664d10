package plugin

import (
	"net/netip"
	"reflect"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// LocalIPSpec is a local IP as a request asks for it.
type LocalIPSpec struct{ model.LocalIP }

// The key that a local IP holds of its port, which stays as long.
func localIPPrefix(port string) string       { return "localip/" + port + "/" }
func localIPKey(port, localIP string) string { return localIPPrefix(port) + localIP }

func badLocalIP(format string, args ...any) *Error {
	return BadRequest("BadRequest", "Bad local_ip request: "+format+".", args...)
}

// CreateLocalIP makes a local IP of an address of a port that is there, or of a
// new one on a network.
func (p *Plugin) CreateLocalIP(c Call, u *records.Update, s *LocalIPSpec) (string, error) {
	ip := s.LocalIP
	p.newMeta(&ip.Meta, 0)
	port, err := p.localPort(c, u, &ip)
	if err != nil {
		return "", err
	}
	fixed, err := onlyAddress(port, ip.Address)
	if err != nil {
		return "", err
	}
	ip.LocalPortID, ip.NetworkID, ip.Address = port.ID, port.NetworkID, fixed
	if err := reclaim(u, ip.ID, nil, []string{localIPKey(port.ID, ip.ID)}); err != nil {
		return "", err
	}
	records.LocalIPs.Put(u, &ip)
	return ip.ID, nil
}

// localPort gives the port of a new local IP.
func (p *Plugin) localPort(c Call, u *records.Update, ip *model.LocalIP) (*model.Port, error) {
	if ip.LocalPortID != "" {
		port, ok := records.Ports.Get(u, ip.LocalPortID)
		if !ok || !p.maySeePort(c, u.Peek(), port) {
			return nil, badLocalIP("Port %s not found", ip.LocalPortID)
		}
		return port, nil
	}
	if ip.NetworkID == "" {
		return nil, BadRequest("LocalIPPortOrNetworkRequired", "Either Port ID or Network ID must be specified for Local IP create.")
	}
	network, err := p.networkUsed(c, u, ip.NetworkID, ip.ProjectID)
	if err != nil {
		return nil, err
	}
	spec := servicePortSpec{network: network, project: ip.ProjectID, owner: OwnerLocalIP, device: ip.ID, onlyIPv4: true}
	if ip.Address.IsValid() {
		spec.addresses = []AddressRequest{{IP: ip.Address}}
	}
	for subnet := range records.SubnetsByNetwork.Get(u, network.ID) {
		if subnet.IPVersion == 4 {
			return p.makeServicePort(u, spec)
		}
	}
	return nil, badLocalIP("Network %s does not contain any IPv4 subnet", network.ID)
}

// onlyAddress gives the address of a port that a request means: the one it names,
// or the only one.
func onlyAddress(port *model.Port, want netip.Addr) (netip.Addr, error) {
	if len(port.FixedIPs) == 0 {
		return want, BadRequest("LocalIPNoIP", "Specified Port %s has no fixed IPs configured.", port.ID)
	}
	if !want.IsValid() {
		if len(port.FixedIPs) > 1 {
			return want, BadRequest("LocalIPNoRequestedIP", "Specified Port %s has several IPs, should specify exact IP address to use for Local IP.", port.ID)
		}
		return port.FixedIPs[0].IP, nil
	}
	for _, f := range port.FixedIPs {
		if f.IP == want {
			return want, nil
		}
	}
	return want, BadRequest("LocalIPRequestedIPNotFound", "Specified Port %s does not have requested IP address: %s.", port.ID, want)
}

// UpdateLocalIP changes a local IP's name and description.
func (p *Plugin) UpdateLocalIP(_ Call, u *records.Update, before *model.LocalIP, s *LocalIPSpec) error {
	ip := s.LocalIP
	if !reflect.DeepEqual(ip, *before) {
		p.touch(&ip.Meta)
		records.LocalIPs.Put(u, &ip)
	}
	return nil
}

// DeleteLocalIP removes a local IP, and its port if it was made for it.
func (p *Plugin) DeleteLocalIP(u *records.Update, id string) error {
	ip, ok := records.LocalIPs.Get(u, id)
	if !ok {
		return NotFound("LocalIP", "Local IP", id)
	}
	u.Release(localIPKey(ip.LocalPortID, id))
	records.LocalIPs.Delete(u, id)
	if port, ok := records.Ports.Get(u, ip.LocalPortID); ok && port.DeviceOwner == OwnerLocalIP && port.DeviceID == id {
		return p.removePort(u, port.ID)
	}
	return nil
}

// keepLocalIP refuses to delete a port that is a local IP's. Another local IP of
// it, at the same moment, makes the update run again.
func keepLocalIP(u *records.Update, port string) error {
	if held(u, localIPPrefix(port)) {
		return Conflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: still referenced by Local IPs.", port)
	}
	u.RequireNoNewClaims(localIPPrefix(port))
	return nil
}

// AssociateLocalIP would let a port answer for a local IP. Hosts do not translate
// such addresses yet, so what is well formed is refused, too.
func (p *Plugin) AssociateLocalIP(c Call, u *records.Update, ip *model.LocalIP, portID string, want netip.Addr) error {
	port, ok := records.Ports.Get(u, portID)
	if !ok || !p.maySeePort(c, u.Peek(), port) {
		return BadRequest("BadRequest", "Bad local_ip_port_association request: Port %s not found.", portID)
	}
	if _, err := onlyAddress(port, want); err != nil {
		return err
	}
	return Conflict("LocalIPAssociationNotSupported", "Local IP %s cannot be associated with port %s: hosts do not translate local IPs yet.", ip.ID, port.ID)
}

// NoLocalIPAssociation is the refusal of an association that there is not.
func NoLocalIPAssociation(localIP, port string) *Error {
	return NotFoundAs("LocalIPAssociationNotFound", "Local IP %s association with port %s could not be found.", localIP, port)
}
