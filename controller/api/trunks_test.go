package api

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/trunk_details"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/trunks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// newTrunkSite has ports for trunks: two parents, two sub ports, one that is on
// a VLAN network, and some that cannot be.
func newTrunkSite(t testing.TB) *site {
	s := newSite(t, func(p *plugin.Config, _ *Config) { p.VLAN.NetworkVLANRanges = []string{"physnet1:100:200"} })
	s.agent("hv1")
	s.made("vlan", "networks", "network", `{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 150, "mtu": 1400}`)
	s.made("large", "networks", "network", `{"provider:network_type": "flat", "provider:physical_network": "physnet1"}`)
	s.made("subs", "networks", "network", `{}`)
	s.guest("parent", "10.0.0.77")
	for name, network := range map[string]string{"parent2": "net", "sub1": "subs", "sub2": "subs", "vsub": "vlan", "big": "large"} {
		s.made(name, "ports", "port", `{"network_id": "$`+network+`"}`)
	}
	s.made("bound", "ports", "port", `{"network_id": "$net", "binding:host_id": "hv1"}`)
	s.made("nova", "ports", "port", `{"network_id": "$subs", "device_id": "x"}`)
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	return s
}

func trunkBody(members string) string { return `{"trunk": {` + members + `}}` }

func TestTrunksComeAndGo(t *testing.T) {
	s := newTrunkSite(t)
	trunk := s.made("trunk", "trunks", "trunk",
		`{"name": "t", "port_id": "$parent", "sub_ports": [{"port_id": "$sub1", "segmentation_type": "vlan", "segmentation_id": "7"}]}`)
	if trunk["status"] != "DOWN" || trunk["admin_state_up"] != true ||
		fmt.Sprint(trunk["sub_ports"]) != "[map[port_id:"+s.names["sub1"]+" segmentation_id:7 segmentation_type:vlan]]" {
		t.Errorf("trunk %v", trunk)
	}
	added := s.answer(200, "PUT trunks/$trunk/add_subports", `{"sub_ports": [
		{"port_id": "$sub2", "segmentation_type": "vlan", "segmentation_id": 8}, {"port_id": "$vsub", "segmentation_type": "inherit"}]}`)
	if added["id"] != s.names["trunk"] || len(added["sub_ports"].([]any)) != 3 {
		t.Errorf("the answer, which is bare: %v", added)
	}
	if got := fmt.Sprint(s.answer(200, "GET trunks/$trunk/get_subports", "")["sub_ports"]); !strings.Contains(got, "segmentation_id:150 segmentation_type:vlan") {
		t.Errorf("sub ports %s", got)
	}
	details := s.do(200, "GET ports/$parent", "")["trunk_details"].(map[string]any)
	first := details["sub_ports"].([]any)[0].(map[string]any)
	if details["trunk_id"] != s.names["trunk"] || first["port_id"] != s.names["sub1"] || first["mac_address"] != s.do(200, "GET ports/$sub1", "")["mac_address"] {
		t.Errorf("details %v", details)
	}
	for _, other := range []string{"sub1", "parent2"} {
		if _, ok := s.do(200, "GET ports/$"+other, "")["trunk_details"]; ok {
			t.Errorf("%s has the details of a trunk", other)
		}
	}
	if got := s.list(s.in("trunks?port_id=$parent&admin_state_up=true"), "trunks"); len(got) != 1 {
		t.Errorf("list %v", got)
	}
	s.do(200, "PUT trunks/$trunk/tags", `{"tags": ["red"]}`)
	changed := s.do(200, "PUT trunks/$trunk", trunkBody(`"name": "u", "description": "d"`))
	if changed["name"] != "u" || fmt.Sprint(changed["tags"]) != "[red]" || fmt.Sprint(changed["revision_number"]) <= fmt.Sprint(trunk["revision_number"]) {
		t.Errorf("changed %v", changed)
	}
	removed := s.answer(200, "PUT trunks/$trunk/remove_subports", `{"sub_ports": [{"port_id": "$sub1"}]}`)
	if len(removed["sub_ports"].([]any)) != 2 {
		t.Errorf("removed %v", removed)
	}
	s.do(204, "DELETE ports/$sub1", "")
	s.do(204, "DELETE trunks/$trunk", "")
	s.do(204, "DELETE ports/$sub2", "")
	s.do(204, "DELETE ports/$parent", "")
	for key := range s.claims() {
		if strings.HasPrefix(key, "trunk/") {
			t.Errorf("%s is left", key)
		}
	}
}

