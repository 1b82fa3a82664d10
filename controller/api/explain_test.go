package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/hosts/interest"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// sentTo tells what hosts are sent, worked out anew each time.
type sentTo struct{ c **cloud }

func (s sentTo) Tell(_ context.Context, host string, _ int64) (*rpc.Update, string, error) {
	e := interest.New(1000)
	(*s.c).db.OnApply(func(b records.Batch) {
		if b.Full {
			e.Apply(b)
		}
	})
	u := e.Snapshot(host)
	u.Settings.L2Population = true
	return u, "", nil
}

// explained is a cloud in which project p1 has the ports a and b, and p2 the port
// foreign, on a shared network of the administrators'.
func explained(t *testing.T) (c *cloud, ask func(token, query string) (int, map[string]any)) {
	c = newCloud(t, func(_ *plugin.Config, a *Config) {
		a.Auth, a.Hosts, a.AgentDownTime = byName(people()), sentTo{&c}, time.Minute
	})
	as := []string{"X-Auth-Token", "an administrator"}
	c.agent("hv1")
	network := id(c.must(201, "POST", "/v2.0/networks", `{"network": {"name": "secret-network", "shared": true}}`, as...))
	c.must(201, "POST", "/v2.0/subnets", fmt.Sprintf(`{"subnet": {"network_id": %q, "ip_version": 4, "cidr": "10.0.0.0/24"}}`, network), as...)
	for name, project := range map[string]string{"a": "p1", "b": "p1", "foreign": "p2"} {
		p := id(c.must(201, "POST", "/v2.0/ports", fmt.Sprintf(
			`{"port": {"name": %q, "network_id": %q, "project_id": %q, "binding:host_id": "hv1", "device_owner": "compute:nova"}}`, name, network, project), as...))
		c.update(func(u *records.Update) error {
			rec, _ := records.Ports.Get(u, p)
			records.PortStatuses.Put(u, &model.PortStatus{PortID: p, Host: "hv1", State: model.PortActive, Revision: rec.Revision})
			return nil
		})
	}
	return c, func(token, query string) (int, map[string]any) {
		status, out, _ := c.call("GET", "/v2.0/lepton-explain?"+query, nil, "X-Auth-Token", token)
		if e, ok := out["lepton_explain"].(map[string]any); ok {
			out = e
		}
		return status, out
	}
}

func TestExplanationsAreForThePortsOwners(t *testing.T) {
	_, ask := explained(t)
	for _, who := range []string{"an administrator", "a member", "a reader"} {
		if status, out := ask(who, "from=a&to=b"); status != 200 || out["verdict"] != "passes" {
			t.Errorf("%s gets %d %v", who, status, out)
		}
	}
	for _, who := range []string{"a stranger", "a member of the network's"} {
		if status, out := ask(who, "from=a&to=b"); status != 404 {
			t.Errorf("%s gets %d %v", who, status, out)
		}
	}
	if status, out := ask("a member", "from=a&to=foreign"); status != 404 {
		t.Errorf("a member asks by name for another project's port: %d %v", status, out)
	}
}

func TestMembersAreToldNothingOfHostsAndOfOtherProjects(t *testing.T) {
	c, ask := explained(t)
	_, list, _ := c.call("GET", "/v2.0/ports?name=foreign", nil, "X-Auth-Token", "an administrator")
	port := list["ports"].([]any)[0].(map[string]any)
	ip := port["fixed_ips"].([]any)[0].(map[string]any)["ip_address"].(string)
	query := "verbose=true&from=a&protocol=tcp&port=22&to=" + url.QueryEscape(ip)
	status, full := ask("an administrator", query)
	if status != 200 || full["verdict"] != "dropped" || full["nearest"] == nil {
		t.Fatalf("administrators get %d %v", status, full)
	}
	_, part := ask("a member", query)
	if part["verdict"] != "dropped" || part["decision"].(map[string]any)["reason"] != "security_group" {
		t.Errorf("members get %v", part)
	}
	text, err := json.Marshal(part)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hv1", "foreign", "secret-network", port["id"].(string), port["security_groups"].([]any)[0].(string), "br-int", "tap"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("members are told of %s: %s", secret, text)
		}
	}
}

func TestMembersAreToldOfServicesAndSizesWithoutHosts(t *testing.T) {
	_, ask := explained(t)
	for query, reason := range map[string]string{
		"from=a&protocol=udp&port=67":                      "no_dhcp",
		"from=a&to=169.254.169.254&protocol=tcp&port=80":   "no_metadata",
		"from=a&to=b&size=1451&link_mtu=1500&verbose=true": "too_big",
	} {
		status, out := ask("a member", query)
		text, err := json.Marshal(out)
		if decision, ok := out["decision"].(map[string]any); status != 200 || err != nil || !ok || decision["reason"] != reason {
			t.Errorf("%s: %d %s, want %s", query, status, text, reason)
		}
		for _, secret := range []string{"hv1", "secret-network", "br-int"} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s: members are told of %s: %s", query, secret, text)
			}
		}
	}
}

func TestQuestionsThatMakeNoSenseAreRefused(t *testing.T) {
	_, ask := explained(t)
	for query, want := range map[string]string{
		"":                                                "400 from",
		"from=a":                                          "400 to",
		"from=a&to=b&bogus=1":                             "400 bogus",
		"from=a&from=b&to=b":                              "400 from",
		"from=none&to=b":                                  "404 from",
		"from=a&to=none":                                  "404 to",
		"from=192.0.2.1&to=b":                             "404 from",
		"from=a&to=b&protocol=frob":                       "400 protocol",
		"from=a&to=b&protocol=tcp":                        "400 port",
		"from=a&to=b&port=80":                             "400 port",
		"from=a&to=b&protocol=tcp&port=70000":             "400 port",
		"from=a&to=b&protocol=tcp&port=x":                 "400 port",
		"from=a&to=b&ip_version=5":                        "400 ip_version",
		"from=a&to=b&ip_version=6":                        "400 to",
		"from=a&to=224.0.0.1":                             "400 to",
		"from=a&to=10.0.0.1&ip_version=6":                 "400 ip_version",
		"from=a&to=b&verbose=perhaps":                     "400 verbose",
		"from=a&to=b&size=12":                             "400 size",
		"from=a&to=b&size=-1":                             "400 size",
		"from=a&to=b&size=big":                            "400 size",
		"from=a&to=b&dont_fragment=true":                  "400 dont_fragment",
		"from=a&to=b&size=99&dont_fragment=x":             "400 dont_fragment",
		"from=a&to=b&link_mtu=1500":                       "400 link_mtu",
		"from=a&to=b&size=99&link_mtu=12":                 "400 link_mtu",
		"from=a&protocol=udp&port=53":                     "400 to",
		"from=a&protocol=tcp&port=67":                     "400 to",
		"from=a&to=255.255.255.255&protocol=udp&port=547": "400 to",
		"from=a&protocol=udp&port=547&ip_version=4":       "400 ip_version",
	} {
		status, out := ask("an administrator", query)
		message := ""
		if e, ok := out["NeutronError"].(map[string]any); ok {
			message, _ = e["message"].(string)
		}
		if got := fmt.Sprint(status); got != want[:3] || !strings.Contains(message, want[4:]) {
			t.Errorf("%s: %s %q, want %s", query, got, message, want)
		}
	}
}

// idleHosts are sent nothing.
type idleHosts struct{}

func (idleHosts) Tell(context.Context, string, int64) (*rpc.Update, string, error) {
	return &rpc.Update{Full: true}, "", nil
}
