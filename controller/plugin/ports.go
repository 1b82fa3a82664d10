package plugin

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/provision"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// PortSpec is a port as a request asks for it.
type PortSpec struct {
	model.Port
	// Addresses is fixed_ips.
	Addresses []AddressRequest
	// Groups is security_groups; nil when it was not given.
	Groups *[]string
	// Options is extra_dhcp_opts.
	Options []DHCPOptionChange
}

// AddressRequest is an entry of fixed_ips: a subnet, an address, or both.
type AddressRequest struct {
	SubnetID string
	IP       netip.Addr
}

// DHCPOptionChange is an entry of extra_dhcp_opts; a nil Value removes the
// option.
type DHCPOptionChange struct {
	Name      string
	Value     *string
	IPVersion int
}

// PortView is a port as the API shows it.
type PortView struct {
	*model.Port
	Status           string
	NetworkProjectID string
	// DNSDomain completes the names in dns_assignment.
	DNSDomain string
	// NetworkQoSPolicyID is the QoS policy of the port's network.
	NetworkQoSPolicyID string
	// Trunk is the trunk that the port is the parent of; nil for none.
	Trunk *TrunkDetails
}

// Status values of a port.
const (
	statusDown   = "DOWN"
	statusActive = "ACTIVE"
	statusError  = "ERROR"
)

// ViewPort gives a port as the API shows it: ACTIVE once it is in service, and
// until its host has reported otherwise, for as long does the port carry traffic.
func (p *Plugin) ViewPort(r records.Reader, port *model.Port) *PortView {
	v := &PortView{Port: port, Status: statusDown, DNSDomain: p.config.DNSDomain, Trunk: trunkDetails(r, port.ID)}
	if n, ok := records.Networks.Get(r, port.NetworkID); ok {
		v.NetworkProjectID, v.NetworkQoSPolicyID = n.ProjectID, n.QoSPolicyID
	}
	switch state, _ := provision.State(r, port); state {
	case model.PortActive:
		v.Status = statusActive
	case model.PortError:
		v.Status = statusError
	}
	return v
}

// PortAt gives the port of a network that has an address, by the keys that make
// addresses unique: however many networks use the same addresses.
func PortAt(r records.Reader, network string, a netip.Addr) (*model.Port, bool) {
	for s := range records.SubnetsByNetwork.Get(r, network) {
		if id, ok := r.Claimed(addressKey(s.ID, a)); ok {
			return records.Ports.Get(r, id)
		}
	}
	return nil, false
}

// PortTarget is a port as rules about rights see it.
func PortTarget(v *PortView) identity.Target {
	return identity.Target{ProjectID: v.ProjectID, NetworkProjectID: v.NetworkProjectID}
}

// portClaims are the keys that a port holds while it exists.
func portClaims(port *model.Port) []string {
	keys := append(quotaKeys(&port.Meta, QuotaPort), qosKeys(port.QoSPolicyID, qosOfPort, port.ID)...)
	keys = append(keys, macKey(port.NetworkID, port.MAC))
	for _, f := range port.FixedIPs {
		keys = append(keys, addressKey(f.SubnetID, f.IP))
	}
	for _, g := range port.SecurityGroups {
		keys = append(keys, groupUseKey(g, port.ID))
	}
	if onExternal(port.DeviceOwner) {
		keys = append(keys, externalKey(port.NetworkID, port.ID))
	}
	return keys
}

// CreatePort makes a port on a network: MAC, addresses, security groups and
// binding. It completes the spec's port.
func (p *Plugin) CreatePort(c Call, u *records.Update, s *PortSpec) (string, error) {
	network, err := p.networkSeen(c, u, s.NetworkID)
	if err != nil {
		return "", err
	}
	port := &s.Port
	p.newMeta(&port.Meta, 1)
	if !c.Has("port_security_enabled") {
		port.PortSecurityEnabled = network.PortSecurityEnabled
	}
	if err := p.secureNewPort(c, u, s); err != nil {
		return "", err
	}
	if err := p.takeQuota(c, u, &port.Meta, QuotaPort); err != nil {
		return "", err
	}
	if port.MAC == (model.MAC{}) {
		mac, err := p.newMAC(u, port.NetworkID, port.ID)
		if err != nil {
			return "", err
		}
		port.MAC = mac
	}
	if err := p.giveAddresses(c, u, s); err != nil {
		return "", err
	}
	port.ExtraDHCPOpts = mergeOptions(nil, s.Options)
	if err := p.checkPort(port); err != nil {
		return "", err
	}
	if err := checkRouterOwned(c, u.Peek(), port); err != nil {
		return "", err
	}
	if err := p.attachQoS(c, u, qosUse{qosOfPort, port.ID}, "", port.QoSPolicyID); err != nil {
		return "", err
	}
	p.bind(u, network, port)
	if err := reclaim(u, port.ID, nil, portClaims(port)); err != nil {
		return "", portTaken(port, err)
	}
	records.Ports.Put(u, port)
	return port.ID, nil
}

// Values of ip_allocation.
const (
	allocationImmediate = "immediate"
	allocationDeferred  = "deferred" // until the port's host is known
	allocationNone      = "none"
)

// maxProfile is how many bytes binding:profile may have as JSON.
const maxProfile = 4095

