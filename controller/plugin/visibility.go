package plugin

import (
	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/model"
)

// NetworkTarget is a network as rules about rights see it.
func NetworkTarget(n *model.Network) identity.Target {
	return identity.Target{ProjectID: n.ProjectID, NetworkProjectID: n.ProjectID, Shared: n.Shared, External: n.External}
}

func (p *Plugin) maySeeNetwork(c Call, n *model.Network) bool {
	return policy.May(p.seeNetwork, c.Who, NetworkTarget(n))
}

func (p *Plugin) maySeeGroup(c Call, g *model.SecurityGroup) bool {
	return policy.May(p.seeGroup, c.Who, identity.Target{ProjectID: g.ProjectID})
}
