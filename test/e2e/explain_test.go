package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// explanation is what extension lepton-explain says, as far as it is looked at.
type explanation struct {
	Verdict  string `json:"verdict"`
	Text     string `json:"text"`
	Decision struct {
		Direction string `json:"direction"`
		Reason    string `json:"reason"`
		Object    struct {
			Kind string `json:"kind"`
			ID   string `json:"id"`
		} `json:"object"`
	} `json:"decision"`
	Nearest *struct {
		Rule    struct{ ID string } `json:"rule"`
		Differs []string            `json:"differs"`
	} `json:"nearest"`
	Pending  []struct{ Host, Text string } `json:"pending"`
	Warnings []string                      `json:"warnings"`
	Forward  []explainedStep               `json:"forward"`
	Reply    []explainedStep               `json:"reply"`
}

type explainedStep struct{ Kind, Host, Text string }

// hosts gives the hosts of the stages of a kind, in both directions.
func (e *explanation) hosts(kind string) (hosts []string) {
	for _, s := range append(slices.Clone(e.Forward), e.Reply...) {
		if s.Kind == kind {
			hosts = append(hosts, s.Host)
		}
	}
	return hosts
}

// by is what decides, in short.
func (e *explanation) by() string {
	return e.Decision.Reason + " " + e.Decision.Object.Kind + " " + e.Decision.Object.ID
}

func (c *Cloud) explanation(from Guest, to, network string, port int) explanation {
	c.Helper()
	q := url.Values{"from": {from.Port.ID}, "to": {to}}
	if network != "ping" {
		q.Set("protocol", network)
		q.Set("port", fmt.Sprint(port))
	}
	return c.asked(q)
}

// asked is the explanation that a query gives.
func (c *Cloud) asked(q url.Values) explanation {
	c.Helper()
	var answer struct {
		Explain explanation `json:"lepton_explain"`
	}
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/lepton-explain?"+q.Encode(), nil, &answer))
	return answer.Explain
}