// answer is do for answers whose members are not under the object's name.
func (s *site) answer(status int, request, body string) map[string]any {
	s.t.Helper()
	method, path, _ := strings.Cut(s.in(request), " ")
	var content any
	if body != "" {
		content = s.in(body)
	}
	got, out, _ := s.call(method, "/v2.0/"+path, content)
	if got != status {
		s.t.Fatalf("%s: %d %v, want %d", request, got, out, status)
	}
	return out
}

func TestRefusalsAboutTrunks(t *testing.T) {
	s := newTrunkSite(t)
	s.made("trunk", "trunks", "trunk", `{"port_id": "$parent", "sub_ports": [{"port_id": "$sub1", "segmentation_type": "vlan", "segmentation_id": 7}]}`)
	s.names["served"] = s.attach("twin")["port_id"].(string)
	s.made("down", "trunks", "trunk", `{"port_id": "$parent2", "admin_state_up": false}`)
	with := func(port, members string) string {
		return `{"sub_ports": [{"port_id": "` + port + `"` + members + `}]}`
	}
	const seven, eight = `, "segmentation_type": "vlan", "segmentation_id": 7`, `, "segmentation_type": "vlan", "segmentation_id": 8`
	const add, remove = "PUT trunks/$trunk/add_subports", "PUT trunks/$trunk/remove_subports"
	s.refused(t, map[string]refusal{
		"no port":                 {"POST trunks", trunkBody(``), 400, "HTTPBadRequest"},
		"a port that is none":     {"POST trunks", trunkBody(`"port_id": "$none"`), 404, "PortNotFound"},
		"a second trunk":          {"POST trunks", trunkBody(`"port_id": "$parent"`), 409, "ParentPortInUse"},
		"a trunk of a sub port":   {"POST trunks", trunkBody(`"port_id": "$sub1"`), 409, "TrunkPortInUse"},
		"a bound port":            {"POST trunks", trunkBody(`"port_id": "$bound"`), 409, "ParentPortInUse"},
		"itself":                  {"POST trunks", trunkBody(`"port_id": "$sub2", "sub_ports": [{"port_id": "$sub2", "segmentation_type": "vlan", "segmentation_id": 1}]`), 409, "ParentPortInUse"},
		"a tag twice":             {"POST trunks", trunkBody(`"port_id": "$sub2", "sub_ports": [{"port_id": "$nova"` + seven + `}, {"port_id": "$vsub"` + seven + `}]`), 400, "HTTPBadRequest"},
		"another port":            {"PUT trunks/$trunk", trunkBody(`"port_id": "$sub2"`), 400, "HTTPBadRequest"},
		"sub ports by an update":  {"PUT trunks/$trunk", trunkBody(`"sub_ports": []`), 400, "HTTPBadRequest"},
		"no list":                 {add, `{"sub_ports": 7}`, 400, "InvalidInput"},
		"a wrapper":               {add, `{"trunk": {"sub_ports": []}}`, 400, "HTTPBadRequest"},
		"no sub port":             {add, `{"sub_ports": [{}]}`, 400, "InvalidInput"},
		"no UUID":                 {add, with("x", eight), 400, "InvalidInput"},
		"no tag":                  {add, with("$sub2", ``), 400, "InvalidInput"},
		"half a tag":              {add, with("$sub2", `, "segmentation_id": 8`), 400, "InvalidInput"},
		"a tag that is no number": {add, with("$sub2", `, "segmentation_type": "vlan", "segmentation_id": "x"`), 400, "InvalidInput"},
		"a tag that is too high":  {add, with("$sub2", `, "segmentation_type": "vlan", "segmentation_id": 4095`), 400, "InvalidInput"},
		"a tag of another kind":   {add, with("$sub2", `, "segmentation_type": "vxlan", "segmentation_id": 8`), 400, "InvalidInput"},
		"a tag to inherit":        {add, with("$sub2", `, "segmentation_type": "inherit"`), 400, "InvalidInput"}, // of a vxlan network
		"a member too much":       {add, with("$sub2", eight+`, "x": 1`), 400, "InvalidInput"},
		"a tag that is there":     {add, with("$sub2", seven), 409, "DuplicateSubPort"},
		"a port twice":            {add, `{"sub_ports": [{"port_id": "$sub2"` + eight + `}, {"port_id": "$sub2"` + seven + `}]}`, 400, "InvalidInput"},
		"a sub port that is none": {add, with("$none", eight), 404, "PortNotFound"},
		"one that is there":       {add, with("$sub1", eight), 409, "TrunkPortInUse"},
		"a parent":                {add, with("$parent2", eight), 409, "ParentPortInUse"},
		"its own parent":          {add, with("$parent", eight), 409, "ParentPortInUse"},
		"one in use":              {add, with("$nova", eight), 409, "PortInUse"},
		"a router's port":         {"POST trunks", trunkBody(`"port_id": "$served"`), 409, "ParentPortInUse"},
		"a parent for a router":   {"PUT routers/$router/add_router_interface", `{"port_id": "$parent"}`, 409, "PortInUse"},
		"a sub port for DHCP":     {"PUT ports/$sub1", `{"port": {"device_owner": "network:dhcp"}}`, 409, "PortInUse"},
		"one on a host":           {add, with("$bound", eight), 409, "PortInUse"},
		"one that is too large":   {add, with("$big", eight), 409, "SubPortMtuGreaterThanTrunkPortMtu"},
		"good and bad":            {add, `{"sub_ports": [{"port_id": "$sub2"` + eight + `}, {"port_id": "$none", "segmentation_type": "vlan", "segmentation_id": 9}]}`, 404, "PortNotFound"},
		"to a trunk that is down": {"PUT trunks/$down/add_subports", with("$sub2", eight), 409, "TrunkDisabled"},
		"from one that is down":   {"PUT trunks/$down/remove_subports", with("$sub2", ``), 409, "TrunkDisabled"},
		"of one that is down":     {"DELETE trunks/$down", ``, 409, "TrunkDisabled"},
		"one that is not there":   {remove, with("$sub2", ``), 404, "SubPortNotFound"},
		"the same twice":          {remove, `{"sub_ports": [{"port_id": "$sub1"}, {"port_id": "$sub1"}]}`, 400, "InvalidInput"},
		"the wrong method":        {"POST trunks/$trunk/add_subports", with("$sub2", eight), 405, "HTTPMethodNotAllowed"},
		"a trunk that is none":    {"GET trunks/$none/get_subports", ``, 404, "TrunkNotFound"},
		"its parent":              {"DELETE ports/$parent", ``, 409, "PortInUseAsTrunkParent"},
		"its sub port":            {"DELETE ports/$sub1", ``, 409, "PortInUseAsSubPort"},
	})
	if got := s.do(200, "GET ports/$sub2", "")["revision_number"]; fmt.Sprint(got) != "1" {
		t.Errorf("a port that was refused is at revision %v", got)
	}
	s.do(204, "DELETE trunks/$trunk", "")
}

