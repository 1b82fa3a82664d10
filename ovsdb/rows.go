package ovsdb

import "maps"

// bridgeRow is a Bridge with its references still unresolved.
type bridgeRow struct {
	Bridge
	controllers []string
	flowTables  map[int]string
}

func decodeRoot(uuid string, r *rowReader) OpenVSwitch {
	return OpenVSwitch{
		UUID:        uuid,
		OVSVersion:  r.str("ovs_version"),
		DBVersion:   r.str("db_version"),
		ExternalIDs: r.strMap("external_ids"),
		OtherConfig: r.strMap("other_config"),
		NextCfg:     r.integer("next_cfg", 0),
		CurCfg:      r.integer("cur_cfg", 0),
	}
}

func decodeBridge(uuid string, r *rowReader) bridgeRow {
	return bridgeRow{
		Bridge: Bridge{
			UUID:         uuid,
			Name:         r.str("name"),
			DatapathID:   r.str("datapath_id"),
			DatapathType: r.str("datapath_type"),
			FailMode:     r.str("fail_mode"),
			Protocols:    r.strs("protocols"),
			ExternalIDs:  r.strMap("external_ids"),
			OtherConfig:  r.strMap("other_config"),
		},
		controllers: r.uuids("controller"),
		flowTables:  r.intRefs("flow_tables"),
	}
}

func decodeController(uuid string, r *rowReader) Controller {
	return Controller{
		UUID:            uuid,
		Target:          r.str("target"),
		ConnectionMode:  r.str("connection_mode"),
		IsConnected:     r.boolean("is_connected"),
		MaxBackoff:      r.integer("max_backoff", -1),
		InactivityProbe: r.integer("inactivity_probe", -1),
		ExternalIDs:     r.strMap("external_ids"),
	}
}

func decodeFlowTable(uuid string, r *rowReader) FlowTable {
	return FlowTable{UUID: uuid, Name: r.str("name"), ExternalIDs: r.strMap("external_ids")}
}

// decodePort leaves the interfaces as UUIDs.
func decodePort(uuid string, r *rowReader) Port {
	return Port{
		UUID:        uuid,
		Name:        r.str("name"),
		Tag:         r.integer("tag", 0),
		OtherConfig: r.strMap("other_config"),
		ExternalIDs: r.strMap("external_ids"),
		Interfaces:  r.uuids("interfaces"),
	}
}

func decodeInterface(uuid string, r *rowReader) Interface {
	return Interface{
		UUID:        uuid,
		Name:        r.str("name"),
		Type:        r.str("type"),
		OFPort:      r.integer("ofport", 0),
		Error:       r.str("error"),
		ExternalIDs: r.strMap("external_ids"),
		Options:     r.strMap("options"),
		MACInUse:    r.str("mac_in_use"),
		MTU:         r.integer("mtu", 0),
		MTURequest:  r.integer("mtu_request", 0),
	}
}

// equalInterface tells a real change from a rewrite of the same values.
func equalInterface(a, b Interface) bool {
	return a.UUID == b.UUID && a.Name == b.Name && a.Type == b.Type && a.OFPort == b.OFPort && a.Error == b.Error &&
		a.MACInUse == b.MACInUse && a.MTU == b.MTU && a.MTURequest == b.MTURequest &&
		maps.Equal(a.ExternalIDs, b.ExternalIDs) && maps.Equal(a.Options, b.Options)
}
