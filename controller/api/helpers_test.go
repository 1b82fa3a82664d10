package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestConntrackHelpersOfARouter(t *testing.T) {
	s := newSite(t)
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	s.names["second"] = id(s.create("routers", "router", `{}`))
	const at = "routers/$router/conntrack_helpers"
	helper := func(members string) string { return `{"conntrack_helper": {` + members + `}}` }
	ftp := s.do(201, "POST "+at, helper(`"protocol": "TCP", "port": 21, "helper": "ftp"`))
	s.names["ftp"] = id(ftp)
	s.do(201, "POST "+at, helper(`"protocol": "udp", "port": 69, "helper": "tftp"`))
	if ftp["protocol"] != "tcp" || fmt.Sprint(ftp["port"]) != "21" || ftp["helper"] != "ftp" {
		t.Errorf("helper %v", ftp)
	}
	if got := s.do(200, "PUT "+at+"/$ftp", helper(`"port": 2121`)); fmt.Sprint(got["port"]) != "2121" || got["helper"] != "ftp" {
		t.Errorf("helper %v", got)
	}
	if got := s.do(200, "GET routers/$router", "")["conntrack_helpers"].([]any); len(got) != 2 {
		t.Errorf("the router has %v", got)
	}
	if got := s.list(s.in(at+"?protocol=udp"), "conntrack_helpers"); len(got) != 1 || got[0]["helper"] != "tftp" {
		t.Errorf("list %v", got)
	}
	for name, f := range map[string]struct {
		request, body string
		status        int
		kind          string
	}{
		"the same again":          {"POST " + at, helper(`"protocol": "udp", "port": 69, "helper": "tftp"`), 400, "BadRequest"},
		"a helper that is none":   {"POST " + at, helper(`"protocol": "udp", "port": 69, "helper": "x"`), 400, "ConntrackHelperNotAllowed"},
		"another protocol":        {"PUT " + at + "/$ftp", helper(`"protocol": "udp"`), 400, "InvalidProtocolForHelper"},
		"no port":                 {"POST " + at, helper(`"protocol": "udp", "helper": "tftp"`), 400, "HTTPBadRequest"},
		"port 0":                  {"POST " + at, helper(`"protocol": "udp", "port": 0, "helper": "tftp"`), 400, "HTTPBadRequest"},
		"a protocol that is none": {"POST " + at, helper(`"protocol": "x", "port": 1, "helper": "tftp"`), 400, "HTTPBadRequest"},
		"a router that is none":   {"POST routers/$none/conntrack_helpers", helper(`"protocol": "udp", "port": 69, "helper": "tftp"`), 404, "RouterNotFound"},
		"one that is none":        {"GET " + at + "/$none", ``, 404, "ConntrackHelperNotFound"},
		"one of another router":   {"DELETE routers/$second/conntrack_helpers/$ftp", ``, 404, "ConntrackHelperNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(s.in(f.request), " ")
			var body any
			if f.body != "" {
				body = s.in(f.body)
			}
			if status, out, _ := s.call(method, "/v2.0/"+path, body); status != f.status || refusedType(out) != f.kind {
				t.Errorf("%d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
	s.do(204, "DELETE "+at+"/$ftp", "")
	s.do(204, "DELETE routers/$router", "") // the other one goes with it
	s.do(404, "GET "+at, "")
	s.empty()
}
