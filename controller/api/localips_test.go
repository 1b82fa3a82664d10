package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestLocalIPs(t *testing.T) {
	s := newSite(t)
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	s.made("empty", "networks", "network", `{}`)
	s.guest("guest", "10.0.0.9")
	s.made("two", "ports", "port", `{"network_id": "$net", "fixed_ips": [{"ip_address": "10.0.0.20"}, {"ip_address": "10.0.1.20"}]}`)
	s.made("bare", "ports", "port", `{"network_id": "$net", "fixed_ips": []}`)
	of := s.made("of", "local_ips", "local_ip", `{"local_port_id": "$guest", "name": "n", "description": "d", "ip_mode": "passthrough"}`)
	if fmt.Sprintf("%v %v %v", of["local_ip_address"], of["network_id"], of["ip_mode"]) != "10.0.0.9 "+s.names["net"]+" passthrough" {
		t.Errorf("local IP %v", of)
	}
	on := s.made("on", "local_ips", "local_ip", `{"network_id": "$net", "local_ip_address": "10.0.0.50"}`)
	s.names["port"] = on["local_port_id"].(string)
	if on["local_ip_address"] != "10.0.0.50" || s.do(200, "GET ports/$port", "")["device_owner"] != "network:local_ip" {
		t.Errorf("local IP %v", on)
	}
	s.made("second", "local_ips", "local_ip", `{"local_port_id": "$two", "local_ip_address": "10.0.1.20"}`)
	post := func(members string) refusal {
		return refusal{"POST local_ips", `{"local_ip": {` + members + `}}`, 0, ""}
	}
	refusing := func(f refusal, status int, kind string) refusal {
		f.status, f.kind = status, kind
		return f
	}
	associate := func(members string) string { return `{"port_association": {` + members + `}}` }
	s.refused(t, map[string]refusal{
		"nothing":                  refusing(post(``), 400, "LocalIPPortOrNetworkRequired"),
		"a port that is none":      refusing(post(`"local_port_id": "$none"`), 400, "BadRequest"),
		"a network that is none":   refusing(post(`"network_id": "$none"`), 404, "NetworkNotFound"),
		"a network without IPv4":   refusing(post(`"network_id": "$empty"`), 400, "BadRequest"),
		"an address in use":        refusing(post(`"network_id": "$net", "local_ip_address": "10.0.0.9"`), 409, "IpAddressAlreadyAllocated"),
		"a port without addresses": refusing(post(`"local_port_id": "$bare"`), 400, "LocalIPNoIP"),
		"a port with two":          refusing(post(`"local_port_id": "$two"`), 400, "LocalIPNoRequestedIP"),
		"another address":          refusing(post(`"local_port_id": "$guest", "local_ip_address": "10.0.0.10"`), 400, "LocalIPRequestedIPNotFound"),
		"a mode that is none":      refusing(post(`"local_port_id": "$guest", "ip_mode": "x"`), 400, "HTTPBadRequest"),
		"another port":             {"PUT local_ips/$of", `{"local_ip": {"local_port_id": "$two"}}`, 400, "HTTPBadRequest"},
		"the port's end":           {"DELETE ports/$guest", ``, 409, "ServicePortInUse"},
		"its own port's end":       {"DELETE ports/$port", ``, 409, "ServicePortInUse"},
		"one that is none":         {"GET local_ips/$none", ``, 404, "LocalIPNotFound"},
		"an association":           {"POST local_ips/$of/port_associations", associate(`"fixed_port_id": "$guest"`), 409, "LocalIPAssociationNotSupported"},
		"with no port":             {"POST local_ips/$of/port_associations", associate(`"fixed_port_id": "$none"`), 400, "BadRequest"},
		"with another address":     {"POST local_ips/$of/port_associations", associate(`"fixed_port_id": "$guest", "fixed_ip": "10.0.0.1"`), 400, "LocalIPRequestedIPNotFound"},
		"with one of two":          {"POST local_ips/$of/port_associations", associate(`"fixed_port_id": "$two"`), 400, "LocalIPNoRequestedIP"},
		"with something else":      {"POST local_ips/$of/port_associations", associate(`"fixed_port_id": "$two", "x": 1`), 400, "HTTPBadRequest"},
		"an association of none":   {"GET local_ips/$none/port_associations", ``, 404, "LocalIPNotFound"},
		"one that is not there":    {"DELETE local_ips/$of/port_associations/$guest", ``, 404, "LocalIPAssociationNotFound"},
	})
	if text := s.message("POST local_ips/$of/port_associations", associate(`"fixed_port_id": "$guest"`)); !strings.Contains(text, "hosts do not translate local IPs yet") {
		t.Errorf("the refusal says %q", text)
	}
	if got := s.list(s.in("local_ips/$of/port_associations"), "port_associations"); len(got) != 0 {
		t.Errorf("associations %v", got)
	}
	if got := s.do(200, "PUT local_ips/$of", `{"local_ip": {"name": "m"}}`); got["name"] != "m" || fmt.Sprint(got["revision_number"]) != "1" {
		t.Errorf("local IP %v", got)
	}
	if got := s.list("local_ips?ip_mode=passthrough&name=m", "local_ips"); len(got) != 1 {
		t.Errorf("list %v", got)
	}
	s.do(204, "DELETE local_ips/$on", "")
	s.do(404, "GET ports/$port", "")
	s.do(204, "DELETE local_ips/$of", "")
	s.do(204, "DELETE ports/$guest", "")
}

func TestLocalIPsBelongToProjects(t *testing.T) {
	s := &site{rightsCloud(t), map[string]string{}}
	one, two, reader := as("p1", "member"), as("p2", "member"), as("p1", "reader")
	post := func(who []string, status int, path, key, members string) map[string]any {
		t.Helper()
		return s.must(status, "POST", "/v2.0/"+path, s.in(`{"`+key+`": {`+members+`}}`), who...)
	}
	s.names["net"] = id(post(one, 201, "networks", "network", ``))
	post(one, 201, "subnets", "subnet", `"network_id": "$net", "ip_version": 4, "cidr": "10.0.0.0/24"`)
	s.names["port"] = id(post(one, 201, "ports", "port", `"network_id": "$net"`))
	post(two, 400, "local_ips", "local_ip", `"local_port_id": "$port"`)
	post(two, 404, "local_ips", "local_ip", `"network_id": "$net"`)
	post(reader, 403, "local_ips", "local_ip", `"network_id": "$net"`)
	s.names["ip"] = id(post(one, 201, "local_ips", "local_ip", `"network_id": "$net"`))
	s.must(404, "GET", s.in("/v2.0/local_ips/$ip"), nil, two...)
	s.must(200, "GET", s.in("/v2.0/local_ips/$ip"), nil, reader...)
	s.must(403, "POST", s.in("/v2.0/local_ips/$ip/port_associations"), s.in(`{"port_association": {"fixed_port_id": "$port"}}`), reader...)
	s.must(204, "DELETE", s.in("/v2.0/local_ips/$ip"), nil, one...)
}