// What is explained is what packets do, on the way over one host, tunnels, a VLAN,
// routers on one host and on many, with and without translation; and what decides
// it is named.
func TestExplanationsAreWhatPacketsDo(t *testing.T) {
	t.Parallel()
	c := Start(t, routingHosts)
	ext, outside := c.external()
	blue, green, vlan := c.Network(Attributes{"name": "blue"}), c.Network(nil), c.Network(provider("vlan", "physnet1", 150))
	blue4, green4 := c.Subnet(blue, "10.10.0.0/24"), c.Subnet(green, "10.20.0.0/24")
	c.Subnet(vlan, "10.30.0.0/24")
	far, farther := c.Network(nil), c.Network(nil)
	far4, farther4 := c.Subnet(far, "10.40.0.0/24"), c.Subnet(farther, "10.50.0.0/24")
	web, friends, mute := c.SecurityGroup("web"), c.SecurityGroup("friends"), c.SecurityGroup("mute")
	a, b := c.GuestIn("hv1", "a", blue, web), c.GuestIn("hv1", "b", blue, web)
	d, e := c.GuestIn("hv2", "d", blue, web), c.GuestIn("hv2", "e", green, web, friends)
	v, w := c.GuestIn("hv1", "v", vlan, web), c.GuestIn("hv2", "w", vlan, web)
	m := c.GuestIn("hv2", "m", blue, mute)
	x, y := c.GuestIn("hv1", "x", far, web), c.GuestIn("hv2", "y", farther, web)
	for _, id := range c.rulesOf(mute) {
		c.Delete("security_group_rule", id)
	}
	http := c.Rule("hv2", web, Attributes{"protocol": "tcp", "port_range_min": 80, "port_range_max": 80})
	ofFriends := c.Rule("hv2", web, Attributes{"protocol": "udp", "remote_group_id": friends})
	r := c.Router(&ext, blue4, green4)
	dvr := c.DistributedRouter(&ext, far4, farther4)
	fip, own := c.FloatingIP(ext, &d.Port), c.FloatingIP(ext, &x.Port) // own is translated on its guest's host
	all := []Guest{a, b, d, e, v, w, x, y, outside}
	for _, g := range all {
		c.Echo(g, 53, 80, 81)
	}
	c.settle(r, dvr)
	c.Eventually("the floating address answers", func() error {
		if !c.answersAt(outside, fip.Address, "tcp", 80) || !c.answersAt(outside, own.Address, "tcp", 80) {
			return errors.New("no answer")
		}
		return nil
	})
	c.Eventually("guests of the distributed router get out", func() error {
		if !c.answersAt(y, outside.IP(4), "tcp", 80) || !c.answersAt(x, y.IP(4), "tcp", 80) {
			return errors.New("no answer")
		}
		return nil
	})

	rule := func(id string) string { return "delivered security_group_rule " + id }
	port := func(reason string, g Guest) string { return reason + " port " + g.Port.ID }
	cases := []struct {
		from    Guest
		to      netip.Addr
		network string
		port    int
		by      string // "" for what the test does not know
	}{
		{a, b.IP(4), "tcp", 80, rule(http)},
		{a, b.IP(4), "tcp", 81, port("security_group", b)},
		{a, d.IP(4), "tcp", 80, rule(http)},
		{a, d.IP(4), "udp", 53, port("security_group", d)},
		{a, d.IP(4), "ping", 0, port("security_group", d)},
		{m, d.IP(4), "tcp", 80, port("security_group", m)},
		{v, w.IP(4), "tcp", 80, rule(http)},
		{v, w.IP(4), "tcp", 81, port("security_group", w)},
		{a, e.IP(4), "tcp", 80, rule(http)},
		{a, e.IP(4), "udp", 53, port("security_group", e)},
		{e, a.IP(4), "udp", 53, rule(ofFriends)},
		{e, d.IP(4), "udp", 53, rule(ofFriends)},
		{x, y.IP(4), "tcp", 80, rule(http)},
		{x, y.IP(4), "tcp", 81, port("security_group", y)},
		{a, outside.IP(4), "tcp", 80, ""},
		{d, outside.IP(4), "tcp", 80, ""},
		{y, outside.IP(4), "tcp", 80, ""},
		{v, outside.IP(4), "tcp", 80, ""},
		{outside, fip.Address, "tcp", 80, rule(http)},
		{outside, fip.Address, "tcp", 81, port("security_group", d)},
		{a, fip.Address, "tcp", 80, rule(http)},
		{x, fip.Address, "tcp", 80, rule(http)},
		{outside, own.Address, "tcp", 80, rule(http)},
		{outside, own.Address, "udp", 53, port("security_group", x)},
		{x, outside.IP(4), "tcp", 80, ""},
		{y, own.Address, "tcp", 80, rule(http)},
		{a, own.Address, "tcp", 80, rule(http)},
		{a, x.IP(4), "tcp", 80, ""},
		{outside, a.IP(4), "tcp", 80, ""},
		{a, netip.MustParseAddr("10.10.0.1"), "ping", 0, ""},
		{a, netip.MustParseAddr("10.10.0.1"), "tcp", 80, "not_forwarded router " + r.ID},
		{a, netip.MustParseAddr("10.10.0.250"), "ping", 0, "unknown_destination network " + blue.ID},
		{x, netip.MustParseAddr("10.40.0.1"), "ping", 0, ""},
	}
	for _, tc := range cases {
		t.Run(fmt.Sprintf("%s to %s by %s %d", tc.from.Guest.Name, tc.to, tc.network, tc.port), func(t *testing.T) {
			c := c.in(t)
			said := c.explanation(tc.from, tc.to.String(), tc.network, tc.port)
			if real := c.answersAt(tc.from, tc.to, tc.network, tc.port); real != (said.Verdict == "passes") {
				t.Errorf("packets pass: %v, it is explained: %s", real, said.Text)
			}
			if tc.by != "" && said.by() != tc.by {
				t.Errorf("%s decides, want %s: %s", said.by(), tc.by, said.Text)
			}
			if len(said.Pending) > 0 {
				t.Errorf("hosts are said to be behind: %v", said.Pending)
			}
		})
	}
	t.Run("hosts of a distributed router", func(t *testing.T) { c.in(t).explainsReplicas(x, y, outside, own.Address) })
	t.Run("switched off", func(t *testing.T) { c.in(t).explainsDown(a, b) })
	t.Run("the command", func(t *testing.T) { c.in(t).explainsByCommand(blue, a, d, http) })
}

func (c *Cloud) rulesOf(group string) (ids []string) {
	c.Helper()
	var answer struct {
		Rules []struct{ ID string } `json:"security_group_rules"`
	}
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/security-group-rules?security_group_id="+group, nil, &answer))
	for _, r := range answer.Rules {
		ids = append(ids, r.ID)
	}
	return ids
}

// settle waits until hosts have the routers.
func (c *Cloud) settle(routers ...Router) {
	c.Helper()
	for _, r := range routers {
		c.Eventually("the router is realised", func() error {
			var answer struct {
				R struct{ Realized bool } `json:"lepton_realization"`
			}
			if err := c.Lab.API().Call(c.Context(), "GET", "/v2.0/routers/"+r.ID+"/lepton-realization", nil, &answer); err != nil {
				return err
			}
			if !answer.R.Realized {
				return fmt.Errorf("router %s is not", r.ID)
			}
			return nil
		})
	}
}

