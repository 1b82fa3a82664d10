package api

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/lepton-sdn/lepton/model"
)

// testdata/shapes.json is which attributes a Neutron server's answers had, and
// of which JSON types their values were; testdata/attributes.json is its table
// of attributes.

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func jsonKind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "bool"
	case json.Number:
		return "number"
	case []any:
		return "list"
	}
	return "object"
}

func TestAnswersHaveTheShapeOfNeutrons(t *testing.T) {
	var shapes map[string]map[string][]string
	readJSON(t, "shapes.json", &shapes)
	c := newCloud(t)
	c.agent("hv1", func(a *model.Agent) { a.TunnelIP = mustAddr("192.0.2.1") })
	network := c.network(`{"name": "vx"}`)
	samples := map[string]map[string]any{
		"networks":              network,
		"subnets":               c.subnet(id(network), `"ip_version": 4, "cidr": "10.10.0.0/24"`),
		"ports":                 c.port(id(network), `, "binding:host_id": "hv1", "device_owner": "compute:nova"`),
		"security-groups":       c.create("security-groups", "security_group", `{"name": "web"}`),
		"agents":                c.list("agents", "agents")[0],
		"agents/configurations": c.list("agents", "agents")[0]["configurations"].(map[string]any),
	}
	group := samples["security-groups"]
	samples["security-groups/rule"] = group["security_group_rules"].([]any)[0].(map[string]any)
	samples["security-group-rules"] = c.create("security-group-rules", "security_group_rule",
		`{"security_group_id": "`+id(group)+`", "direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "0.0.0.0/0"}`)
	for resource, shape := range shapes {
		sample, ok := samples[resource]
		if !ok {
			t.Errorf("no sample of %s", resource)
		}
		for name, kinds := range shape {
			value, ok := sample[name]
			if !ok {
				t.Errorf("%s has no %s", resource, name)
			} else if kind := jsonKind(value); !slices.Contains(kinds, kind) {
				t.Errorf("%s of %s is of type %s, want one of %v", name, resource, kind, kinds)
			}
		}
	}
}

type flags struct {
	Create, Update, Required, Filter, Sort, Hidden bool
	Extension                                      string
}

func flagsOf[S, V any](table []attr[S, V]) map[string]flags {
	out := map[string]flags{}
	for _, a := range table {
		if a.name == importAttr { // all have it, and it is not Neutron's
			continue
		}
		out[a.name] = flags{
			Create: a.create, Update: a.update, Required: a.required,
			Filter: a.filter != noFilter || a.match != nil, Sort: a.sort, Hidden: a.get == nil && a.getFor == nil || a.unseen,
		}
	}
	return out
}

func TestTheTablesOfAttributesAreNeutrons(t *testing.T) {
	var reference map[string]map[string]flags
	readJSON(t, "attributes.json", &reference)
	c := newCloud(t)
	a := New(Config{DB: c.db, Plugin: c.plugin})
	tables := map[string]map[string]flags{
		"networks":                  flagsOf(networkAttrs()),
		"subnets":                   flagsOf(subnetAttrs()),
		"ports":                     flagsOf(portAttrs()),
		"security-groups":           flagsOf(groupAttrs()),
		"security-group-rules":      flagsOf(ruleAttrs()),
		"agents":                    flagsOf(agentAttrs()),
		"network-ip-availabilities": flagsOf(usageAttrs()),
		"availability_zones":        flagsOf(a.endpoints["availability_zones"].(*zoneCollection).attrs),
	}
	for resource, table := range reference {
		for name, want := range table {
			got, ok := tables[resource][name]
			if !ok {
				t.Errorf("%s has no %s (%s)", resource, name, want.Extension)
				continue
			}
			want.Extension = ""
			if name == "tags" { // filtered by the collection
				want.Filter = false
			}
			if got != want {
				t.Errorf("%s of %s: %+v, want %+v", name, resource, got, want)
			}
		}
		for name := range tables[resource] {
			if _, ok := table[name]; !ok && name != "project_id" {
				t.Errorf("%s has %s, which Neutron does not", resource, name)
			}
		}
	}
}
