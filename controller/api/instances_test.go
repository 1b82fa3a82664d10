package api

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
)

const testKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILjK8y8yXhJrN3ZqVQvS4gW1jXWmzL5m5o2q0rPuW9uT me@home"

func TestInstancesComeAndGo(t *testing.T) {
	s := newSite(t)
	s.guest("guest", "10.0.0.9")
	s.guest("second", "10.0.0.10")
	s.names["key"] = testKey
	made := s.made("vm", "lepton-instances", "lepton_instance", `{"name": "Web 1", "port_ids": ["$second", "$guest"],
		"keys": [{"name": "me", "public_key": "$key"}], "metadata": {"role": "web"}, "user_data": "IyEvYmluL3NoCg==",
		"vendor_data": {"n": 1}, "availability_zone": "z1", "image_id": "img", "instance_type": "m1"}`)
	for name, want := range map[string]any{
		"hostname": "web-1", "user_data": "IyEvYmluL3NoCg==", "metadata": map[string]any{"role": "web"}, "password": nil,
		"vendor_data": map[string]any{"n": 1}, "keys": []any{map[string]any{"name": "me", "public_key": testKey}},
		"port_ids": []any{s.names["second"], s.names["guest"]}, "availability_zone": "z1", "image_id": "img", "instance_type": "m1",
	} {
		if fmt.Sprint(made[name]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, made[name], want)
		}
	}
	listed := s.list("lepton-instances?name=Web%201", "lepton_instances")
	if len(listed) != 1 {
		t.Fatalf("list %v", listed)
	}
	if _, shown := listed[0]["user_data"]; shown || listed[0]["hostname"] != "web-1" {
		t.Errorf("list %v", listed)
	}
	same := s.do(200, "PUT lepton-instances/$vm", `{"lepton_instance": {"metadata": {"role": "web"}, "vendor_data": {"n": 1}, "hostname": "web-1"}}`)
	if fmt.Sprint(same["revision_number"]) != "0" {
		t.Errorf("a change to what it was counts: revision %v", same["revision_number"])
	}
	s.do(200, "PUT lepton-instances/$vm/tags", `{"tags": ["x"]}`)
	changed := s.do(200, "PUT lepton-instances/$vm", `{"lepton_instance": {"user_data": null, "metadata": {}, "keys": [], "port_ids": ["$guest"]}}`)
	if changed["user_data"] != nil || fmt.Sprint(changed["metadata"], changed["keys"], changed["tags"]) != "map[] [] [x]" {
		t.Errorf("instance %v", changed)
	}
	s.made("other", "lepton-instances", "lepton_instance", `{"port_ids": ["$second"]}`)
	s.do(204, "DELETE ports/$guest", "")
	if got := s.do(200, "GET lepton-instances/$vm", ""); fmt.Sprint(got["port_ids"]) != "[]" {
		t.Errorf("ports %v of a deleted port", got["port_ids"])
	}
	s.do(204, "DELETE lepton-instances/$vm", "")
	s.do(204, "DELETE lepton-instances/$other", "")
	s.made("again", "lepton-instances", "lepton_instance", `{"port_ids": ["$second"]}`)
}