// explainsDown: a port that is switched off is the reason, and then its host says
// that it is not wired.
func (c *Cloud) explainsDown(from, to Guest) {
	c.Helper()
	c.Update("port", to.Port.ID, Attributes{"admin_state_up": false})
	c.Eventually("nothing passes", func() error {
		if c.answersAt(from, to.IP(4), "tcp", 80) {
			return errors.New("it answers")
		}
		return nil
	})
	if said := c.explanation(from, to.Port.ID, "tcp", 80); said.Verdict != "dropped" || said.by() != "port_down port "+to.Port.ID {
		c.Errorf("%s: %s", said.by(), said.Text)
	}
}

// explainsByCommand runs leptonctl as an operator does.
func (c *Cloud) explainsByCommand(network Network, from, to Guest, rule string) {
	c.Helper()
	ctl, err := c.Lab.Place("ctl")
	c.Must(err)
	run := func(code int, words string, want ...string) {
		c.Helper()
		ctx, cancel := context.WithTimeout(c.Context(), patience)
		defer cancel()
		cmd := ctl.Command(ctx, append([]string{filepath.Join(BinDir(), "leptonctl")}, strings.Fields(words)...)...)
		out, err := cmd.Run()
		var exit *exec.ExitError
		if got := cmd.ProcessState.ExitCode(); got != code || err != nil && !errors.As(err, &exit) {
			c.Errorf("leptonctl %s exits %d, want %d: %v\n%s", words, got, code, err, out)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				c.Errorf("leptonctl %s does not tell %q:\n%s", words, w, out)
			}
		}
	}
	run(0, "explain --from a --to d --proto tcp --port 80", "PASSES", "security group rule "+rule, "vxlan tunnel")
	run(8, "explain --from a --to d --proto tcp --port 81 -v", "DROPPED", "nearest rule", rule, "its ports are 80, not 81", "openstack security group rule create", "ingress_rules")
	run(8, "explain --from "+from.Port.ID[:13]+" --to "+to.IP(4).String()+" -o json", `"reason": "security_group"`)
	run(3, "explain --from nobody --to d", "no port has the id")
	run(2, "explain --from a --to d --proto tcp", "port", "is needed")
	run(10, "explain --api http://127.0.0.1:1 --from a --to d", "--api names another address")
	c.AwaitInSync("hv1", "hv2", "net1")
	run(0, "status", "ctl (answers)", "embedded", "hv2", "all is well")
	run(0, "ports --host hv2 --network blue", to.Port.ID, to.IP(4).String(), "ACTIVE")
	run(3, "ports --host hv9 --not-wired", `no host is called "hv9"`)
	run(0, "ports --host hv2 --not-wired", "all ports that should be wired are")
	ghost := c.Port(network, Attributes{"name": "ghost", "binding:host_id": "hv2", "device_owner": "compute:nova"})
	run(8, "status", "1 not wired", "port "+ghost.ID+" on hv2 is not wired")
	run(0, "ports --not-wired", ghost.ID, "ghost", "is not wired")
	run(8, "explain --from a --to ghost", "ghost is not wired")
}

// explainsReplicas: the hosts that are said to route are those that packets visit.
func (c *Cloud) explainsReplicas(x, y, outside Guest, own netip.Addr) {
	c.Helper()
	for _, tc := range []struct {
		from  Guest
		to    netip.Addr
		hosts []string // that route, there and back
	}{
		{x, y.IP(4), []string{"hv1", "hv2"}},
		{y, outside.IP(4), []string{"hv2", "net1", "net1"}},
		{outside, own, []string{"hv1", "hv1"}},
		{x, outside.IP(4), []string{"hv1", "hv1"}},
	} {
		said := c.explanation(tc.from, tc.to.String(), "tcp", 80)
		visits := c.crossing("net1", tc.to)
		passes := c.answersAt(tc.from, tc.to, "tcp", 80)
		seen := visits() > 0
		if !passes || said.Verdict != "passes" || !slices.Equal(said.hosts("router"), tc.hosts) || seen != slices.Contains(tc.hosts, "net1") {
			c.Errorf("%s to %s: passes %v, visits the router's home %v; it is said that %v route: %s",
				tc.from.Guest.Name, tc.to, passes, seen, said.hosts("router"), said.Text)
		}
	}
}
