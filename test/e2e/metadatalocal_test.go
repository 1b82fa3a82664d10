package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/lepton-sdn/lepton/lab"
)

// Each host answers its own guests: there are neither routers nor DHCP servers,
// two networks have the same addresses, and groups admit nothing.
func TestHostsAnswerTheirOwnGuestsForMetadata(t *testing.T) {
	t.Parallel()
	topo, err := lab.LoadTopology("two-node")
	if err != nil {
		t.Fatal(err)
	}
	topo.Agent = map[string]any{"roles": []string{"l2", "metadata"}, "metadata": map[string]any{"mode": "local"}}
	c := StartTopology(t, topo)
	var guests []Guest
	hosts := []string{"hv1", "hv1", "hv2"}
	for i, name := range []string{"red", "blue", "green"} {
		n := c.Network(Attributes{"name": name})
		s6 := c.Subnet(n, "fd00:10::/64")
		c.Subnet(n, "10.10.0.0/24")
		attrs := Attributes{"name": name, "fixed_ips": []Attributes{{"ip_address": "10.10.0.5"}, {"subnet_id": s6.ID}}, "security_groups": []string{}}
		if name == "green" {
			attrs["port_security_enabled"] = false
		}
		p := c.Port(n, attrs)
		g := c.Plug(hosts[i], name, p)
		c.Exec(name, "ip", "route", "add", "169.254.169.254/32", "dev", "eth0")
		c.Instance(Attributes{"name": name}, g)
		guests = append(guests, g)
	}
	for i, g := range guests {
		want := g.Guest.Name + ".openstacklocal"
		c.Told(g, metadata4+"/latest/meta-data/hostname", want)
		c.Told(g, metadata6+"/latest/meta-data/hostname", want)
		said := c.explanation(g, "fe80::a9fe:a9fe", "tcp", 80)
		if said.Verdict != "passes" || strings.Join(said.hosts("metadata"), " ") != hosts[i] {
			t.Errorf("%s on %s: it is said: %s, proxy on %v", g.Guest.Name, hosts[i], said.Text, said.hosts("metadata"))
		}
	}
	t.Run("without the agent, and after its restart", func(t *testing.T) {
		c := c.in(t)
		flows := c.Flows("hv1", "br-int")
		c.Must(c.Lab.Stop(t.Context(), "hv1", "agent", true))
		for _, g := range guests[:2] {
			if got, err := c.Get(g, metadata4+"/latest/meta-data/hostname"); err != nil || got != g.Guest.Name+".openstacklocal" {
				t.Errorf("%s: %q %v", g.Guest.Name, got, err)
			}
		}
		c.Must(c.Lab.Start(t.Context(), "hv1", "agent"))
		c.Eventually("the agent in sync", func() error {
			p, err := c.Lab.Place("hv1")
			if err != nil {
				return err
			}
			out, err := p.Exec(t.Context(), "curl", "-s", "http://127.0.0.1:9699/metrics")
			if err == nil && !strings.Contains(out, "lepton_agent_in_sync 1") {
				err = errors.New("it is not")
			}
			return err
		})
		if now := c.Flows("hv1", "br-int"); strings.Join(now, "\n") != strings.Join(flows, "\n") {
			t.Errorf("flows before and after a restart differ: %d and %d", len(flows), len(now))
		}
	})
	defer t.Run("a host that no longer answers", func(t *testing.T) { c.in(t).answersNoMore("hv2", guests[2]) })
	t.Run("a guest with another's address is nobody", func(t *testing.T) {
		c := c.in(t)
		c.Exec("red", "ip", "address", "add", "10.10.0.99/24", "dev", "eth0")
		c.Exec("red", "ip", "route", "replace", "169.254.169.254/32", "dev", "eth0", "src", "10.10.0.99")
		if got, err := c.Get(guests[0], metadata4+"/latest/meta-data/hostname"); err == nil {
			t.Errorf("it is told %q", got)
		}
		c.Exec("red", "ip", "route", "replace", "169.254.169.254/32", "dev", "eth0", "src", "10.10.0.5")
		c.Told(guests[0], metadata4+"/latest/meta-data/hostname", "red.openstacklocal")
	})
}

// answersNoMore takes the role from a host, and demands that nothing stays of it.
func (c *Cloud) answersNoMore(host string, g Guest) {
	c.Helper()
	pid := c.proxy(host)
	for _, h := range c.Lab.Plan().Hosts {
		if h.Name != host {
			continue
		}
		path := filepath.Join(h.Dir, "agent.yaml")
		b, err := os.ReadFile(path)
		c.Must(err)
		c.Must(os.WriteFile(path, regexp.MustCompile(`(?m)^ *- metadata\n`).ReplaceAll(b, nil), 0o600))
	}
	c.Restart(host, "agent", false)
	c.Eventually("the end of the proxy", func() error {
		if syscall.Kill(pid, 0) == nil {
			return fmt.Errorf("process %d is there", pid)
		}
		if out := c.Exec(host, "ovs-vsctl", "list-ports", "br-int"); strings.Contains(out, "lepton-md") {
			return fmt.Errorf("ports %s", out)
		}
		if flows := strings.Join(c.Flows(host, "br-int"), "\n"); strings.Contains(flows, "cookie=0x1e12") {
			return errors.New("its flows are there")
		}
		return nil
	})
	if got, err := c.Get(g, metadata4+"/latest/meta-data/hostname"); err == nil {
		c.Errorf("the guest is told %q", got)
	}
}
