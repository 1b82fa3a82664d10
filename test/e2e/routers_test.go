package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// outsideAddress is what plays the internet.
const outsideAddress = "203.0.113.200"

// external makes an external flat network of both IP versions, with a machine
// on it that has no port security.
func (c *Cloud) external() (Network, Guest) {
	c.Helper()
	attrs := provider("flat", "physnet1", 0)
	attrs["router:external"] = true
	n := c.Network(attrs)
	c.Subnet(n, "203.0.113.0/24")
	c.Subnet(n, "2001:db8:1::/64")
	p := c.Port(n, Attributes{"name": "outside", "port_security_enabled": false, "fixed_ips": []Attributes{
		{"ip_address": outsideAddress}, {"ip_address": "2001:db8:1::200"},
	}})
	return n, c.Plug("hv2", "outside", p)
}

// open is a port that security groups do not filter.
func (c *Cloud) open(host, name string, n Network) Guest {
	c.Helper()
	return c.Plug(host, name, c.Port(n, Attributes{"name": name, "port_security_enabled": false}))
}

func TestRoutersCarryTenantsOutAndGuestsAreReachedOnFloatingIPs(t *testing.T) {
	t.Parallel()
	c := Start(t, "three-node")
	ext, outside := c.external()
	out4, out6 := outside.IP(4), outside.IP(6)

	blue, green := c.Network(nil), c.Network(nil)
	blue4, blue6 := c.Subnet(blue, "10.10.0.0/24"), c.Subnet(blue, "fd00:10::/64")
	green4 := c.Subnet(green, "10.20.0.0/24")
	a, b := c.open("hv1", "a", blue), c.open("hv2", "b", blue)
	d := c.open("hv2", "d", green)
	r := c.Router(&ext, blue4, blue6, green4)
	fip := c.FloatingIP(ext, &a.Port)
	for _, g := range []Guest{a, b, d, outside} {
		c.Serve(g, 80)
	}
	gw4 := r.External(4)
	// The outside knows the way back to addresses that nobody translates.
	c.Exec("outside", "ip", "-6", "route", "add", "fd00:10::/64", "via", r.External(6).String())

	t.Run("out by the gateway", func(t *testing.T) { c.in(t).SeenAs(b, out4, 80, gw4) })
	t.Run("out by a floating address", func(t *testing.T) { c.in(t).SeenAs(a, out4, 80, fip.Address) })
	t.Run("in by a floating address", func(t *testing.T) { c.in(t).SeenAs(outside, fip.Address, 80, out4) })
	t.Run("between networks", func(t *testing.T) { c.in(t).SeenAs(b, d.IP(4), 80, b.IP(4)) })
	t.Run("to a floating address from within", func(t *testing.T) { c.in(t).SeenAs(d, fip.Address, 80, gw4) })
	t.Run("to its own floating address", func(t *testing.T) { c.in(t).SeenAs(a, fip.Address, 80, fip.Address) })
	t.Run("IPv6 is not translated", func(t *testing.T) {
		c.in(t).SeenAs(a, out6, 80, a.IP(6))
		c.in(t).SeenAs(outside, a.IP(6), 80, out6)
	})
	t.Run("an exempt destination", func(t *testing.T) {
		c := c.in(t)
		c.Exec("outside", "ip", "route", "add", "10.10.0.0/24", "via", gw4.String())
		defer c.Exec("outside", "ip", "route", "del", "10.10.0.0/24")
		c.Update("router", r.ID, Attributes{"lepton_nat_exempt": []string{outsideAddress + "/32"}})
		c.SeenAs(b, out4, 80, b.IP(4))
		c.SeenAs(a, out4, 80, a.IP(4))
		c.SeenAs(outside, fip.Address, 80, out4)
		c.Update("router", r.ID, Attributes{"lepton_nat_exempt": []string{}})
		c.SeenAs(b, out4, 80, gw4)
		c.SeenAs(a, out4, 80, fip.Address)
	})
	t.Run("a forwarded port", func(t *testing.T) {
		c := c.in(t)
		shared := c.FloatingIP(ext, nil)
		c.Must(c.Lab.API().Call(t.Context(), "POST", "/v2.0/floatingips/"+shared.ID+"/port_forwardings", map[string]any{
			"port_forwarding": Attributes{
				"protocol": "tcp", "external_port": 8080, "internal_port": 80,
				"internal_ip_address": d.IP(4).String(), "internal_port_id": d.Port.ID,
			},
		}, nil))
		c.SeenAs(outside, shared.Address, 8080, out4)
		c.Refused(outside, shared.Address, 80)
	})
	t.Run("an agent that restarts loses no packet and no connection", func(t *testing.T) { c.in(t).restartUnderTraffic("net1", outside, fip) })
	t.Run("a floating address moves", func(t *testing.T) { c.in(t).moveFloating(outside, fip, b) })
	t.Run("an interface goes, and the router", func(t *testing.T) { c.in(t).takeDown(r, blue4, blue6, green4) })
}

