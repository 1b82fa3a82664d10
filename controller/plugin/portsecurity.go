package plugin

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// secureNewPort settles port security, security groups and address pairs of a
// new port.
func (p *Plugin) secureNewPort(c Call, u *records.Update, s *PortSpec) error {
	port := &s.Port
	if trusted(port.DeviceOwner) {
		port.PortSecurityEnabled = false
	}
	if !port.PortSecurityEnabled {
		if len(port.AllowedAddressPairs) > 0 {
			return pairsNeedSecurity()
		}
		if s.Groups != nil && len(*s.Groups) > 0 {
			return groupsNeedSecurity()
		}
		return nil
	}
	if s.Groups != nil {
		return p.setGroups(c, u, port, *s.Groups)
	}
	if port.ProjectID == "" {
		return nil
	}
	id, err := p.ensureDefaultGroup(u, port.ProjectID)
	if err != nil {
		return err
	}
	return p.setGroups(c, u, port, []string{id})
}

// secureChangedPort does the same for an update.
func (p *Plugin) secureChangedPort(c Call, u *records.Update, s *PortSpec) error {
	port := &s.Port
	if s.Groups != nil && len(*s.Groups) > 0 && !port.PortSecurityEnabled {
		return groupsNeedSecurity()
	}
	if s.Groups != nil {
		if err := p.setGroups(c, u, port, *s.Groups); err != nil {
			return err
		}
	}
	if !port.PortSecurityEnabled {
		if len(port.AllowedAddressPairs) > 0 {
			return pairsNeedSecurity()
		}
		if len(port.SecurityGroups) > 0 {
			return Conflict("PortSecurityPortHasSecurityGroup", "Port has security group associated. Cannot disable port security or IP address until security group is removed.")
		}
	}
	return nil
}

func pairsNeedSecurity() *Error {
	return Conflict("AddressPairAndPortSecurityRequired", "Port Security must be enabled in order to have allowed address pairs on a port.")
}

func groupsNeedSecurity() *Error {
	return BadRequest("PortSecurityAndIPRequiredForSecurityGroups", "Port security must be enabled and port must have an IP address in order to use security groups.")
}

// setGroups gives a port security groups that exist and that the caller may
// see; each becomes a condition of the commit.
func (p *Plugin) setGroups(c Call, u *records.Update, port *model.Port, ids []string) error {
	port.SecurityGroups = nil
	for _, id := range ids {
		if slices.Contains(port.SecurityGroups, id) {
			continue
		}
		g, ok := records.SecurityGroups.Get(u, id)
		if !ok || !p.maySeeGroup(c, u, g) {
			return NotFound("SecurityGroup", "Security group", id)
		}
		port.SecurityGroups = append(port.SecurityGroups, id)
	}
	return nil
}

// checkPairs applies the rules of allowed_address_pairs.
func (p *Plugin) checkPairs(port *model.Port) error {
	if len(port.AllowedAddressPairs) > p.config.MaxAllowedAddressPairs {
		return BadRequest("AllowedAddressPairExhausted", "The number of allowed address pair exceeds the maximum %d.", p.config.MaxAllowedAddressPairs)
	}
	seen := map[model.AddressPair]bool{}
	for _, pair := range port.AllowedAddressPairs {
		if pair.MAC == port.MAC {
			pair.MAC = model.MAC{}
		}
		if seen[pair] {
			return BadRequest("DuplicateAddressPairInRequest", "Request contains duplicate address pair: mac_address %s ip_address %s.", pair.MAC, pair.IP)
		}
		seen[pair] = true
	}
	return nil
}
