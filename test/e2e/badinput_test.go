package e2e

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/lab"
)

// hasProblem checks that the host's agent tells of the problem, by every word.
func (c *Cloud) hasProblem(host string, words ...string) error {
	agents, err := c.Lab.API().Agents(c.Context())
	if err != nil {
		return err
	}
	var all []string
	for _, a := range agents {
		if a.Host != host {
			continue
		}
		for _, p := range a.Configurations.Problems {
			missing := false
			for _, w := range words {
				missing = missing || !strings.Contains(p, w)
			}
			if !missing {
				return nil
			}
			all = append(all, p)
		}
	}
	return fmt.Errorf("%s has no problem with %v but %q", host, words, all)
}

// noProblems checks that the host has none any more.
func (c *Cloud) noProblems(host string) error {
	agents, err := c.Lab.API().Agents(c.Context())
	if err != nil {
		return err
	}
	for _, a := range agents {
		if a.Host == host && len(a.Configurations.Problems) > 0 {
			return fmt.Errorf("%s has problems: %q", host, a.Configurations.Problems)
		}
	}
	return nil
}

func TestWhatAHostCannotDoIsToldAndStopsNothingElse(t *testing.T) {
	c := Start(t, "two-node")
	n := c.Network(nil)
	c.dual(n)
	a, b := c.Guest("hv1", "a", n), c.Guest("hv2", "b", n)
	c.undisturbed(a, b, func() {
		t.Run("a port with an unknown iface-id", func(t *testing.T) {
			c := c.in(t)
			const unknown = "11111111-2222-4333-8444-555555555555"
			c.Exec("hv1", "ip", "link", "add", "tapunknown", "type", "veth", "peer", "name", "tapunknownp")
			c.Exec("hv1", "ovs-vsctl", "add-port", "br-int", "tapunknown", "--",
				"set", "Interface", "tapunknown", "external_ids:iface-id="+unknown, "external_ids:iface-status=active")
			c.Eventually("it is told", func() error { return c.hasProblem("hv1", unknown) })
			other := c.Guest("hv1", "beside", n)
			c.Reaches(other, b)
			c.Exec("hv1", "ovs-vsctl", "del-port", "br-int", "tapunknown")
			c.Eventually("it is over", func() error { return c.noProblems("hv1") })
		})
		t.Run("a MAC that differs from the record", func(t *testing.T) {
			c := c.in(t)
			g := c.Guest("hv1", "wrong", n)
			tap := g.Guest.NICs[0].Tap
			c.Exec("hv1", "ovs-vsctl", "set", "Interface", tap, `external_ids:attached-mac="fa:16:3e:11:22:33"`)
			c.Eventually("it is told", func() error { return c.hasProblem("hv1", g.Port.ID, "fa:16:3e:11:22:33") })
			c.Exec("hv1", "ovs-vsctl", "set", "Interface", tap, `external_ids:attached-mac="`+g.Port.MAC+`"`)
			c.Eventually("it is over", func() error { return c.noProblems("hv1") })
			c.Reaches(g, b)
		})
	})
}

func TestAMappingToAMissingBridgeIsTold(t *testing.T) {
	c := Start(t, `
agent: { ovs: { bridge_mappings: { physnet9: br-missing } } }
hosts:
  - { name: hv1, roles: [controller, compute] }
  - { name: hv2, roles: [compute] }
`)
	c.Eventually("it is told", func() error { return c.hasProblem("hv1", "br-missing") })
	n := c.Network(nil)
	c.dual(n)
	c.AllReach(c.Guest("hv1", "a", n), c.Guest("hv2", "b", n))
}

func TestASecondClaimantOfAHostNameIsRefused(t *testing.T) {
	c := Start(t, "two-node")
	n := c.Network(nil)
	c.dual(n)
	a, b := c.Guest("hv1", "a", n), c.Guest("hv2", "b", n)
	hv1, hv2 := c.Lab.Plan().Hosts[0], c.Lab.Plan().Hosts[1]
	// A machine that was cloned with hv1's name and certificate.
	c.undisturbed(a, b, func() {
		c.Must(c.Lab.Stop(t.Context(), "hv2", "agent", true))
		config, err := os.ReadFile(hv2.Dir + "/agent.yaml")
		c.Must(err)
		clone := strings.ReplaceAll(string(config), "host: hv2", "host: hv1")
		clone = strings.ReplaceAll(clone, hv2.Dir+"/tls", hv1.Dir+"/tls")
		clone = strings.ReplaceAll(clone, "state_dir: "+hv2.Dir+"/agent", "state_dir: "+hv2.Dir+"/clone")
		c.Must(os.WriteFile(hv2.Dir+"/agent.yaml", []byte(clone), 0o644))
		// It may end or go on trying; either way it says why.
		if err := c.Lab.Start(t.Context(), "hv2", "agent"); err != nil && !strings.Contains(err.Error(), "hv1") {
			t.Errorf("the clone's start: %v", err)
		}
		c.Eventually("the clone's log tells of it", func() error {
			log, err := os.ReadFile(hv2.Dir + "/agent.log")
			if err != nil {
				return err
			}
			if !strings.Contains(string(log), "host hv1 is taken") {
				return errors.New("the log says nothing")
			}
			return nil
		})
		c.Eventually("hv1 is alive and in sync", func() error {
			agents, err := c.Lab.API().Agents(t.Context())
			if err != nil {
				return err
			}
			for _, a := range agents {
				if a.Host == "hv1" && a.Ready() {
					return nil
				}
			}
			return fmt.Errorf("agents: %+v", agents)
		})
	})
}

func TestTheAPIRefusesWhatCannotBe(t *testing.T) {
	c := Start(t, "single")
	n := c.Network(provider("vlan", "physnet1", 101))
	s := c.Subnet(n, "10.0.0.0/30") // one address for a guest
	c.Port(n, nil)
	for _, tc := range []struct {
		name   string
		kind   string
		attrs  Attributes
		status int
		word   string
	}{
		{"an invalid CIDR", "subnet", Attributes{"network_id": n.ID, "ip_version": 4, "cidr": "10.0.0.0/99"}, 400, "10.0.0.0/99"},
		{"a gateway inside the pool", "subnet", Attributes{
			"network_id": n.ID, "ip_version": 4, "cidr": "10.1.0.0/24", "gateway_ip": "10.1.0.9",
			"allocation_pools": []Attributes{{"start": "10.1.0.2", "end": "10.1.0.20"}},
		}, 409, "10.1.0.9"},
		{"an exhausted pool", "port", Attributes{"network_id": n.ID}, 409, n.ID},
		{"a segmentation id in use", "network", provider("vlan", "physnet1", 101), 409, "101"},
		{"an unknown network", "port", Attributes{"network_id": "11111111-2222-4333-8444-555555555555"}, 404, "11111111-2222-4333-8444-555555555555"},
		{"an address outside the subnet", "port", Attributes{"network_id": n.ID, "fixed_ips": []Attributes{{"subnet_id": s.ID, "ip_address": "192.0.2.1"}}}, 400, "192.0.2.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := c.Lab.API().Call(t.Context(), "POST", "/v2.0/"+tc.kind+"s", map[string]any{tc.kind: tc.attrs}, nil)
			var refusal *lab.StatusError
			if !errors.As(err, &refusal) {
				t.Fatalf("error %v", err)
			}
			if refusal.Status != tc.status || !strings.Contains(refusal.Body, tc.word) || !strings.Contains(refusal.Body, "NeutronError") {
				t.Errorf("%v; want %d with %q", refusal, tc.status, tc.word)
			}
		})
	}
}
