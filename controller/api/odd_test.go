package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// oddValues are what attributes are given below, whatever they are for. $network
// and the like become ids of objects that exist.
func oddValues() []string {
	return []string{
		`null`, `true`, `false`, `"true"`, `0`, `1`, `-1`, `4`, `6`, `1500`, `4294967296`, `1e400`, `1.5`, `""`, `"x"`, `"\u0000"`, `"ä"`,
		`"normal"`, `"vxlan"`, `"vlan"`, `"physnet1"`, `"slaac"`, `"ingress"`, `"IPv6"`, `"tcp"`, `"compute:nova"`, `"network:dhcp"`,
		`"10.0.0.7"`, `"10.0.0.0/24"`, `"10.3.0.0/16"`, `"::/0"`, `"2001:db8::5"`, `"::ffff:10.0.0.1"`, `"fe80::1%eth0"`, `"fa:16:3e:00:00:09"`,
		`"hv1"`, `"a.b."`, `"$network"`, `"$subnet"`, `"$web"`, `"$uuid"`, `{}`, `[]`, `[null]`, `[{}]`, `["$web"]`, `["a", "a"]`, `[["x"]]`,
		`[{"ip_address": "10.0.0.99"}]`, `[{"subnet_id": "$subnet"}]`, `[{"ip_address": null}]`, `[{"start": "10.0.0.1", "end": 5}]`,
		`[{"provider:network_type": "vlan"}]`, `[{"opt_name": "a", "opt_value": null}]`, `[{"destination": "0.0.0.0/0", "nexthop": "::1"}]`, `{"a": {"b": []}}`,
	}
}

// TestNoValueOfAnyAttributeBreaksTheServer sets every attribute that a request
// may have to values that were made for others. The answer is never an internal
// error, and refused requests leave nothing.
func TestNoValueOfAnyAttributeBreaksTheServer(t *testing.T) {
	c := newCloud(t, unlimited)
	ids := fixture(c)
	tables := map[string][]string{
		"networks/network": writable(networkAttrs()), "subnets/subnet": writable(subnetAttrs()), "ports/port": writable(portAttrs()),
		"security-groups/security_group": writable(groupAttrs()), "security-group-rules/security_group_rule": writable(ruleAttrs()),
		"subnetpools/subnetpool": writable(poolAttrs()), "address-scopes/address_scope": writable(scopeAttrs()),
		"address-groups/address_group": writable(addressGroupAttrs()), "rbac-policies/rbac_policy": writable(policyAttrs()),
	}
	sound := map[string]map[string]string{ // what makes a create get past the first check
		"subnets":              {"network_id": `"$network"`, "ip_version": "4", "cidr": `"10.77.0.0/24"`},
		"ports":                {"network_id": `"$network"`},
		"security-group-rules": {"security_group_id": `"$web"`, "direction": `"ingress"`},
		"subnetpools":          {"name": `"p"`, "prefixes": `["10.0.0.0/8"]`},
		"address-scopes":       {"ip_version": "4"},
		"rbac-policies":        {"object_type": `"network"`, "object_id": `"$network"`, "action": `"access_as_shared"`, "target_tenant": `"x"`},
	}
	rapid.Check(t, func(rt *rapid.T) {
		which := rapid.SampledFrom(slices.Sorted(maps.Keys(tables))).Draw(rt, "resource")
		collection, key, _ := strings.Cut(which, "/")
		members := maps.Clone(sound[collection])
		if members == nil {
			members = map[string]string{}
		}
		for range rapid.IntRange(1, 4).Draw(rt, "how many") {
			members[rapid.SampledFrom(tables[which]).Draw(rt, "attribute")] = rapid.SampledFrom(oddValues()).Draw(rt, "value")
		}
		var parts []string
		for name, value := range members {
			parts = append(parts, `"`+name+`": `+value)
		}
		body := ids.Replace(`{"` + key + `": {` + strings.Join(parts, ", ") + `}}`)
		before := len(c.claims())
		status, out, _ := c.call("POST", "/v2.0/"+collection, body)
		if status >= 500 && refusedType(out) != "NoNetworkAvailable" {
			rt.Fatalf("POST %s: %d %v", body, status, out)
		}
		if status != http.StatusCreated {
			if after := len(c.claims()); after != before {
				rt.Fatalf("POST %s was refused, and left %d keys", body, after-before)
			}
			return
		}
		made := out[key].(map[string]any)
		path := "/v2.0/" + collection + "/" + id(made)
		text, err := json.Marshal(made)
		if err != nil {
			rt.Fatal(err)
		}
		for _, name := range tables[which] {
			change := ids.Replace(`{"` + key + `": {"` + name + `": ` + rapid.SampledFrom(oddValues()).Draw(rt, "new value") + `}}`)
			if status, out, _ := c.call("PUT", path, change); status >= 500 {
				rt.Fatalf("PUT %s to %s: %d %v", change, text, status, out)
			}
		}
		c.call("DELETE", path, nil)
	})
	checkAddresses(t, c)
}

func writable[S, V any](table []attr[S, V]) []string {
	var names []string
	for _, a := range table {
		if a.create || a.update {
			names = append(names, a.name)
		}
	}
	return names
}