// restartUnderTraffic restarts the agent of the router's host, twice the hard
// way, while a guest is pinged and a connection is open.
func (c *Cloud) restartUnderTraffic(host string, outside Guest, fip FloatingIP) {
	c.Helper()
	conn, _, err := c.Dial(outside, fip.Address, 80)
	c.Must(err)
	defer conn.Close()
	done := make(chan lab.PingResult)
	go func() {
		r, _ := outside.Ping(c.Context(), fip.Address, lab.Ping{Count: 300, Interval: 10 * time.Millisecond})
		done <- r
	}()
	for range 2 {
		c.Restart(host, "agent", true)
	}
	if r := <-done; r.Lost() > 0 || r.Sent == 0 {
		c.Errorf("across restarts of the agent: %s", r)
	}
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	var word string
	if _, err := fmt.Fprintln(conn, "alive"); err != nil {
		c.Error(err)
	} else if _, err := fmt.Fscan(conn, &word); err != nil || word != "alive" {
		c.Errorf("the connection is gone: %q, %v", word, err)
	}
}

// moveFloating gives the address to another guest while the first one uses it
// and somebody pings it.
func (c *Cloud) moveFloating(outside Guest, fip FloatingIP, to Guest) {
	c.Helper()
	old, _, err := c.Dial(outside, fip.Address, 80)
	c.Must(err)
	defer old.Close()
	const interval = 5 * time.Millisecond
	done := make(chan lab.PingResult)
	go func() {
		r, _ := outside.Ping(c.Context(), fip.Address, lab.Ping{Count: 300, Interval: interval, Timeout: interval})
		done <- r
	}()
	time.Sleep(300 * time.Millisecond)
	c.Update("floatingip", fip.ID, Attributes{"port_id": to.Port.ID})
	began := time.Now()
	c.SeenAs(to, netip.MustParseAddr(outsideAddress), 80, fip.Address)
	if took := time.Since(began); took > time.Second {
		c.Errorf("the address was %s on its way", took)
	}
	if r := <-done; r.Sent < 300 || time.Duration(r.Lost())*interval > time.Second/2 {
		c.Errorf("pinged while it moved: %s", r)
	} else {
		c.Logf("%d of %d pings lost while it moved, one every %s", r.Lost(), r.Sent, interval)
	}
	c.SeenAs(outside, fip.Address, 80, outside.IP(4))
	// The connection to the guest that had it is over.
	c.Eventually("the old connection to end", func() error {
		_ = old.SetDeadline(time.Now().Add(300 * time.Millisecond))
		var word string
		_, _ = fmt.Fprintln(old, "anybody")
		if n, _ := fmt.Fscan(old, &word); n != 0 {
			return fmt.Errorf("the guest that had the address still answers: %q", word)
		}
		return nil
	})
}

// takeDown deletes the router and demands that nothing of it stays.
func (c *Cloud) takeDown(r Router, subnets ...Subnet) {
	c.Helper()
	c.DeleteFloatingIPs()
	for _, s := range subnets {
		c.RemoveInterface(r, s)
	}
	c.Delete("router", r.ID)
	c.Eventually("the router to go", func() error {
		if _, err := os.Stat("/run/netns/qrouter-" + r.ID); err == nil {
			return fmt.Errorf("namespace qrouter-%s is there", r.ID)
		}
		if ports := c.Exec("net1", "ovs-vsctl", "list-ports", "br-int"); strings.Contains(ports, "qr-") || strings.Contains(ports, "qg-") {
			return fmt.Errorf("br-int has %s", ports)
		}
		return nil
	})
}

