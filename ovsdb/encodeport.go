package ovsdb

import (
	"errors"
	"fmt"
	"maps"

	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
)

func (o EnsurePort) encode(e *encoder) error {
	if err := checkName("port", o.Name); err != nil {
		return err
	}
	if err := checkTag(o.Tag); err != nil {
		return err
	}
	if !known(e, "Port", o.Name, e.have.Ports) {
		if err := checkName("bridge of port "+o.Name, o.Bridge); err != nil {
			return err
		}
		o.insert(e)
		return nil
	}
	changes := o.interfaceChanges(e)
	e.merge("Interface", o.Name, mapChange{
		column: "external_ids", have: e.have.Interfaces[o.Name].ExternalIDs, set: o.ExternalIDs,
	})
	e.update("Interface", o.Name, changes)
	port := e.have.Ports[o.Name]
	e.merge("Port", o.Name,
		mapChange{column: "external_ids", have: port.ExternalIDs, set: o.PortExternalIDs},
		mapChange{column: "other_config", have: port.OtherConfig, set: o.OtherConfig})
	if o.Tag != 0 {
		return SetPortTag{Port: o.Name, Tag: o.Tag}.encode(e)
	}
	return nil
}

func (o EnsurePort) interfaceChanges(e *encoder) wire.Row {
	have := e.have.Interfaces[o.Name]
	trust := !e.touched[key("Interface", o.Name)] && !e.made[key("Interface", o.Name)]
	row := wire.Row{}
	if o.Type != "" && (!trust || o.Type != have.Type) {
		row["type"] = o.Type
	}
	if o.Options != nil && (!trust || !maps.Equal(o.Options, have.Options)) {
		row["options"] = ovsMap(o.Options)
	}
	if o.MTURequest != 0 && (!trust || o.MTURequest != have.MTURequest) {
		row["mtu_request"] = o.MTURequest
	}
	return row
}

func (o EnsurePort) insert(e *encoder) {
	e.requireBridge(o.Bridge)
	iface := wire.Row{"name": o.Name}
	if o.Type != "" {
		iface["type"] = o.Type
	}
	if len(o.Options) > 0 {
		iface["options"] = ovsMap(o.Options)
	}
	if len(o.ExternalIDs) > 0 {
		iface["external_ids"] = ovsMap(o.ExternalIDs)
	}
	if o.MTURequest != 0 {
		iface["mtu_request"] = o.MTURequest
	}
	if o.OFPortRequest != 0 {
		iface["ofport_request"] = o.OFPortRequest
	}
	if o.MAC != "" {
		iface["mac"] = o.MAC
	}
	port := wire.Row{"name": o.Name, "interfaces": ovsSet([]wire.UUID{e.insert("Interface", iface)})}
	if len(o.PortExternalIDs) > 0 {
		port["external_ids"] = ovsMap(o.PortExternalIDs)
	}
	if len(o.OtherConfig) > 0 {
		port["other_config"] = ovsMap(o.OtherConfig)
	}
	if o.Tag != 0 {
		port["tag"] = o.Tag
	}
	e.join(o.Bridge, e.insert("Port", port))
	e.made[key("Port", o.Name)], e.made[key("Interface", o.Name)] = true, true
}

func (o MovePort) encode(e *encoder) error {
	have, ok := e.have.Ports[o.Name]
	if !ok {
		return ErrNoRow
	}
	e.requireBridge(o.Bridge)
	port := wire.UUID{GoUUID: have.UUID}
	e.leave("", port)
	e.join(o.Bridge, port)
	return nil
}

func (o DeletePort) encode(e *encoder) error {
	if e.made[key("Port", o.Name)] {
		return errors.New("made and deleted in one transaction")
	}
	if have, ok := e.have.Ports[o.Name]; ok {
		e.leave(o.Bridge, wire.UUID{GoUUID: have.UUID})
	}
	return nil
}

func (o SetPortTag) encode(e *encoder) error {
	if err := checkTag(o.Tag); err != nil {
		return err
	}
	if !known(e, "Port", o.Port, e.have.Ports) {
		return ErrNoRow
	}
	trust := !e.touched[key("Port", o.Port)] && !e.made[key("Port", o.Port)]
	if trust && e.have.Ports[o.Port].Tag == o.Tag {
		return nil
	}
	var tag []int
	if o.Tag != 0 {
		tag = []int{o.Tag}
	}
	e.update("Port", o.Port, wire.Row{"tag": ovsSet(tag)})
	return nil
}

func checkTag(tag int) error {
	if tag < 0 || tag > 4095 {
		return fmt.Errorf("tag %d is not between 0 and 4095", tag)
	}
	return nil
}

func (o SetPort) encode(e *encoder) error {
	if !known(e, "Port", o.Name, e.have.Ports) {
		return ErrNoRow
	}
	have := e.have.Ports[o.Name]
	e.merge("Port", o.Name,
		mapChange{column: "external_ids", have: have.ExternalIDs, set: o.ExternalIDs, remove: o.RemoveExternalIDs},
		mapChange{column: "other_config", have: have.OtherConfig, set: o.OtherConfig, remove: o.RemoveOtherConfig})
	return nil
}

func (o SetInterface) encode(e *encoder) error {
	if !known(e, "Interface", o.Name, e.have.Interfaces) {
		return ErrNoRow
	}
	have := e.have.Interfaces[o.Name]
	e.merge("Interface", o.Name, mapChange{
		column: "external_ids", have: have.ExternalIDs, set: o.ExternalIDs, remove: o.RemoveExternalIDs,
	})
	if o.MTURequest != 0 && o.MTURequest != have.MTURequest {
		e.update("Interface", o.Name, wire.Row{"mtu_request": o.MTURequest})
	}
	return nil
}
