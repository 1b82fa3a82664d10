package ovsdb

import (
	"errors"
	"maps"
	"slices"

	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
)

func (o EnsureBridge) encode(e *encoder) error {
	if err := checkName("bridge", o.Name); err != nil {
		return err
	}
	if !known(e, "Bridge", o.Name, e.have.Bridges) {
		o.insert(e)
		return nil
	}
	have := e.have.Bridges[o.Name]
	trust := !e.touched[key("Bridge", o.Name)] && !e.made[key("Bridge", o.Name)]
	row := wire.Row{}
	if o.DatapathType != "" && (!trust || o.DatapathType != have.DatapathType) {
		row["datapath_type"] = o.DatapathType
	}
	if o.FailMode != "" && (!trust || o.FailMode != have.FailMode) {
		row["fail_mode"] = o.FailMode
	}
	protocols := slices.Sorted(slices.Values(o.Protocols))
	if o.Protocols != nil && (!trust || !slices.Equal(protocols, have.Protocols)) {
		row["protocols"] = ovsSet(protocols)
	}
	// The maps are compared first: an update would make the copy untrusted.
	e.merge("Bridge", o.Name,
		mapChange{column: "other_config", have: have.OtherConfig, set: o.OtherConfig},
		mapChange{column: "external_ids", have: have.ExternalIDs, set: o.ExternalIDs, remove: o.RemoveExternalIDs})
	e.update("Bridge", o.Name, row)
	return nil
}

// insert makes the bridge and its local port, as `ovs-vsctl add-br` does.
func (o EnsureBridge) insert(e *encoder) {
	owner := ownerOnly(o.ExternalIDs)
	iface := e.insert("Interface", wire.Row{"name": o.Name, "type": "internal", "external_ids": ovsMap(owner)})
	port := e.insert("Port", wire.Row{
		"name": o.Name, "interfaces": ovsSet([]wire.UUID{iface}), "external_ids": ovsMap(owner),
	})
	row := wire.Row{
		"name": o.Name, "ports": ovsSet([]wire.UUID{port}),
		"other_config": ovsMap(o.OtherConfig), "external_ids": ovsMap(o.ExternalIDs),
	}
	if o.DatapathType != "" {
		row["datapath_type"] = o.DatapathType
	}
	if o.FailMode != "" {
		row["fail_mode"] = o.FailMode
	}
	if len(o.Protocols) > 0 {
		row["protocols"] = ovsSet(o.Protocols)
	}
	bridge := e.insert("Bridge", row)
	e.addMust(wire.Operation{
		Op: wire.OperationMutate, Table: "Open_vSwitch", Where: byUUID(e.have.OpenVSwitch.UUID),
		Mutations: []wire.Mutation{{Column: "bridges", Mutator: wire.MutateOperationInsert, Value: ovsSet([]wire.UUID{bridge})}},
	})
	e.made[key("Bridge", o.Name)], e.made[key("Port", o.Name)], e.made[key("Interface", o.Name)] = true, true, true
}

// ownerOnly picks the owner mark out of a bridge's external_ids, for the rows
// that come with it.
func ownerOnly(ids map[string]string) map[string]string {
	if v, ok := ids[OwnerKey]; ok {
		return map[string]string{OwnerKey: v}
	}
	return nil
}

func (o DeleteBridge) encode(e *encoder) error {
	if e.made[key("Bridge", o.Name)] {
		return errors.New("made and deleted in one transaction")
	}
	have, ok := e.have.Bridges[o.Name]
	if !ok {
		return nil
	}
	e.add(wire.Operation{
		Op: wire.OperationMutate, Table: "Open_vSwitch", Where: byUUID(e.have.OpenVSwitch.UUID),
		Mutations: []wire.Mutation{{
			Column: "bridges", Mutator: wire.MutateOperationDelete, Value: ovsSet([]wire.UUID{{GoUUID: have.UUID}}),
		}},
	})
	return nil
}

func (o SetBridgeExternalIDs) encode(e *encoder) error {
	if !known(e, "Bridge", o.Bridge, e.have.Bridges) {
		return ErrNoRow
	}
	e.merge("Bridge", o.Bridge, mapChange{
		column: "external_ids", have: e.have.Bridges[o.Bridge].ExternalIDs, set: o.Set, remove: o.Remove,
	})
	return nil
}

