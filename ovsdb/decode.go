package ovsdb

import (
	"fmt"
	"math"
	"slices"
)

// The monitored columns. Columns that ovs-vswitchd rewrites every few seconds
// (statistics, status) and Bridge.ports are left out.
var monitoredColumns = map[string][]string{
	"Open_vSwitch": {"ovs_version", "db_version", "external_ids", "other_config", "next_cfg", "cur_cfg"},
	"Bridge": {
		"name", "datapath_id", "datapath_type", "fail_mode", "protocols",
		"external_ids", "other_config", "controller", "flow_tables",
	},
	"Controller": {"target", "connection_mode", "is_connected", "max_backoff", "inactivity_probe", "external_ids"},
	"Flow_Table": {"name", "external_ids"},
	"Port":       {"name", "tag", "external_ids", "other_config", "interfaces"},
	"Interface": {
		"name", "type", "ofport", "error", "external_ids", "options",
		"mac_in_use", "mtu", "mtu_request",
	},
}

// rowUpdate is what happened to one row. Row is the whole new row, nil when it
// was deleted.
type rowUpdate struct {
	UUID string
	Row  map[string]any
}

// tableUpdates is table → what happened to its rows.
type tableUpdates map[string][]rowUpdate

// decodeUpdates reads <table-updates> (RFC 7047, section 4.1.6). Values that
// are no table, row or row update make an error; columns are looked at later.
func decodeUpdates(v any) (tableUpdates, error) {
	tables, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("decode table updates: %T is no object", v)
	}
	out := make(tableUpdates, len(tables))
	for table, v := range tables {
		rows, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("decode update of table %s: %T is no object", table, v)
		}
		list := make([]rowUpdate, 0, len(rows))
		for uuid, v := range rows {
			change, ok := v.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("decode update of row %s in table %s: %T is no object", uuid, table, v)
			}
			u := rowUpdate{UUID: uuid}
			if v := change["new"]; v != nil {
				if u.Row, ok = v.(map[string]any); !ok {
					return nil, fmt.Errorf("decode update of row %s in table %s: %T is no row", uuid, table, v)
				}
			}
			list = append(list, u)
		}
		out[table] = list
	}
	return out, nil
}

// rowReader takes typed values out of a row of JSON values (RFC 7047, section
// 5.1). A column that is absent reads as its default. The first value of a
// wrong type is remembered; later reads go on and give defaults.
type rowReader struct {
	row map[string]any
	err error
}

func (r *rowReader) bad(column string, v any) {
	if r.err == nil {
		r.err = fmt.Errorf("column %s: unexpected %.100s", column, fmt.Sprintf("%T %v", v, v))
	}
}

// set gives the members of a set column. An atom is a set of one.
func (r *rowReader) set(column string) []any {
	v, ok := r.row[column]
	if !ok || v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return []any{v}
	}
	if len(list) == 2 && list[0] == "set" {
		members, ok := list[1].([]any)
		if !ok {
			r.bad(column, v)
		}
		return members
	}
	return []any{v} // ["uuid", …]
}

// one gives the value of a column that holds at most one; nil when empty.
func (r *rowReader) one(column string) any {
	members := r.set(column)
	if len(members) > 1 {
		r.bad(column, r.row[column])
		return nil
	}
	if len(members) == 0 {
		return nil
	}
	return members[0]
}

func (r *rowReader) str(column string) string {
	v := r.one(column)
	s, ok := v.(string)
	if !ok && v != nil {
		r.bad(column, v)
	}
	return s
}

func (r *rowReader) boolean(column string) bool {
	v := r.one(column)
	b, ok := v.(bool)
	if !ok && v != nil {
		r.bad(column, v)
	}
	return b
}

// integer gives absent when the column is an empty set.
func (r *rowReader) integer(column string, absent int) int {
	v := r.one(column)
	if v == nil {
		return absent
	}
	n, ok := asInt(v)
	if !ok {
		r.bad(column, v)
	}
	return n
}

func asInt(v any) (int, bool) {
	f, ok := v.(float64)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int(f), true
}

func (r *rowReader) strs(column string) []string {
	members := r.set(column)
	if len(members) == 0 {
		return nil
	}
	out := make([]string, 0, len(members))
	for _, v := range members {
		s, ok := v.(string)
		if !ok {
			r.bad(column, v)
			continue
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// uuids gives the rows that a reference column points at, in their order.
func (r *rowReader) uuids(column string) []string {
	members := r.set(column)
	if len(members) == 0 {
		return nil
	}
	out := make([]string, 0, len(members))
	for _, v := range members {
		id, ok := asUUID(v)
		if !ok {
			r.bad(column, v)
			continue
		}
		out = append(out, id)
	}
	return out
}

func asUUID(v any) (string, bool) {
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 || pair[0] != "uuid" {
		return "", false
	}
	id, ok := pair[1].(string)
	return id, ok
}

// pairs calls f for every key and value of a map column.
func (r *rowReader) pairs(column string, f func(key, value any) bool) {
	v, ok := r.row[column]
	if !ok || v == nil {
		return
	}
	list, ok := v.([]any)
	if !ok || len(list) != 2 || list[0] != "map" {
		r.bad(column, v)
		return
	}
	members, ok := list[1].([]any)
	if !ok {
		r.bad(column, v)
		return
	}
	for _, m := range members {
		pair, ok := m.([]any)
		if !ok || len(pair) != 2 || !f(pair[0], pair[1]) {
			r.bad(column, m)
		}
	}
}

func (r *rowReader) strMap(column string) map[string]string {
	var out map[string]string
	r.pairs(column, func(key, value any) bool {
		k, ok1 := key.(string)
		v, ok2 := value.(string)
		if !ok1 || !ok2 {
			return false
		}
		if out == nil {
			out = make(map[string]string)
		}
		out[k] = v
		return true
	})
	return out
}

func (r *rowReader) intRefs(column string) map[int]string {
	var out map[int]string
	r.pairs(column, func(key, value any) bool {
		k, ok1 := asInt(key)
		v, ok2 := asUUID(value)
		if !ok1 || !ok2 {
			return false
		}
		if out == nil {
			out = make(map[int]string)
		}
		out[k] = v
		return true
	})
	return out
}
