package plugin

import (
	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/model"
)

// NetworkTarget is a network as rules about rights see it.
func NetworkTarget(n *model.Network) identity.Target {
	return identity.Target{ProjectID: n.ProjectID, NetworkProjectID: n.ProjectID, Shared: n.Shared, External: n.External}
}

// SeeNetwork is who may see a network.
func SeeNetwork(id identity.Identity, t identity.Target) bool {
	return identity.Any(identity.Admin, identity.Owner, identity.Shared, identity.External, identity.Service)(id, t)
}

func (p *Plugin) maySeeNetwork(c Call, n *model.Network) bool {
	return SeeNetwork(c.Who, NetworkTarget(n))
}