// rootRow is the name under which the one Open_vSwitch row is known to an encoder.
const rootRow = "."

func (o SetRoot) encode(e *encoder) error {
	have := e.have.OpenVSwitch
	if have.UUID == "" {
		return ErrNoRow
	}
	e.mergeWhere("Open_vSwitch", rootRow, byUUID(have.UUID),
		mapChange{column: "other_config", have: have.OtherConfig, set: o.OtherConfig, remove: o.RemoveOtherConfig},
		mapChange{column: "external_ids", have: have.ExternalIDs, set: o.ExternalIDs, remove: o.RemoveExternalIDs})
	return nil
}

func (o SetController) encode(e *encoder) error {
	if !known(e, "Bridge", o.Bridge, e.have.Bridges) {
		return ErrNoRow
	}
	have := e.have.Bridges[o.Bridge]
	i := slices.IndexFunc(have.Controllers, func(c Controller) bool { return c.Target == o.Target })
	if i < 0 {
		row := wire.Row{"target": o.Target, "connection_mode": "out-of-band", "external_ids": ovsMap(o.ExternalIDs)}
		if o.MaxBackoff != 0 {
			row["max_backoff"] = o.MaxBackoff
		}
		row["inactivity_probe"] = o.InactivityProbe
		fresh := e.insert("Controller", row)
		e.update("Bridge", o.Bridge, wire.Row{"controller": ovsSet([]wire.UUID{fresh})})
		return nil
	}
	c := have.Controllers[i]
	row := wire.Row{}
	if c.ConnectionMode != "out-of-band" {
		row["connection_mode"] = "out-of-band"
	}
	if o.MaxBackoff != 0 && c.MaxBackoff != o.MaxBackoff {
		row["max_backoff"] = o.MaxBackoff
	}
	if c.InactivityProbe != o.InactivityProbe {
		row["inactivity_probe"] = o.InactivityProbe
	}
	if !includes(c.ExternalIDs, o.ExternalIDs) {
		merged := maps.Clone(o.ExternalIDs)
		for k, v := range c.ExternalIDs {
			if _, ok := merged[k]; !ok {
				merged[k] = v
			}
		}
		row["external_ids"] = ovsMap(merged)
	}
	if len(row) > 0 {
		e.addMust(wire.Operation{Op: wire.OperationUpdate, Table: "Controller", Where: byUUID(c.UUID), Row: row})
	}
	if len(have.Controllers) > 1 {
		e.update("Bridge", o.Bridge, wire.Row{"controller": ovsSet([]wire.UUID{{GoUUID: c.UUID}})})
	}
	return nil
}

// includes reports whether all of part is in whole.
func includes(whole, part map[string]string) bool {
	for k, v := range part {
		if w, ok := whole[k]; !ok || w != v {
			return false
		}
	}
	return true
}

func (o SetFlowTables) encode(e *encoder) error {
	if !known(e, "Bridge", o.Bridge, e.have.Bridges) {
		return ErrNoRow
	}
	have := e.have.Bridges[o.Bridge].FlowTables
	rows, changed := map[any]any{}, false
	for _, n := range slices.Sorted(maps.Keys(o.Names)) {
		row, ok := have[n]
		if !ok {
			rows[n] = e.insert("Flow_Table", wire.Row{
				"name": ovsSet([]string{o.Names[n]}), "external_ids": ovsMap(o.ExternalIDs),
			})
			changed = true
			continue
		}
		rows[n] = wire.UUID{GoUUID: row.UUID}
		if row.Name != o.Names[n] {
			e.addMust(wire.Operation{
				Op: wire.OperationUpdate, Table: "Flow_Table", Where: byUUID(row.UUID),
				Row: wire.Row{"name": ovsSet([]string{o.Names[n]})},
			})
		}
	}
	for n, row := range have {
		if _, ok := o.Names[n]; ok {
			continue
		}
		if _, ours := row.ExternalIDs[OwnerKey]; ours {
			changed = true
			continue
		}
		rows[n] = wire.UUID{GoUUID: row.UUID}
	}
	if changed {
		e.update("Bridge", o.Bridge, wire.Row{"flow_tables": wire.OvsMap{GoMap: rows}})
	}
	return nil
}