func TestRoutersOfTheSameAddressesDoNotMeet(t *testing.T) {
	t.Parallel()
	c := Start(t, "three-node")
	ext, outside := c.external()
	c.Serve(outside, 80)
	for i := range 2 {
		n := c.Network(nil)
		s := c.Subnet(n, "10.0.0.0/24")
		g := c.Plug(fmt.Sprintf("hv%d", i+1), fmt.Sprintf("g%d", i), c.Port(n, Attributes{
			"port_security_enabled": false, "fixed_ips": []Attributes{{"ip_address": "10.0.0.9"}},
		}))
		c.Serve(g, 80)
		r := c.Router(&ext, s)
		c.SeenAs(g, outside.IP(4), 80, r.External(4))
		fip := c.FloatingIP(ext, &g.Port)
		c.SeenAs(outside, fip.Address, 80, outside.IP(4))
		c.SeenAs(g, outside.IP(4), 80, fip.Address)
	}
}

// twoGateways is two network nodes and a compute node.
const twoGateways = `
physical_networks: [{name: physnet1}]
hosts:
  - { name: net1, roles: [controller, network] }
  - { name: net2, roles: [network] }
  - { name: hv2, roles: [compute] }
`

func TestARouterMovesToAnotherHostWithItsFloatingIPs(t *testing.T) {
	c := Start(t, twoGateways)
	ext, outside := c.external()
	n := c.Network(nil)
	s := c.Subnet(n, "10.0.0.0/24")
	g := c.open("hv2", "g", n)
	r := c.Router(&ext, s)
	fip := c.FloatingIP(ext, &g.Port)
	c.Serve(g, 80)
	c.Serve(outside, 80)
	c.SeenAs(outside, fip.Address, 80, outside.IP(4))
	agents := c.l3Agents()
	var from, to string
	for host, id := range agents {
		var has struct{ Routers []Router }
		c.Must(c.Lab.API().Call(t.Context(), "GET", "/v2.0/agents/"+id+"/l3-routers", nil, &has))
		if len(has.Routers) == 1 {
			from = host
		} else {
			to = host
		}
	}
	if from == "" || to == "" {
		t.Fatalf("of %v, %q has the router and %q not", agents, from, to)
	}
	const interval = 20 * time.Millisecond
	done := make(chan lab.PingResult)
	go func() {
		r, _ := outside.Ping(c.Context(), fip.Address, lab.Ping{Count: 150, Interval: interval})
		done <- r
	}()
	c.Must(c.Lab.API().Call(t.Context(), "DELETE", "/v2.0/agents/"+agents[from]+"/l3-routers/"+r.ID, nil, nil))
	c.Must(c.Lab.API().Call(t.Context(), "POST", "/v2.0/agents/"+agents[to]+"/l3-routers", map[string]any{"router_id": r.ID}, nil))
	if r := <-done; r.Sent < 100 || time.Duration(r.Lost())*interval > time.Second {
		t.Errorf("more than a second lost on the way: %s", r)
	} else {
		t.Logf("%d of %d pings lost on the way, one every %s", r.Lost(), r.Sent, interval)
	}
	c.SeenAs(outside, fip.Address, 80, outside.IP(4))
	c.Eventually("the first host to let go", func() error {
		if ports := c.Exec(from, "ovs-vsctl", "list-ports", "br-int"); strings.Contains(ports, "qr-") {
			return fmt.Errorf("br-int has %s", ports)
		}
		return nil
	})
	c.SeenAs(g, outside.IP(4), 80, fip.Address)
}

// l3Agents gives the ids of the L3 agents, by host.
func (c *Cloud) l3Agents() map[string]string {
	c.Helper()
	var answer struct {
		Agents []struct {
			ID   string `json:"id"`
			Host string `json:"host"`
		}
	}
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/agents?binary=neutron-l3-agent", nil, &answer))
	out := map[string]string{}
	for _, a := range answer.Agents {
		out[a.Host] = a.ID
	}
	return out
}
