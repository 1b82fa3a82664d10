package plugin

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// publishNetwork puts the policies in place that a network's attributes shared
// and router:external stand for.
func (p *Plugin) publishNetwork(u *records.Update, n *model.Network) error {
	if n.Shared {
		if err := p.share(u, networkType, &n.Meta, model.ActionShared); err != nil {
			return err
		}
	}
	if n.External {
		return p.share(u, networkType, &n.Meta, model.ActionExternal)
	}
	return nil
}

// republishNetwork follows a change of the same attributes. A network that is
// not external any more is so to nobody; one that is not shared any more stays
// with those that it is shared with by policies of their own.
func (p *Plugin) republishNetwork(u *records.Update, before, n *model.Network) error {
	if before.Shared && !n.Shared {
		if err := p.checkUnshare(u, n); err != nil {
			return err
		}
	}
	if before.External && !n.External {
		if err := checkInternal(u, n.ID); err != nil {
			return err
		}
		u.RequireNoClaims(externalPrefix(n.ID))
	}
	err := unshare(u, n.ID, func(policy *model.RBACPolicy) bool {
		if policy.Action == model.ActionExternal {
			return !n.External
		}
		return policy.TargetProject == model.Everybody && !n.Shared
	})
	if err != nil {
		return err
	}
	fresh := *n
	fresh.Shared, fresh.External = n.Shared && !before.Shared, n.External && !before.External
	return p.publishNetwork(u, &fresh)
}

// checkUnshare refuses to take a shared network away from those who use it.
func (p *Plugin) checkUnshare(u *records.Update, n *model.Network) error {
	kind := p.shareables()[networkType]
	targets := slices.DeleteFunc(targetsOf(u, n.ID, model.ActionShared, ""), func(t string) bool { return t == model.Everybody })
	if _, found := kind.dependent(u, n.ID, model.ActionShared, targets); found {
		return Conflict("InvalidSharedSetting", "Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", n.ID)
	}
	return nil
}

// checkInternal refuses to make a network internal that gateways are on.
func checkInternal(r records.Reader, network string) error {
	for port := range records.PortsByNetwork.Get(r, network) {
		if onExternal(port.DeviceOwner) {
			return Conflict("ExternalNetworkInUse", "External network %s cannot be updated to be made non-external, since it has existing gateway ports.", network)
		}
	}
	return nil
}
