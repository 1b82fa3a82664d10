package plugin

import (
	"reflect"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// TrunkSpec is a trunk as a request asks for it. Subs are its sub ports.
type TrunkSpec struct {
	model.Trunk
	Subs []SubPortSpec
}

// TrunkView is a trunk as the API shows it.
type TrunkView struct {
	*model.Trunk
	Status string
}

// ViewTrunk gives a trunk as the API shows it: ACTIVE when it is up and the host
// has wired all of it. Sub ports are wired nowhere yet.
func (p *Plugin) ViewTrunk(r records.Reader, t *model.Trunk) *TrunkView {
	v := &TrunkView{Trunk: t, Status: statusDown}
	if !t.AdminStateUp || len(t.SubPorts) > 0 {
		return v
	}
	if parent, ok := records.Ports.Get(r, t.PortID); ok && p.ViewPort(r, parent).Status == statusActive {
		v.Status = statusActive
	}
	return v
}

// trunkKey is held by the trunk that a port is the parent or a sub port of.
func trunkKey(port string) string { return "trunk/" + port }

// TrunkOf gives the trunk that a port is part of.
func TrunkOf(r records.Reader, port string) (*model.Trunk, bool) {
	id, ok := r.Claimed(trunkKey(port))
	if !ok {
		return nil, false
	}
	return records.Trunks.Get(r, id)
}

// CreateTrunk makes a trunk of a port that is bound to no host.
func (p *Plugin) CreateTrunk(c Call, u *records.Update, s *TrunkSpec) (string, error) {
	trunk := s.Trunk
	p.newMeta(&trunk.Meta, 0)
	parent, err := p.trunkablePort(c, u, trunk.PortID)
	if err != nil {
		return "", err
	}
	switch {
	case hasHost(parent):
		return "", Conflict("ParentPortInUse", "Port %s is bound to host %s and is not eligible for use as a parent port: hosts do not wire trunks yet.", parent.ID, parent.Host)
	case trusted(parent.DeviceOwner):
		return "", Conflict("ParentPortInUse", "Port %s is of %s and is not eligible for use as a parent port.", parent.ID, parent.DeviceOwner)
	}
	if err := p.takeQuota(c, u, &trunk.Meta, QuotaTrunk); err != nil {
		return "", err
	}
	if err := p.joinTrunk(u, parent, trunk.ID); err != nil {
		return "", err
	}
	if err := p.addSubPorts(c, u, &trunk, s.Subs); err != nil {
		return "", err
	}
	records.Trunks.Put(u, &trunk)
	return trunk.ID, nil
}

// trunkablePort gives a port that is part of no trunk.
func (p *Plugin) trunkablePort(c Call, u *records.Update, id string) (*model.Port, error) {
	port, ok := records.Ports.Get(u, id)
	if !ok || !p.maySeePort(c, u.Peek(), port) {
		return nil, NotFound("Port", "Port", id)
	}
	switch trunk, ok := TrunkOf(u.Peek(), id); {
	case !ok:
		return port, nil
	case trunk.PortID == id:
		return nil, Conflict("ParentPortInUse", "Port %s is the parent port of trunk %s and is not eligible for another.", id, trunk.ID)
	default:
		return nil, Conflict("TrunkPortInUse", "Port %s is in use by another trunk, %s.", id, trunk.ID)
	}
}

// joinTrunk makes a port part of a trunk. It writes the port, so that what
// deletes or binds it at the same moment sees the trunk.
func (p *Plugin) joinTrunk(u *records.Update, port *model.Port, trunk string) error {
	if err := u.Claim(trunkKey(port.ID), trunk); err != nil {
		return Conflict("TrunkPortInUse", "Port %s is in use by another trunk.", port.ID)
	}
	p.touchPort(u, port)
	return nil
}

// leaveTrunk takes a port out of its trunk.
func (p *Plugin) leaveTrunk(u *records.Update, id string) {
	u.Release(trunkKey(id))
	if port, ok := records.Ports.Get(u, id); ok {
		p.touchPort(u, port)
	}
}

func (p *Plugin) touchPort(u *records.Update, port *model.Port) {
	changed := *port
	p.touch(&changed.Meta)
	records.Ports.Put(u, &changed)
}

// hasHost reports whether a port is, or may soon be, on a host.
func hasHost(port *model.Port) bool { return port.Host != "" || len(port.Bindings) > 0 }

// UpdateTrunk changes a trunk's name, description and administrative state.
func (p *Plugin) UpdateTrunk(_ Call, u *records.Update, before *model.Trunk, s *TrunkSpec) error {
	trunk := s.Trunk
	if !reflect.DeepEqual(trunk, *before) {
		p.touch(&trunk.Meta)
		records.Trunks.Put(u, &trunk)
	}
	return nil
}

// TagTrunk replaces a trunk's tags.
func (p *Plugin) TagTrunk(u *records.Update, before *model.Trunk, tags []string) {
	trunk := *before
	p.retag(&trunk.Meta, tags)
	records.Trunks.Put(u, &trunk)
}

// DeleteTrunk removes a trunk, unless it is down; its ports stay.
func (p *Plugin) DeleteTrunk(u *records.Update, id string) error {
	trunk, ok := records.Trunks.Get(u, id)
	if !ok {
		return NotFound("Trunk", "Trunk", id)
	}
	if err := manageable(trunk); err != nil {
		return err
	}
	p.leaveTrunk(u, trunk.PortID)
	for _, sub := range trunk.SubPorts {
		p.leaveTrunk(u, sub.PortID)
	}
	if err := reclaim(u, id, quotaKeys(&trunk.Meta, QuotaTrunk), nil); err != nil {
		return err
	}
	records.Trunks.Delete(u, id)
	return nil
}

// manageable refuses to change the ports of a trunk that is down.
func manageable(trunk *model.Trunk) error {
	if !trunk.AdminStateUp {
		return Conflict("TrunkDisabled", "Trunk %s is currently disabled.", trunk.ID)
	}
	return nil
}

// keepTrunk refuses to delete a port that is part of a trunk.
func keepTrunk(r records.Reader, port string) error {
	trunk, ok := TrunkOf(r, port)
	if !ok {
		return nil
	}
	if trunk.PortID == port {
		return Conflict("PortInUseAsTrunkParent", "Port %s is currently a parent port for trunk %s.", port, trunk.ID)
	}
	return Conflict("PortInUseAsSubPort", "Port %s is currently a subport for trunk %s.", port, trunk.ID)
}

// bindTrunked refuses to bind a port to a host that would have to wire sub ports:
// hosts do not do so yet.
func bindTrunked(u *records.Update, port *model.Port, host string) error {
	if host == "" || host == port.Host {
		return nil
	}
	trunk, ok := TrunkOf(u, port.ID)
	switch {
	case !ok || trunk.PortID == port.ID && len(trunk.SubPorts) == 0:
		return nil
	case trunk.PortID == port.ID:
		return Conflict("PortInUseAsTrunkParent",
			"Port %s cannot be bound to host %s: it is the parent port of trunk %s, and hosts do not wire sub ports yet.", port.ID, host, trunk.ID)
	}
	return Conflict("PortInUseAsSubPort",
		"Port %s cannot be bound to host %s: it is a subport of trunk %s, and hosts do not wire sub ports yet.", port.ID, host, trunk.ID)
}

// keepFromService refuses to make a port of a trunk one of a router or of DHCP:
// those are bound to hosts by the service itself, which hosts could not wire.
func keepFromService(u *records.Update, port string) error {
	if trunk, ok := TrunkOf(u, port); ok {
		return Conflict("PortInUse", "Port %s is part of trunk %s and cannot serve a router or DHCP: hosts do not wire trunks yet.", port, trunk.ID)
	}
	return nil
}

// TrunkDetails is what a parent port shows of its trunk.
type TrunkDetails struct {
	TrunkID  string
	SubPorts []SubPortDetails
}

// SubPortDetails is a sub port as its parent shows it.
type SubPortDetails struct {
	model.SubPort
	MAC model.MAC
}

// trunkDetails gives what a port shows of the trunk that it is the parent of;
// nil for others.
func trunkDetails(r records.Reader, port string) *TrunkDetails {
	trunk, ok := TrunkOf(r, port)
	if !ok || trunk.PortID != port {
		return nil
	}
	d := &TrunkDetails{TrunkID: trunk.ID, SubPorts: make([]SubPortDetails, 0, len(trunk.SubPorts))}
	for _, sub := range trunk.SubPorts {
		details := SubPortDetails{SubPort: sub}
		if p, ok := records.Ports.Get(r, sub.PortID); ok {
			details.MAC = p.MAC
		}
		d.SubPorts = append(d.SubPorts, details)
	}
	return d
}
