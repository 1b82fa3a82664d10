package plugin

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Distributed routers. Every host with a port on one of the router's networks
// routes for itself; which ones these are follows from the ports, and is not
// scheduled. The router's binding still names one host, its home: traffic of
// ports without floating address leaves there, and hosts that do not route send
// there what is for the router. A floating address is translated where the port
// is that it stands for, if that host routes and is on the external network.

// RoleDVR is the role of agents that route for the ports of their host, and are
// given no routers to keep for others. Agents of role l3 do both.
const RoleDVR = "dvr"

// vifDistributed is the binding:vif_type of interfaces that are on many hosts.
const vifDistributed = "distributed"

// Binding is what the API says of where and how a port is plugged: of the
// interfaces of distributed routers, that they are in no one place.
func (v *PortView) Binding() (host, vifType string) {
	if v.DeviceOwner == OwnerRouterInterfaceDVR {
		return "", vifDistributed
	}
	return v.Host, v.VIFType
}

// interfaceOwner is the device owner of a router's interfaces.
func interfaceOwner(r *model.Router) string {
	if r.Distributed {
		return OwnerRouterInterfaceDVR
	}
	return OwnerRouterInterface
}

// checkKind refuses routers that are both distributed and highly available.
func checkKind(r *model.Router) error {
	if r.Distributed && r.HA {
		return Conflict("RouterKindNotRealised", "Routers that are both distributed and highly available cannot be realised yet.")
	}
	return nil
}

// changeKind makes a router a distributed one, or one on one host. Its
// interfaces and floating addresses go with it. Neutron demands that the router
// forwards nothing meanwhile.
func (p *Plugin) changeKind(u *records.Update, before, router *model.Router) error {
	switch {
	case router.Distributed == before.Distributed:
		return nil
	case router.FlavorID != "":
		return InvalidInput("Changing the 'ha' and 'distributed' attributes on a router associated with a flavor is not supported")
	case before.AdminStateUp || router.AdminStateUp:
		return BadRequest("BadRequest", "Bad router request: Cannot change the 'distributed' attribute of active routers. Please set router admin_state_up to False prior to upgrade.")
	}
	for _, found := range interfacePorts(u, router.ID) {
		if port, ok := records.Ports.Get(u, found.ID); ok {
			changed := *port
			changed.DeviceOwner = interfaceOwner(router)
			p.touch(&changed.Meta)
			records.Ports.Put(u, &changed)
		}
	}
	p.hostFloatingIPs(u, p.strayFloatingIPs(u.Peek(), router, routerHost(u, router.ID)))
	return nil
}

// strayFloatingIPs gives the floating addresses of a router that are to be
// translated on other hosts than they are, as they should be.
func (p *Plugin) strayFloatingIPs(r records.Reader, router *model.Router, home string) []*model.FloatingIP {
	var stray []*model.FloatingIP
	for f := range records.FloatingIPsByRouter.Get(r, router.ID) {
		if host := p.floatingHost(r, router, f, home); host != f.Host {
			moved := *f
			moved.Host = host
			stray = append(stray, &moved)
		}
	}
	return stray
}

// floatingHost finds the host that is to translate a floating address, "" for
// the router's home.
func (p *Plugin) floatingHost(r records.Reader, router *model.Router, f *model.FloatingIP, home string) string {
	if !router.Distributed || f.PortID == "" {
		return ""
	}
	port, ok := records.Ports.Get(r, f.PortID)
	external, there := records.Networks.Get(r, f.FloatingNetworkID)
	if !ok || !there || !bound(port) || port.Host == home {
		return ""
	}
	for a := range records.AgentsByHost.Get(r, port.Host) {
		// One that has the address keeps it while its agent is away.
		if _, on := external.SegmentOn(a); on && routesLocally(a) && (f.Host == port.Host || p.Alive(a)) {
			return port.Host
		}
	}
	return ""
}

// routesLocally reports whether the agent routes for the ports of its host.
func routesLocally(a *model.Agent) bool {
	return slices.Contains(a.Roles, RoleDVR) || slices.Contains(a.Roles, RoleL3)
}

// routesForItsOwn reports whether the agent keeps no routers for others:
// Neutron's agent mode dvr.
func routesForItsOwn(v *AgentView) bool { return v.Role == RoleDVR }

// hostFloatingIPs stores floating addresses that have changed hosts.
func (p *Plugin) hostFloatingIPs(u *records.Update, moved []*model.FloatingIP) {
	for _, f := range moved {
		now, ok := records.FloatingIPs.Get(u, f.ID)
		if !ok {
			continue
		}
		changed := *now
		p.putFloatingOn(u, &changed, f.Host)
		p.touch(&changed.Meta)
		records.FloatingIPs.Put(u, &changed)
	}
}

// putFloatingOn lets a floating address be translated on the host. There it is
// a port of its own, with the MAC of the port that keeps the address; on the
// router's home it is one of the gateway's addresses.
func (p *Plugin) putFloatingOn(u *records.Update, f *model.FloatingIP, host string) {
	f.Host = host
	port, ok := records.Ports.Get(u, f.FloatingPortID)
	if !ok {
		return
	}
	if moved := p.onHost(u, port, host); moved != nil {
		p.touch(&moved.Meta)
		records.Ports.Put(u, moved)
	}
}

// settleFloatingIP puts a floating address that a request has changed where it
// belongs.
func (p *Plugin) settleFloatingIP(u *records.Update, f *model.FloatingIP) {
	host := ""
	if router, ok := records.Routers.Get(u, f.RouterID); ok && f.RouterID != "" {
		host = p.floatingHost(u, router, f, routerHost(u, router.ID))
	}
	if host != f.Host {
		p.putFloatingOn(u, f, host)
	}
}

// FloatingAtRest reports whether the floating addresses of a port are translated
// where they should be, and PlaceFloating sees to it.
func (p *Plugin) FloatingAtRest(r records.Reader, port string) bool {
	return len(p.strayOfPort(r, port)) == 0
}

// PlaceFloating has the floating addresses of a port translated where it is now.
func (p *Plugin) PlaceFloating(u *records.Update, port string) {
	p.hostFloatingIPs(u, p.strayOfPort(u, port))
}

func (p *Plugin) strayOfPort(r records.Reader, port string) []*model.FloatingIP {
	var stray []*model.FloatingIP
	for f := range records.FloatingIPsByPort.Get(r, port) {
		router, ok := records.Routers.Get(r, f.RouterID)
		if !ok {
			continue
		}
		if host := p.floatingHost(r, router, f, routerHost(r, router.ID)); host != f.Host {
			moved := *f
			moved.Host = host
			stray = append(stray, &moved)
		}
	}
	return stray
}
