package api

import (
	"fmt"
	"strings"
	"testing"
)

func logBody(members string) string { return `{"log": {` + members + `}}` }

func TestLogsComeAndGo(t *testing.T) {
	s := newSite(t)
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	s.made("web", "security-groups", "security_group", `{"name": "web"}`)
	s.made("other", "security-groups", "security_group", `{"name": "other"}`)
	s.made("port", "ports", "port", `{"network_id": "$net", "security_groups": ["$web"]}`)
	s.made("direct", "ports", "port", `{"network_id": "$net", "binding:vnic_type": "direct"}`)
	all := s.made("all", "log/logs", "log", `{"resource_type": "security_group", "name": "all"}`)
	if fmt.Sprintf("%v %v %v %v", all["event"], all["enabled"], all["resource_id"], all["target_id"]) != "ALL true <nil> <nil>" || all["created_at"] == nil {
		t.Errorf("log %v", all)
	}
	s.made("group", "log/logs", "log", `{"resource_type": "security_group", "resource_id": "$web", "event": "DROP", "enabled": false}`)
	s.made("target", "log/logs", "log", `{"resource_type": "security_group", "target_id": "$port", "event": "ACCEPT"}`)
	s.made("both", "log/logs", "log", `{"resource_type": "security_group", "resource_id": "$web", "target_id": "$port"}`)
	s.refused(t, map[string]refusal{
		"no type":                     {"POST log/logs", logBody(``), 400, "HTTPBadRequest"},
		"a type that is none":         {"POST log/logs", logBody(`"resource_type": "firewall_group"`), 400, "InvalidLogResourceType"},
		"an event that is none":       {"POST log/logs", logBody(`"resource_type": "security_group", "event": "drop"`), 400, "HTTPBadRequest"},
		"a group that is none":        {"POST log/logs", logBody(`"resource_type": "security_group", "resource_id": "$none"`), 404, "ResourceNotFound"},
		"a port that is none":         {"POST log/logs", logBody(`"resource_type": "security_group", "target_id": "$none"`), 404, "TargetResourceNotFound"},
		"a port in another group":     {"POST log/logs", logBody(`"resource_type": "security_group", "resource_id": "$other", "target_id": "$port"`), 400, "InvalidResourceConstraint"},
		"a port that passes by":       {"POST log/logs", logBody(`"resource_type": "security_group", "target_id": "$direct"`), 409, "LoggingTypeNotSupported"},
		"no UUID":                     {"POST log/logs", logBody(`"resource_type": "security_group", "target_id": "x"`), 400, "HTTPBadRequest"},
		"another event":               {"PUT log/logs/$all", logBody(`"event": "DROP"`), 400, "HTTPBadRequest"},
		"another group":               {"PUT log/logs/$all", logBody(`"resource_id": "$web"`), 400, "HTTPBadRequest"},
		"one that is none":            {"DELETE log/logs/$none", ``, 404, "LogResourceNotFound"},
		"a loggable resource to make": {"POST log/loggable-resources", `{"loggable_resource": {}}`, 405, "HTTPMethodNotAllowed"},
		"logs of nothing":             {"GET log", ``, 404, "HTTPNotFound"},
	})
	changed := s.do(200, "PUT log/logs/$group", logBody(`"enabled": true, "name": "g", "description": "d"`))
	if changed["enabled"] != true || changed["name"] != "g" || fmt.Sprint(changed["revision_number"]) != "1" {
		t.Errorf("changed %v", changed)
	}
	if got := s.list("log/logs?enabled=true&event=ALL", "logs"); len(got) != 2 {
		t.Errorf("list %v", got)
	}
	if got := s.list("log/loggable-resources", "loggable_resources"); len(got) != 1 || got[0]["type"] != "security_group" {
		t.Errorf("loggable %v", got)
	}
	// Logs go with what they are about.
	s.do(204, "DELETE ports/$port", "")
	if got := s.list("log/logs?sort_key=name", "logs"); len(got) != 2 || id(got[1]) != s.names["group"] {
		t.Errorf("after the port: %v", got)
	}
	s.do(204, "DELETE security-groups/$web", "")
	s.do(204, "DELETE log/logs/$all", "")
	if got := s.list("log/logs", "logs"); len(got) != 0 {
		t.Errorf("after the group: %v", got)
	}
	for key := range s.claims() {
		if strings.HasPrefix(key, "log/") {
			t.Errorf("%s is left", key)
		}
	}
}

func TestLogsAreForAdministrators(t *testing.T) {
	c := rightsCloud(t)
	admin, member := as("ops", "admin"), as("p1", "member")
	log := id(c.must(201, "POST", "/v2.0/log/logs", logBody(`"resource_type": "security_group", "project_id": "p1"`), admin...))
	c.must(404, "GET", "/v2.0/log/logs/"+log, nil, member...)
	c.must(403, "POST", "/v2.0/log/logs", logBody(`"resource_type": "security_group"`), member...)
	for path, key := range map[string]string{"logs": "logs", "loggable-resources": "loggable_resources"} {
		if _, out, _ := c.call("GET", "/v2.0/log/"+path, nil, member...); len(out[key].([]any)) != 0 {
			t.Errorf("%s: %v", path, out)
		}
	}
}