func TestHostsDoNotWireTrunksAndTheRefusalSaysSo(t *testing.T) {
	s := newTrunkSite(t)
	s.made("trunk", "trunks", "trunk", `{"port_id": "$parent", "sub_ports": [{"port_id": "$sub1", "segmentation_type": "vlan", "segmentation_id": 7}]}`)
	const bind = `{"port": {"binding:host_id": "hv1"}}`
	s.do(200, "PUT ports/$parent", `{"port": {"device_id": "vm", "device_owner": "compute:nova"}}`)
	s.refused(t, map[string]refusal{
		"binding the parent":     {"PUT ports/$parent", bind, 409, "PortInUseAsTrunkParent"},
		"binding the sub port":   {"PUT ports/$sub1", bind, 409, "PortInUseAsSubPort"},
		"a binding for its move": {"POST ports/$parent/bindings", `{"binding": {"host": "hv1"}}`, 409, "PortInUseAsTrunkParent"},
	})
	for _, port := range []string{"parent", "sub1"} {
		if text := s.message("PUT ports/$"+port, bind); !strings.Contains(text, "hosts do not wire sub ports yet") || !strings.Contains(text, s.names["trunk"]) {
			t.Errorf("%s: %q", port, text)
		}
	}
	s.do(200, "PUT ports/$parent", `{"port": {"name": "other things may change"}}`)
	// Without sub ports there is nothing to wire but the parent.
	s.answer(200, "PUT trunks/$trunk/remove_subports", `{"sub_ports": [{"port_id": "$sub1"}]}`)
	s.do(200, "PUT ports/$parent", bind)
	s.refused(t, map[string]refusal{
		"a sub port of a bound one": {"PUT trunks/$trunk/add_subports", `{"sub_ports": [{"port_id": "$sub1", "segmentation_type": "vlan", "segmentation_id": 7}]}`, 409, "ParentPortInUse"},
	})
	s.update(func(u *records.Update) error {
		records.PortStatuses.Put(u, &model.PortStatus{PortID: s.names["parent"], Host: "hv1", State: model.PortActive})
		return nil
	})
	if got := s.do(200, "GET trunks/$trunk", "")["status"]; got != "ACTIVE" {
		t.Errorf("the trunk is %v", got)
	}
	s.do(200, "PUT ports/$sub1", bind)
	s.do(204, "DELETE trunks/$trunk", "")
}

