package plugin

import (
	"net/http"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// NetworkTarget is a network as rules about rights see it.
func NetworkTarget(r records.Reader, n *model.Network) identity.Target {
	return networkTarget(n, sharingOf(r, n.ID))
}

func networkTarget(n *model.Network, s Sharing) identity.Target {
	t := s.target(n.ProjectID)
	t.NetworkProjectID = n.ProjectID
	return t
}

// GroupTarget is a security group as rules about rights see it.
func GroupTarget(r records.Reader, g *model.SecurityGroup) identity.Target {
	return sharingOf(r, g.ID).target(g.ProjectID)
}

func (p *Plugin) maySeeNetwork(c Call, r records.Reader, n *model.Network) bool {
	return policy.May(p.seeNetwork, c.Who, NetworkTarget(r, n))
}

// CheckNetworkSeen refuses a network that the caller may not know of, as one that
// there is not.
func (p *Plugin) CheckNetworkSeen(c Call, r records.Reader, id string) error {
	_, err := p.networkSeen(c, r, id)
	return err
}

// CheckNetworkUsed refuses in addition a network that the caller may see and may
// not have ports on: an external one of another project.
func (p *Plugin) CheckNetworkUsed(c Call, r records.Reader, id, project string) error {
	_, err := p.networkUsed(c, r, id, project)
	return err
}

func (p *Plugin) networkUsed(c Call, r records.Reader, id, project string) (*model.Network, error) {
	n, err := p.networkSeen(c, r, id)
	if err == nil && !policy.May(p.useNetwork, c.Who, NetworkTarget(r, n)) {
		return nil, Refuse(http.StatusForbidden, "HTTPForbidden", "Tenant %s not allowed to create port on this network", project)
	}
	return n, err
}

func (p *Plugin) networkSeen(c Call, r records.Reader, id string) (*model.Network, error) {
	n, ok := records.Networks.Get(r, id)
	if !ok || !p.maySeeNetwork(c, r, n) {
		return nil, NotFound("Network", "Network", id)
	}
	return n, nil
}

func (p *Plugin) maySeeGroup(c Call, r records.Reader, g *model.SecurityGroup) bool {
	return policy.May(p.seeGroup, c.Who, GroupTarget(r, g))
}

// checkSubnetsSeen refuses subnets of other networks than the given one that the
// caller may not know of, as it refuses those that there are not.
func (p *Plugin) checkSubnetsSeen(c Call, u *records.Update, network string, want []AddressRequest) error {
	for _, w := range want {
		s, ok := records.Subnets.Get(u.Peek(), w.SubnetID)
		if ok && s.NetworkID != network && !p.maySeeSubnet(c, u.Peek(), s) {
			return NotFound("Subnet", "Subnet", w.SubnetID)
		}
	}
	return nil
}
