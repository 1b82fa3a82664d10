package api

import (
	"strings"
	"testing"
)

func TestNDPProxiesAreRefusedAndTheRefusalSaysWhy(t *testing.T) {
	s := newSite(t)
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	s.made("six", "subnets", "subnet", `{"network_id": "$net", "ip_version": 6, "cidr": "2001:db8::/64"}`)
	s.made("far", "ports", "port", `{"network_id": "$other"}`)
	s.made("near", "ports", "port", `{"network_id": "$net", "fixed_ips": [{"ip_address": "2001:db8::9"}]}`)
	s.attach("six")
	post := func(members string) string { return `{"ndp_proxy": {` + members + `}}` }
	s.refused(t, map[string]refusal{
		"no router":             {"POST ndp_proxies", post(`"port_id": "$near"`), 400, "HTTPBadRequest"},
		"a router that is none": {"POST ndp_proxies", post(`"port_id": "$near", "router_id": "$none"`), 404, "RouterNotFound"},
		"a port that is none":   {"POST ndp_proxies", post(`"port_id": "$none", "router_id": "$router"`), 404, "PortNotFound"},
		"a port far away":       {"POST ndp_proxies", post(`"port_id": "$far", "router_id": "$router"`), 409, "PortUnreachableRouter"},
		"another address":       {"POST ndp_proxies", post(`"port_id": "$near", "router_id": "$router", "ip_address": "2001:db8::8"`), 400, "InvalidAddress"},
		"a good one":            {"POST ndp_proxies", post(`"port_id": "$near", "router_id": "$router"`), 409, "RouterNDPProxyNotEnable"},
		"one that is none":      {"GET ndp_proxies/$none", ``, 404, "NDPProxyNotFound"},
		"enabled":               {"PUT routers/$router", `{"router": {"enable_ndp_proxy": true}}`, 409, "RouterGatewayNotValid"},
		"enabled when made":     {"POST routers", `{"router": {"enable_ndp_proxy": "1"}}`, 409, "RouterGatewayNotValid"},
		"nonsense":              {"PUT routers/$router", `{"router": {"enable_ndp_proxy": "x"}}`, 400, "InvalidInput"},
	})
	if text := s.message("PUT routers/$router", `{"router": {"enable_ndp_proxy": true}}`); !strings.Contains(text, "yet") {
		t.Errorf("the refusal says %q", text)
	}
	if got := s.do(200, "PUT routers/$router", `{"router": {"enable_ndp_proxy": false}}`); got["enable_ndp_proxy"] != false {
		t.Errorf("router %v", got)
	}
	if got := s.list("ndp_proxies?name=x", "ndp_proxies"); len(got) != 0 {
		t.Errorf("list %v", got)
	}
}