func TestATrunkAndABindingAtOnceDoNotMeet(t *testing.T) {
	s := newTrunkSite(t)
	for i := range 20 {
		var wg sync.WaitGroup
		for _, f := range [][2]string{
			{"POST trunks", trunkBody(`"port_id": "$parent", "sub_ports": [{"port_id": "$sub1", "segmentation_type": "vlan", "segmentation_id": 7}]`)},
			{"PUT ports/$sub1", `{"port": {"binding:host_id": "hv1"}}`},
		} {
			method, path, _ := strings.Cut(s.in(f[0]), " ")
			body := s.in(f[1])
			wg.Go(func() { s.call(method, "/v2.0/"+path, body) })
		}
		wg.Wait()
		trunks, bound := s.list("trunks", "trunks"), s.do(200, "GET ports/$sub1", "")["binding:host_id"] == "hv1"
		if bound == (len(trunks) == 1) {
			t.Fatalf("round %d: bound %t, trunks %v", i, bound, trunks)
		}
		for _, trunk := range trunks {
			s.do(204, "DELETE trunks/"+id(trunk), "")
		}
		s.do(200, "PUT ports/$sub1", `{"port": {"binding:host_id": null}}`)
	}
}

func TestTrunksHaveAQuotaAndAnOwner(t *testing.T) {
	s := &site{rightsCloud(t), map[string]string{}}
	one, two, reader := as("p1", "member"), as("p2", "member"), as("p1", "reader")
	post := func(who []string, status int, path, key, members string) map[string]any {
		t.Helper()
		return s.must(status, "POST", "/v2.0/"+path, s.in(`{"`+key+`": {`+members+`}}`), who...)
	}
	s.names["net"] = id(post(one, 201, "networks", "network", ``))
	s.names["parent"] = id(post(one, 201, "ports", "port", `"network_id": "$net"`))
	s.names["sub"] = id(post(one, 201, "ports", "port", `"network_id": "$net"`))
	post(two, 404, "trunks", "trunk", `"port_id": "$parent"`)
	post(reader, 403, "trunks", "trunk", `"port_id": "$parent"`)
	s.must(200, "PUT", "/v2.0/quotas/p1", `{"quota": {"trunk": 1}}`, as("ops", "admin")...)
	s.names["trunk"] = id(post(one, 201, "trunks", "trunk", `"port_id": "$parent"`))
	if status, out, _ := s.call("POST", "/v2.0/trunks", s.in(`{"trunk": {"port_id": "$sub"}}`), one...); status != 409 || refusedType(out) != "OverQuota" {
		t.Errorf("%d %v", status, out)
	}
	body := s.in(`{"sub_ports": [{"port_id": "$sub", "segmentation_type": "vlan", "segmentation_id": 7}]}`)
	for _, f := range []struct {
		who          []string
		method, path string
		status       int
	}{
		{two, "GET", "trunks/$trunk", 404},
		{two, "PUT", "trunks/$trunk/add_subports", 404},
		{reader, "GET", "trunks/$trunk/get_subports", 200},
		{reader, "PUT", "trunks/$trunk/add_subports", 403},
		{one, "PUT", "trunks/$trunk/add_subports", 200},
		{reader, "DELETE", "trunks/$trunk", 403},
		{one, "DELETE", "trunks/$trunk", 204},
	} {
		if status, out, _ := s.call(f.method, s.in("/v2.0/"+f.path), body, f.who...); status != f.status {
			t.Errorf("%s %s as %v: %d %v", f.method, f.path, f.who, status, out)
		}
	}
}