func TestInstancesThatCannotBeAreRefused(t *testing.T) {
	s := newSite(t)
	s.guest("guest", "10.0.0.9")
	s.names["none"] = "00000000-0000-4000-8000-000000000000"
	s.made("vm", "lepton-instances", "lepton_instance", `{"port_ids": ["$guest"]}`)
	s.attach("sub")
	router := s.list("ports?device_owner=network:router_interface", "ports")
	s.names["qr"] = id(router[0])
	long := base64.StdEncoding.EncodeToString(make([]byte, plugin.MaxUserData+1))
	post := func(status int, kind, members string) refusal {
		return refusal{"POST lepton-instances", `{"lepton_instance": {` + members + `}}`, status, kind}
	}
	bad := func(members string) refusal { return post(400, "HTTPBadRequest", members) }
	s.refused(t, map[string]refusal{
		"another instance's port":      post(409, "InstancePortInUse", `"port_ids": ["$guest"]`),
		"a router's port":              post(409, "InstancePortInUse", `"port_ids": ["$qr"]`),
		"another project's port":       post(409, "InstancePortOfOtherProject", `"project_id": "p9", "port_ids": ["$guest"]`),
		"a port that is none":          post(404, "PortNotFound", `"port_ids": ["$none"]`),
		"a port twice":                 bad(`"port_ids": ["$guest", "$guest"]`),
		"ports that are no list":       bad(`"port_ids": "$guest"`),
		"user data that is no base64":  bad(`"user_data": "#!/bin/sh"`),
		"user data that is too long":   bad(`"user_data": "` + long + `"`),
		"vendor data that is a list":   bad(`"vendor_data": []`),
		"metadata that is a number":    bad(`"metadata": {"a": 1}`),
		"metadata without a key":       bad(`"metadata": {"": "x"}`),
		"a name of no host":            bad(`"hostname": "a b"`),
		"a key of two lines":           bad(`"keys": [{"name": "k", "public_key": "` + testKey + `\n` + testKey + `"}]`),
		"a key with options":           bad(`"keys": [{"name": "k", "public_key": "command=\"x\" ` + testKey + `"}]`),
		"a key that says another kind": bad(`"keys": [{"name": "k", "public_key": "ssh-rsa ` + strings.Fields(testKey)[1] + `"}]`),
		"a key without a name":         bad(`"keys": [{"public_key": "` + testKey + `"}]`),
		"a key's name with a slash":    bad(`"keys": [{"name": "a/b", "public_key": "` + testKey + `"}]`),
		"two keys of a name":           bad(`"keys": [{"name": "k", "public_key": "` + testKey + `"}, {"name": "k", "public_key": "` + testKey + `"}]`),
		"more of a key":                bad(`"keys": [{"name": "k", "public_key": "` + testKey + `", "x": 1}]`),
		"a password":                   bad(`"password": "x"`),
		"a password later":             {"PUT lepton-instances/$vm", `{"lepton_instance": {"password": "x"}}`, 400, "HTTPBadRequest"},
		"one that is none":             {"GET lepton-instances/$none", ``, 404, "LeptonInstanceNotFound"},
		"the end of one that is none":  {"DELETE lepton-instances/$none", ``, 404, "LeptonInstanceNotFound"},
	})
}

func TestInstancesBelongToProjects(t *testing.T) {
	s := &site{rightsCloud(t), map[string]string{}}
	one, two, reader := as("p1", "member"), as("p2", "member"), as("p1", "reader")
	post := func(who []string, status int, path, key, members string) map[string]any {
		t.Helper()
		return s.must(status, "POST", "/v2.0/"+path, s.in(`{"`+key+`": {`+members+`}}`), who...)
	}
	s.names["net"] = id(post(one, 201, "networks", "network", ``))
	s.names["port"] = id(post(one, 201, "ports", "port", `"network_id": "$net"`))
	post(two, 404, "lepton-instances", "lepton_instance", `"port_ids": ["$port"]`)
	post(reader, 403, "lepton-instances", "lepton_instance", ``)
	s.must(200, "PUT", "/v2.0/quotas/p1", `{"quota": {"lepton_instance": 1}}`, as("ops", "admin")...)
	s.names["vm"] = id(post(one, 201, "lepton-instances", "lepton_instance", `"port_ids": ["$port"]`))
	if status, out, _ := s.call("POST", "/v2.0/lepton-instances", `{"lepton_instance": {}}`, one...); status != 409 || refusedType(out) != "OverQuota" {
		t.Errorf("%d %v", status, out)
	}
	s.must(404, "GET", s.in("/v2.0/lepton-instances/$vm"), nil, two...)
	s.must(404, "PUT", s.in("/v2.0/lepton-instances/$vm"), `{"lepton_instance": {"name": "x"}}`, two...)
	s.must(200, "GET", s.in("/v2.0/lepton-instances/$vm"), nil, reader...)
	s.must(403, "DELETE", s.in("/v2.0/lepton-instances/$vm"), nil, reader...)
	s.must(204, "DELETE", s.in("/v2.0/lepton-instances/$vm"), nil, one...)
	s.must(201, "POST", "/v2.0/lepton-instances", `{"lepton_instance": {}}`, one...)
}
