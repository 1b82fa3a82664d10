// Package provision says when a port is in service: when everybody whose work it
// needs has reported that work done. It is Neutron's provisioning blocks as a
// function of the records.
package provision

import (
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// State gives what has become of a port, and since when its host has said so. A
// port is ACTIVE once the host that it is bound to has wired it, and, when a DHCP
// server serves its subnets, once one has it: a guest that boots now gets its
// address.
func State(r records.Reader, p *model.Port) (model.PortState, time.Time) {
	s, ok := records.PortStatuses.Get(r, p.ID)
	switch {
	case !ok || s.Host != p.Host:
		return model.PortDown, time.Time{}
	case s.State == model.PortActive && awaitsDHCP(r, p):
		return model.PortDown, s.Since
	}
	return s.State, s.Since
}

// awaitsDHCP reports whether DHCP servers of the port's subnets run and none of
// them has the port yet. A network whose servers have never come up holds up no
// port, and ports of the network service itself need none.
func awaitsDHCP(r records.Reader, p *model.Port) bool {
	binding, ok := records.DHCPBindings.Get(r, p.NetworkID)
	if !ok || p.Trusted() || !hasDHCP(r, p) {
		return false
	}
	runs := false
	for _, h := range binding.Hosts {
		if !serves(r, h, p) || !active(r, model.ObjectDHCP, p.NetworkID, h.Host) {
			continue
		}
		runs = true
		if active(r, model.ObjectDHCPPort, p.ID, h.Host) {
			return false
		}
	}
	return runs
}

func hasDHCP(r records.Reader, p *model.Port) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool {
		s, ok := records.Subnets.Get(r, f.SubnetID)
		return ok && s.EnableDHCP
	})
}

// serves reports whether the host has an address in one of the port's subnets: of
// a routed network each host serves those of its own segment.
func serves(r records.Reader, h model.DHCPHost, p *model.Port) bool {
	server, ok := records.Ports.Get(r, h.PortID)
	return ok && slices.ContainsFunc(server.FixedIPs, func(s model.FixedIP) bool {
		return slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool { return f.SubnetID == s.SubnetID })
	})
}

func active(r records.Reader, kind model.ObjectKind, id, host string) bool {
	s, ok := records.ObjectStatuses.Get(r, (&model.ObjectStatus{Kind: kind, ID: id, Host: host}).Key())
	return ok && s.State == model.ObjectActive
}