func TestGophercloudMakesTrunks(t *testing.T) {
	s := newTrunkSite(t)
	ctx, client := context.Background(), s.gopher()
	up := true
	trunk := want[*trunks.Trunk](t)(trunks.Create(ctx, client, trunks.CreateOpts{
		Name: "t", PortID: s.names["parent"], AdminStateUp: &up,
		Subports: []trunks.Subport{{PortID: s.names["sub1"], SegmentationType: "vlan", SegmentationID: 7}},
	}).Extract())
	if trunk.Status != "DOWN" || len(trunk.Subports) != 1 || trunk.CreatedAt.IsZero() {
		t.Errorf("trunk %+v", trunk)
	}
	trunk = want[*trunks.Trunk](t)(trunks.AddSubports(ctx, client, trunk.ID, trunks.AddSubportsOpts{
		Subports: []trunks.Subport{{PortID: s.names["sub2"], SegmentationType: "vlan", SegmentationID: 8}},
	}).Extract())
	if len(trunk.Subports) != 2 {
		t.Errorf("trunk %+v", trunk)
	}
	var port struct {
		ports.Port
		trunk_details.TrunkDetailsExt
	}
	if err := ports.Get(ctx, client, s.names["parent"]).ExtractInto(&port); err != nil || port.TrunkID != trunk.ID || len(port.TrunkDetails.SubPorts) != 2 {
		t.Errorf("port %+v: %v", port, err)
	}
	subs := want[[]trunks.Subport](t)(trunks.GetSubports(ctx, client, trunk.ID).Extract())
	if len(subs) != 2 || subs[1].SegmentationID != 8 {
		t.Errorf("sub ports %+v", subs)
	}
	trunk = want[*trunks.Trunk](t)(trunks.RemoveSubports(ctx, client, trunk.ID, trunks.RemoveSubportsOpts{
		Subports: []trunks.RemoveSubport{{PortID: s.names["sub1"]}},
	}).Extract())
	name := "u"
	trunk = want[*trunks.Trunk](t)(trunks.Update(ctx, client, trunk.ID, trunks.UpdateOpts{Name: &name}).Extract())
	if trunk.Name != name || len(trunk.Subports) != 1 {
		t.Errorf("trunk %+v", trunk)
	}
	if err := trunks.Delete(ctx, client, trunk.ID).ExtractErr(); err != nil {
		t.Error(err)
	}
}
