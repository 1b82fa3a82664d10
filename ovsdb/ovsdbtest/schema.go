package ovsdbtest

import (
	"encoding/json"
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/model"
	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
)

const databaseName = "Open_vSwitch"

// schemaText holds the columns of ovs-vswitchd.conf.db(5), schema 8.3.1, that
// Lepton reads or writes.
const schemaText = `{
"name": "Open_vSwitch", "version": "8.3.1", "tables": {
 "Open_vSwitch": {"isRoot": true, "maxRows": 1, "columns": {
  "bridges": {"type": {"key": {"type": "uuid", "refTable": "Bridge"}, "min": 0, "max": "unlimited"}},
  "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
  "other_config": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
  "next_cfg": {"type": "integer"},
  "cur_cfg": {"type": "integer"},
  "ovs_version": {"type": {"key": "string", "min": 0, "max": 1}},
  "db_version": {"type": {"key": "string", "min": 0, "max": 1}}}},
 "Bridge": {"indexes": [["name"]], "columns": {
  "name": {"type": "string", "mutable": false},
  "datapath_type": {"type": "string"},
  "datapath_id": {"type": {"key": "string", "min": 0, "max": 1}},
  "ports": {"type": {"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"}},
  "controller": {"type": {"key": {"type": "uuid", "refTable": "Controller"}, "min": 0, "max": "unlimited"}},
  "protocols": {"type": {"key": {"type": "string", "enum": ["set", ["OpenFlow10", "OpenFlow11",
    "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"]]}, "min": 0, "max": "unlimited"}},
  "fail_mode": {"type": {"key": {"type": "string", "enum": ["set", ["standalone", "secure"]]}, "min": 0, "max": 1}},
  "other_config": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
  "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
  "flow_tables": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 254},
    "value": {"type": "uuid", "refTable": "Flow_Table"}, "min": 0, "max": "unlimited"}}}},
 "Port": {"indexes": [["name"]], "columns": {
  "name": {"type": "string", "mutable": false},
  "interfaces": {"type": {"key": {"type": "uuid", "refTable": "Interface"}, "min": 1, "max": "unlimited"}},
  "tag": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 4095}, "min": 0, "max": 1}},
  "other_config": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
  "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}},
 "Interface": {"indexes": [["name"]], "columns": {
  "name": {"type": "string", "mutable": false},
  "type": {"type": "string"},
  "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
  "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
  "mac": {"type": {"key": "string", "min": 0, "max": 1}},
  "mac_in_use": {"type": {"key": "string", "min": 0, "max": 1}},
  "mtu": {"type": {"key": "integer", "min": 0, "max": 1}},
  "mtu_request": {"type": {"key": {"type": "integer", "minInteger": 1}, "min": 0, "max": 1}},
  "ofport": {"type": {"key": "integer", "min": 0, "max": 1}},
  "ofport_request": {"type": {"key": {"type": "integer", "minInteger": 1, "maxInteger": 65279}, "min": 0, "max": 1}},
  "error": {"type": {"key": "string", "min": 0, "max": 1}}}},
 "Controller": {"columns": {
  "target": {"type": "string"},
  "connection_mode": {"type": {"key": {"type": "string", "enum": ["set", ["in-band", "out-of-band"]]}, "min": 0, "max": 1}},
  "is_connected": {"type": "boolean"},
  "max_backoff": {"type": {"key": {"type": "integer", "minInteger": 1000}, "min": 0, "max": 1}},
  "inactivity_probe": {"type": {"key": "integer", "min": 0, "max": 1}},
  "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}},
 "Flow_Table": {"columns": {
  "name": {"type": {"key": "string", "min": 0, "max": 1}},
  "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}}}}`

type rootRow struct {
	UUID        string            `ovsdb:"_uuid"`
	Bridges     []string          `ovsdb:"bridges"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
	OtherConfig map[string]string `ovsdb:"other_config"`
	NextCfg     int               `ovsdb:"next_cfg"`
	CurCfg      int               `ovsdb:"cur_cfg"`
	OVSVersion  *string           `ovsdb:"ovs_version"`
	DBVersion   *string           `ovsdb:"db_version"`
}

type bridgeRow struct {
	UUID         string            `ovsdb:"_uuid"`
	Name         string            `ovsdb:"name"`
	DatapathType string            `ovsdb:"datapath_type"`
	DatapathID   *string           `ovsdb:"datapath_id"`
	Ports        []string          `ovsdb:"ports"`
	Controller   []string          `ovsdb:"controller"`
	Protocols    []string          `ovsdb:"protocols"`
	FailMode     *string           `ovsdb:"fail_mode"`
	OtherConfig  map[string]string `ovsdb:"other_config"`
	ExternalIDs  map[string]string `ovsdb:"external_ids"`
	FlowTables   map[int]string    `ovsdb:"flow_tables"`
}

type portRow struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Interfaces  []string          `ovsdb:"interfaces"`
	Tag         *int              `ovsdb:"tag"`
	OtherConfig map[string]string `ovsdb:"other_config"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type interfaceRow struct {
	UUID          string            `ovsdb:"_uuid"`
	Name          string            `ovsdb:"name"`
	Type          string            `ovsdb:"type"`
	Options       map[string]string `ovsdb:"options"`
	ExternalIDs   map[string]string `ovsdb:"external_ids"`
	MAC           *string           `ovsdb:"mac"`
	MACInUse      *string           `ovsdb:"mac_in_use"`
	MTU           *int              `ovsdb:"mtu"`
	MTURequest    *int              `ovsdb:"mtu_request"`
	OFPort        *int              `ovsdb:"ofport"`
	OFPortRequest *int              `ovsdb:"ofport_request"`
	Error         *string           `ovsdb:"error"`
}

type controllerRow struct {
	UUID            string            `ovsdb:"_uuid"`
	Target          string            `ovsdb:"target"`
	ConnectionMode  *string           `ovsdb:"connection_mode"`
	IsConnected     bool              `ovsdb:"is_connected"`
	MaxBackoff      *int              `ovsdb:"max_backoff"`
	InactivityProbe *int              `ovsdb:"inactivity_probe"`
	ExternalIDs     map[string]string `ovsdb:"external_ids"`
}

type flowTableRow struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        *string           `ovsdb:"name"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// databaseModel gives the row types and the schema that they are for.
func databaseModel() (model.ClientDBModel, wire.DatabaseSchema, error) {
	var schema wire.DatabaseSchema
	rows, err := model.NewClientDBModel(databaseName, map[string]model.Model{
		"Open_vSwitch": &rootRow{},
		"Bridge":       &bridgeRow{},
		"Port":         &portRow{},
		"Interface":    &interfaceRow{},
		"Controller":   &controllerRow{},
		"Flow_Table":   &flowTableRow{},
	})
	if err != nil {
		return rows, schema, fmt.Errorf("build row types: %w", err)
	}
	if err := json.Unmarshal([]byte(schemaText), &schema); err != nil {
		return rows, schema, fmt.Errorf("read schema: %w", err)
	}
	return rows, schema, nil
}
