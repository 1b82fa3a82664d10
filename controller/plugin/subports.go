package plugin

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// SubPortSpec is a sub port as a request has it. Type and ID are as they were
// given; SegmentationInherit takes both from the port's network.
type SubPortSpec struct {
	PortID string
	Type   string // "" when it was not given
	ID     *int   // nil when it was not given
}

// SegmentationInherit is the segmentation type of a sub port that has the
// segmentation of its network.
const SegmentationInherit = "inherit"

// segmentationVLAN is the only other segmentation type.
const segmentationVLAN = "vlan"

// The VLAN ids that a sub port may have (IEEE 802.1Q).
const (
	minVLAN = 1
	maxVLAN = 4094
)

// AddSubPorts adds sub ports to a trunk: all of them or none.
func (p *Plugin) AddSubPorts(c Call, u *records.Update, before *model.Trunk, subs []SubPortSpec) error {
	trunk := *before
	trunk.SubPorts = slices.Clone(before.SubPorts)
	if err := manageable(before); err != nil {
		return err
	}
	if err := p.addSubPorts(c, u, &trunk, subs); err != nil {
		return err
	}
	p.touch(&trunk.Meta)
	records.Trunks.Put(u, &trunk)
	return nil
}

// addSubPorts adds sub ports to a trunk that is not stored yet.
func (p *Plugin) addSubPorts(c Call, u *records.Update, trunk *model.Trunk, subs []SubPortSpec) error {
	if len(subs) == 0 {
		return nil
	}
	parent, ok := records.Ports.Get(u, trunk.PortID)
	if !ok {
		return NotFound("Port", "Port", trunk.PortID)
	}
	if hasHost(parent) {
		return Conflict("ParentPortInUse", "Port %s is bound to host %s: its trunk %s cannot have subports, which hosts do not wire yet.", parent.ID, parent.Host, trunk.ID)
	}
	for _, s := range subs {
		sub, err := p.subPortOf(c, u, parent, trunk, s)
		if err != nil {
			return err
		}
		trunk.SubPorts = append(trunk.SubPorts, sub)
	}
	return nil
}

// subPortOf makes a port a sub port of a trunk.
func (p *Plugin) subPortOf(c Call, u *records.Update, parent *model.Port, trunk *model.Trunk, s SubPortSpec) (model.SubPort, error) {
	if s.PortID == parent.ID {
		return model.SubPort{}, Conflict("ParentPortInUse", "Port %s is the parent port of the trunk and is not eligible as its subport.", s.PortID)
	}
	port, err := p.trunkablePort(c, u, s.PortID)
	if err != nil {
		return model.SubPort{}, err
	}
	network, ok := records.Networks.Get(u.Peek(), port.NetworkID)
	if !ok {
		return model.SubPort{}, NotFound("Network", "Network", port.NetworkID)
	}
	if above, ok := records.Networks.Get(u.Peek(), parent.NetworkID); ok && network.MTU > above.MTU {
		return model.SubPort{}, Conflict("SubPortMtuGreaterThanTrunkPortMtu",
			"MTU %d of subport %s cannot be greater than MTU %d of trunk %s.", network.MTU, port.ID, above.MTU, trunk.ID)
	}
	sub, err := segmentation(network, s)
	if err != nil {
		return sub, err
	}
	if err := checkFree(port); err != nil {
		return sub, err
	}
	same := func(o model.SubPort) bool {
		return o.SegmentationType == sub.SegmentationType && o.SegmentationID == sub.SegmentationID
	}
	if slices.ContainsFunc(trunk.SubPorts, same) {
		return sub, Conflict("DuplicateSubPort", "segmentation_type %s and segmentation_id %d already in use on trunk %s.",
			sub.SegmentationType, sub.SegmentationID, trunk.ID)
	}
	return sub, p.joinTrunk(u, port, trunk.ID)
}

// segmentation works out the tag of a sub port.
func segmentation(n *model.Network, s SubPortSpec) (model.SubPort, error) {
	if s.Type == SegmentationInherit {
		id := int(n.Segment.ID)
		s.Type, s.ID = string(n.Segment.Type), &id
	}
	switch {
	case s.Type == "" || s.ID == nil:
		return model.SubPort{}, InvalidInput("Invalid subport details of port %s: both segmentation_id and segmentation_type must be specified", s.PortID)
	case s.Type != segmentationVLAN:
		return model.SubPort{}, InvalidInput("Unknown segmentation_type '%s' of subport %s", s.Type, s.PortID)
	case *s.ID < minVLAN || *s.ID > maxVLAN:
		return model.SubPort{}, InvalidInput("Segmentation ID '%d' of subport %s is not in range", *s.ID, s.PortID)
	}
	return model.SubPort{PortID: s.PortID, SegmentationType: s.Type, SegmentationID: *s.ID}, nil
}

// checkFree refuses as sub ports ports that something else uses.
func checkFree(port *model.Port) error {
	switch {
	case port.DeviceID != "":
		return Conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.",
			port.ID, port.NetworkID, port.DeviceID)
	case hasHost(port):
		return Conflict("PortInUse", "Port %s is bound to host %s and cannot become a subport: hosts do not wire sub ports yet.", port.ID, port.Host)
	}
	return nil
}

// RemoveSubPorts takes sub ports out of a trunk: all of them or none.
func (p *Plugin) RemoveSubPorts(u *records.Update, before *model.Trunk, ports []string) error {
	if err := manageable(before); err != nil {
		return err
	}
	trunk := *before
	trunk.SubPorts = slices.Clone(before.SubPorts)
	for _, id := range ports {
		at := slices.IndexFunc(trunk.SubPorts, func(s model.SubPort) bool { return s.PortID == id })
		if at < 0 {
			return NotFoundAs("SubPortNotFound", "SubPort %s on trunk %s could not be found.", id, trunk.ID)
		}
		trunk.SubPorts = slices.Delete(trunk.SubPorts, at, at+1)
		p.leaveTrunk(u, id)
	}
	if len(ports) > 0 {
		p.touch(&trunk.Meta)
		records.Trunks.Put(u, &trunk)
	}
	return nil
}