// checkPort applies the rules that need nothing but the port.
func (p *Plugin) checkPort(port *model.Port) error {
	if err := p.checkPairs(port); err != nil {
		return err
	}
	if err := checkProfile(port.BindingProfile); err != nil {
		return err
	}
	return p.checkName(port)
}

// maxName is how many characters a full DNS name may have.
const maxName = 255

// checkName checks that a port's name and the configured domain go together.
func (p *Plugin) checkName(port *model.Port) error {
	name, full := strings.CutSuffix(port.DNSName, ".")
	switch {
	case full && !strings.HasSuffix(name, "."+p.config.DNSDomain):
		return BadRequest("BadRequest", "Bad port request: dns_name %s is a fully qualified name outside of dns_domain %s.", port.DNSName, p.config.DNSDomain)
	case !full && name != "" && len(name)+1+len(p.config.DNSDomain)+1 > maxName:
		return BadRequest("HTTPBadRequest", "Invalid input for dns_name. Reason: the name of %d characters and dns_domain %s are together longer than %d.", len(name), p.config.DNSDomain, maxName)
	}
	return nil
}

// UpdatePort changes a port. It completes the spec's port.
func (p *Plugin) UpdatePort(c Call, u *records.Update, before *model.Port, s *PortSpec) error {
	network, ok := records.Networks.Get(u, before.NetworkID)
	if !ok {
		return NotFound("Network", "Network", before.NetworkID)
	}
	port := &s.Port
	if err := p.changeMAC(c, u, before, port); err != nil {
		return err
	}
	if err := p.secureChangedPort(c, u, s); err != nil {
		return err
	}
	followMAC(u, before, port)
	if err := p.readdress(c, u, before, s); err != nil {
		return err
	}
	if c.Has("extra_dhcp_opts") {
		port.ExtraDHCPOpts = mergeOptions(before.ExtraDHCPOpts, s.Options)
	}
	if err := p.checkPort(port); err != nil {
		return err
	}
	if err := p.checkUses(c, u, before, port); err != nil {
		return err
	}
	if err := p.attachQoS(c, u, qosUse{qosOfPort, port.ID}, before.QoSPolicyID, port.QoSPolicyID); err != nil {
		return err
	}
	if err := bindTrunked(u, before, port.Host); err != nil {
		return err
	}
	if trusted(port.DeviceOwner) && !trusted(before.DeviceOwner) {
		if err := keepFromService(u, port.ID); err != nil {
			return err
		}
	}
	p.rebind(u, network, before, port)
	p.followHost(u, network, before, port)
	if CheckBindings(port) != nil {
		port.Bindings = nil // of the guest that it was
	}
	if err := reclaim(u, port.ID, portClaims(before), portClaims(port)); err != nil {
		return portTaken(port, err)
	}
	if !reflect.DeepEqual(port, before) {
		p.touch(&port.Meta)
		records.Ports.Put(u, port)
	}
	return nil
}

// portTaken says which of a port's keys another one has.
func portTaken(port *model.Port, err error) error {
	taken := (*records.TakenError)(nil)
	if !errors.As(err, &taken) {
		return err
	}
	switch {
	case taken.Key == macKey(port.NetworkID, port.MAC):
		return Conflict("MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", port.NetworkID, port.MAC)
	case strings.HasPrefix(taken.Key, "ip/"):
		for _, f := range port.FixedIPs {
			if taken.Key == addressKey(f.SubnetID, f.IP) {
				return addressTaken(f)
			}
		}
	}
	return fmt.Errorf("claim the keys of port %s: %w", port.ID, err)
}

// mergeOptions applies a request's extra_dhcp_opts to what a port has.
func mergeOptions(have []model.DHCPOption, changes []DHCPOptionChange) []model.DHCPOption {
	var out []model.DHCPOption
	changed := func(o model.DHCPOption) bool {
		for _, c := range changes {
			if c.Name == o.Name && c.IPVersion == o.IPVersion {
				return true
			}
		}
		return false
	}
	for _, o := range have {
		if !changed(o) {
			out = append(out, o)
		}
	}
	for _, c := range changes {
		if c.Value != nil {
			out = append(out, model.DHCPOption{Name: c.Name, Value: *c.Value, IPVersion: c.IPVersion})
		}
	}
	return out
}

// DeletePort removes a port, unless it belongs to a router or a floating
// address.
func (p *Plugin) DeletePort(u *records.Update, id string) error {
	port, ok := records.Ports.Get(u, id)
	if !ok {
		return NotFound("Port", "Port", id)
	}
	if servicePort(port.DeviceOwner) {
		return Conflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device owner %s.", id, port.DeviceOwner)
	}
	return p.removePort(u, id)
}

// removePort deletes a port's record, its status and its keys.
func (p *Plugin) removePort(u *records.Update, id string) error {
	port, ok := records.Ports.Get(u, id)
	if !ok {
		return nil
	}
	if err := keepTrunk(u, id); err != nil {
		return err
	}
	if err := keepLocalIP(u, id); err != nil {
		return err
	}
	if err := p.dropLogs(u, id); err != nil {
		return err
	}
	p.leaveInstance(u, id)
	if err := p.releaseTranslations(u, id); err != nil {
		return err
	}
	if err := reclaim(u, id, portClaims(port), nil); err != nil {
		return err
	}
	records.PortStatuses.Delete(u, id)
	forgetStates(u, model.ObjectDHCPPort, id)
	records.Ports.Delete(u, id)
	return nil
}
