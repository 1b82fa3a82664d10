package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/lepton-sdn/lepton/lab"
)

// badInput has few of everything that can run out, a host hv2 whose agent maps
// a physical network to a bridge that nobody has made, and a host twin that a
// test gives another's name.
const badInput = `
physical_networks: [{name: physnet1}, {name: physnet2}]
tunnel_types: [vxlan]
controller:
  network:
    vxlan: { vni_ranges: ["4001:4004"] }
    vlan: { network_vlan_ranges: ["physnet1:100:200", "physnet2:100:200", "physnet3:100:200"] }
hosts:
  - { name: net1, roles: [controller, network] }
  - { name: hv1, roles: [compute] }
  - name: hv2
    roles: [compute]
    agent: { ovs: { bridge_mappings: { physnet1: br-physnet1, physnet2: br-late } } }
  - { name: twin, roles: [compute] }
`

func TestBadInputDisturbsNobody(t *testing.T) {
	t.Parallel()
	c := Start(t, badInput)
	// Not a tunnel: when a link comes or goes, Open vSwitch's own tunnels have no
	// routes for some milliseconds.
	n := c.Network(provider("vlan", "physnet1", 199))
	c.dual(n)
	a, b := c.Guest("hv1", "a", n), c.Guest("hv2", "b", n)
	for _, tc := range []struct {
		name string
		do   func(c *Cloud, n Network)
	}{
		{"requests that cannot be met", refusedRequests},
		{"a port bound where its network is not", unboundPorts},
		{"an iface-id that no port has", strangeInterface},
		{"a MAC that differs from the record", strangeMAC},
		{"two interfaces with one iface-id", twoInterfaces},
		{"a port plugged on another host than bound to", plugAbroad},
		{"a bridge mapping to a bridge that comes late", lateBridge},
		{"a port plugged a second time", plugTwice},
		{"two agents with one host name", twinAgents},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := c.in(t)
			defer c.flowing(a, b)()
			tc.do(c, n)
		})
	}
}

// flowing starts a stream and gives the function that ends it and fails the
// test when a packet was lost. One in 4 ms shows every gap that matters, and
// does not fill the switch's buffers when the machine is busy.
func (c *Cloud) flowing(from, to Guest) func() {
	c.Helper()
	s, err := lab.StartStream(c.Context(), lab.Flow{
		From: from.Place, To: to.Place, Interval: 4 * time.Millisecond,
		Address: netip.AddrPortFrom(to.IP(4), 5001),
	})
	c.Must(err)
	return func() {
		c.Helper()
		r, err := s.Stop()
		if err != nil || r.Lost() > 0 || r.Duplicates > 0 {
			c.Errorf("packets from %s to %s were lost: %+v, %v", from.Guest.Name, to.Guest.Name, r, err)
		}
	}
}

// neutronError is the API's body of a refusal.
type neutronError struct {
	NeutronError struct{ Type, Message, Detail string }
}

// refuse sends a request that must be refused in Neutron's form, with each of
// the words in its message.
func (c *Cloud) refuse(kind string, attrs Attributes, status int, typ string, words ...string) {
	c.Helper()
	err := c.Lab.API().Call(c.Context(), "POST", "/v2.0/"+kind+"s", map[string]any{kind: attrs}, nil)
	var refusal *lab.StatusError
	if !errors.As(err, &refusal) {
		c.Errorf("%s %v: %v, want a refusal", kind, attrs, err)
		return
	}
	var body neutronError
	if err := json.Unmarshal([]byte(refusal.Body), &body); err != nil || refusal.Status != status || body.NeutronError.Type != typ {
		c.Errorf("%s %v: %v, want %d %s", kind, attrs, refusal, status, typ)
	}
	for _, w := range words {
		if !strings.Contains(body.NeutronError.Message, w) {
			c.Errorf("%s %v: message %q does not name %q", kind, attrs, body.NeutronError.Message, w)
		}
	}
}

// everything is what the API shows of all records.
func (c *Cloud) everything() map[string]any {
	c.Helper()
	all := map[string]any{}
	for _, kind := range []string{"networks", "subnets", "ports", "security-groups", "security-group-rules", "network-ip-availabilities"} {
		var answer map[string]any
		c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/"+kind, nil, &answer))
		maps.Copy(all, answer)
	}
	return all
}

func refusedRequests(c *Cloud, n Network) {
	vlan := c.Network(provider("vlan", "physnet1", 150))
	c.Subnet(vlan, "192.0.2.0/30") // one address beside the gateway's
	c.Port(vlan, nil)
	tunnel := c.Network(nil)
	for range 3 {
		c.Network(nil) // now all VNIs are taken
	}
	before := c.everything()
	subnet := func(net Network, cidr string, more Attributes) Attributes {
		s := Attributes{"network_id": net.ID, "ip_version": 4, "cidr": cidr}
		maps.Copy(s, more)
		return s
	}
	nobody := "00000000-0000-4000-8000-000000000000"

	c.refuse("subnet", subnet(n, "10.300.0.0/24", nil), 400, "HTTPBadRequest", "cidr", "10.300.0.0/24")
	c.refuse("subnet", subnet(n, "fd00:77::/64", nil), 400, "InvalidInput", "fd00:77::/64")
	c.refuse("subnet", subnet(n, "10.0.0.128/25", nil), 400, "InvalidInput", "10.0.0.128/25", "10.0.0.0/24")
	c.refuse("subnet", subnet(n, "10.7.0.0/24", Attributes{
		"gateway_ip": "10.7.0.5", "allocation_pools": []Attributes{{"start": "10.7.0.2", "end": "10.7.0.9"}},
	}), 409, "GatewayConflictWithAllocationPools", "10.7.0.5", "10.7.0.2-10.7.0.9")
	c.refuse("subnet", subnet(n, "10.7.0.0/24", Attributes{
		"allocation_pools": []Attributes{{"start": "10.8.0.2", "end": "10.8.0.9"}},
	}), 400, "OutOfBoundsAllocationPool", "10.8.0.2", "10.7.0.0/24")
	c.refuse("subnet", subnet(Network{ID: nobody}, "10.7.0.0/24", nil), 404, "NetworkNotFound", nobody)

	c.refuse("port", Attributes{"network_id": vlan.ID}, 409, "IpAddressGenerationFailure", vlan.ID)
	c.refuse("port", Attributes{"network_id": n.ID, "mac_address": "fa:16"}, 400, "HTTPBadRequest", "mac_address", "fa:16")
	c.refuse("port", Attributes{"network_id": n.ID, "fixed_ips": []Attributes{{"ip_address": "10.99.0.1"}}},
		400, "InvalidIpForNetwork", "10.99.0.1")
	c.refuse("port", Attributes{"network_id": n.ID, "security_groups": []string{nobody}}, 404, "SecurityGroupNotFound", nobody)
	c.refuse("port", Attributes{"network_id": nobody}, 404, "NetworkNotFound", nobody)

	c.refuse("network", Attributes{}, 503, "NoNetworkAvailable", "No tenant network is available")
	c.refuse("network", provider("vlan", "physnet1", 150), 409, "VlanIdInUse", "150", "physnet1")
	c.refuse("network", provider("vxlan", "", tunnel.SegmentationID), 409, "TunnelIdInUse", fmt.Sprint(tunnel.SegmentationID))
	c.refuse("network", provider("vlan", "physnet9", 150), 400, "InvalidInput", "physnet9")
	c.refuse("network", provider("vlan", "physnet1", 5000), 400, "InvalidInput", "segmentation_id 5000 is out of range (1 through 4094)")
	c.refuse("network", Attributes{"colour": "blue"}, 400, "HTTPBadRequest", "colour")

	if diff := cmp.Diff(before, c.everything()); diff != "" {
		c.Errorf("refused requests left something behind:\n%s", diff)
	}
}

func unboundPorts(c *Cloud, n Network) {
	nowhere := c.Network(provider("vlan", "physnet3", 0))
	for _, tc := range []struct {
		net  Network
		host string
	}{{nowhere, "hv1"}, {n, "nosuch"}} {
		p := c.Port(tc.net, Attributes{"binding:host_id": tc.host})
		if p.VIFType != "binding_failed" || p.Status != "DOWN" {
			c.Errorf("bound to %s: %+v", tc.host, p)
		}
		// It can be bound where the network is, or unbound.
		c.Update("port", p.ID, Attributes{"binding:host_id": ""})
		if p := c.ShowPort(p.ID); p.VIFType != "unbound" {
			c.Errorf("unbound again: %+v", p)
		}
		c.Delete("port", p.ID)
	}
}

// plugTap gives br-int of the host a tap without a guest, as an operator or a
// broken orchestrator does. It is one end of a pair: making an internal port
// costs packets of others in Open vSwitch itself. No MAC: none is said.
func (c *Cloud) plugTap(host, name, port, mac string) {
	c.Helper()
	c.Exec(host, "ip", "link", "add", name, "type", "veth", "peer", "name", "p-"+name)
	argv := []string{
		"ovs-vsctl", "add-port", "br-int", name, "--", "set", "Interface", name,
		"external_ids:iface-id=" + port, "external_ids:iface-status=active",
	}
	if mac != "" {
		argv = append(argv, `external_ids:attached-mac="`+mac+`"`)
	}
	c.Exec(host, argv...)
}

func (c *Cloud) unplugTap(host, name string) {
	c.Helper()
	c.Exec(host, "ovs-vsctl", "del-port", "br-int", name)
	c.Exec(host, "ip", "link", "del", name)
}

// problem waits until leptonctl shows a problem of the host with all the words,
// as a table and as JSON, or when there are no words none at all.
func (c *Cloud) problem(host string, words ...string) {
	c.Helper()
	var agents []lab.Agent
	c.Eventually("problems of "+host, func() error {
		out, code := run(c, "leptonctl", "--dir", filepath.Dir(c.Lab.Dir()), "agents", "--lab", c.Lab.Name(), "-o", "json")
		if err := json.Unmarshal([]byte(out), &agents); code != 0 || err != nil {
			return fmt.Errorf("agents -o json exits %d, %v: %s", code, err, out)
		}
		i := slices.IndexFunc(agents, func(a lab.Agent) bool { return a.Host == host })
		if i < 0 || !agents[i].Alive {
			return fmt.Errorf("no agent is alive on %s: %s", host, out)
		}
		// Bridges that the test makes and deletes are drift too, for some time.
		said := slices.DeleteFunc(agents[i].Configurations.Problems, func(p string) bool { return strings.HasPrefix(p, "drift: ") })
		if len(words) == 0 && len(said) == 0 || slices.ContainsFunc(said, func(p string) bool { return hasAll(p, words) }) {
			return nil
		}
		return fmt.Errorf("problems are %q, want %q", said, words)
	})
	table, code := run(c, "leptonctl", "--dir", filepath.Dir(c.Lab.Dir()), "agents", "--lab", c.Lab.Name())
	shown := slices.ContainsFunc(strings.Split(table, "\n"), func(l string) bool {
		return strings.HasPrefix(l, host+": ") && !strings.HasPrefix(l, host+": drift") && (len(words) == 0 || hasAll(l, words))
	})
	if code != 0 || shown != (len(words) > 0) {
		c.Errorf("agents exits %d and shows, of %s and %q:\n%s", code, host, words, table)
	}
}

func hasAll(text string, words []string) bool {
	return len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func strangeInterface(c *Cloud, _ Network) {
	stranger := "11111111-2222-4333-8444-555555555555"
	c.plugTap("hv1", "tapstranger", stranger, "")
	c.problem("hv1", "interface tapstranger", stranger, "is not a port bound to host hv1")
	c.logged(filepath.Join(c.Lab.Dir(), "hv1", "agent.log"), `"object": "interface tapstranger", "text": "iface-id `+stranger)
	c.plugTap("hv1", "tapodd", "no-uuid", "fa:16:3e:00:00:98")
	c.problem("hv1", "interface tapodd", "no-uuid")
	c.unplugTap("hv1", "tapstranger")
	c.unplugTap("hv1", "tapodd")
	c.problem("hv1")
}

func strangeMAC(c *Cloud, n Network) {
	p := c.Port(n, Attributes{"binding:host_id": "hv1"})
	c.plugTap("hv1", "tapmac", p.ID, "fa:16:3e:00:00:97")
	c.problem("hv1", "port "+p.ID, "interface tapmac", "attached-mac fa:16:3e:00:00:97", "mac_address is "+p.MAC)
	if p := c.ShowPort(p.ID); p.Status == "ACTIVE" {
		c.Errorf("a port with a foreign MAC is %s", p.Status)
	}
	c.Exec("hv1", "ovs-vsctl", "set", "Interface", "tapmac", "external_ids:attached-mac=not-a-mac")
	c.problem("hv1", "interface tapmac", "attached-mac", "not-a-mac")
	c.Exec("hv1", "ovs-vsctl", "set", "Interface", "tapmac", `external_ids:attached-mac="`+strings.ToUpper(p.MAC)+`"`)
	c.problem("hv1")
	c.Must(c.Lab.AwaitPort(c.Context(), p.ID, "ACTIVE"))
	// One that is wired is cut off when it claims to be somebody else.
	c.Exec("hv1", "ovs-vsctl", "set", "Interface", "tapmac", `external_ids:attached-mac="fa:16:3e:00:00:97"`)
	c.problem("hv1", "port "+p.ID, "attached-mac fa:16:3e:00:00:97")
	c.Must(c.Lab.AwaitPort(c.Context(), p.ID, "ERROR"))
	c.unplugTap("hv1", "tapmac")
	c.Must(c.Lab.AwaitPort(c.Context(), p.ID, "DOWN"))
	c.Delete("port", p.ID)
}

func twoInterfaces(c *Cloud, n Network) {
	peer, twice := c.Guest("hv2", "peer", n), c.Guest("hv1", "twice", n)
	defer c.flowing(peer, twice)()
	// Names before and after the first one's: neither takes its place.
	for _, name := range []string{"a-tap", "zz-tap"} {
		for _, mac := range []string{twice.Port.MAC, "fa:16:3e:00:00:96", ""} {
			c.plugTap("hv1", name, twice.Port.ID, mac)
			c.problem("hv1", "port "+twice.Port.ID, name, twice.Guest.NICs[0].Tap, "both carry iface-id")
			c.unplugTap("hv1", name)
			c.problem("hv1")
		}
	}
	if p := c.ShowPort(twice.Port.ID); p.Status != "ACTIVE" {
		c.Errorf("the port is %s", p.Status)
	}
}

func plugAbroad(c *Cloud, n Network) {
	p := c.Port(n, Attributes{"binding:host_id": "hv2"})
	c.plugTap("hv1", "tapabroad", p.ID, p.MAC)
	c.problem("hv1", "interface tapabroad", p.ID, "bound to host hv2, not to hv1")
	if p := c.ShowPort(p.ID); p.Status != "DOWN" {
		c.Errorf("a port plugged on another host is %s", p.Status)
	}
	c.Update("port", p.ID, Attributes{"binding:host_id": "hv1"})
	c.Must(c.Lab.AwaitPort(c.Context(), p.ID, "ACTIVE"))
	c.problem("hv1")
	c.unplugTap("hv1", "tapabroad")
	c.Delete("port", p.ID)
}

// plugTwice: a lab that refuses to plug a port again leaves it where it is.
func plugTwice(c *Cloud, n Network) {
	g := c.Guest("hv1", "twice", n)
	for _, r := range []lab.PlugRequest{{Host: "hv2", Port: g.Port.ID}, {Host: "hv2", Port: g.Port.ID, Guest: "other"}, {Host: "hv1", Port: g.Port.ID}} {
		if _, err := c.Lab.Plug(c.Context(), r); !errors.Is(err, lab.ErrExists) {
			c.Errorf("plugged again, %+v: %v", r, err)
		}
	}
	var answer struct {
		Port struct {
			Status string
			Host   string `json:"binding:host_id"`
			Device string `json:"device_id"`
		}
	}
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/ports/"+g.Port.ID, nil, &answer))
	if p := answer.Port; p.Host != "hv1" || p.Status != "ACTIVE" || p.Device != g.Guest.ID {
		c.Errorf("it is now %+v", p)
	}
}

func lateBridge(c *Cloud, _ Network) {
	c.problem("hv2", "bridge br-late", "does not exist", "physnet2")
	cut, whole := c.Network(provider("vlan", "physnet2", 120)), c.Network(provider("vlan", "physnet1", 120))
	c.Subnet(cut, "10.21.0.0/24")
	c.Subnet(whole, "10.22.0.0/24")
	near := c.Guest("hv1", "near", cut)
	p := c.Port(cut, nil)
	g, err := c.Lab.Plug(c.Context(), lab.PlugRequest{Host: "hv2", Port: p.ID, Guest: "far"})
	c.Must(err)
	far := c.guest(g, p)
	c.problem("hv2", "network "+cut.ID, "physnet2")
	// The other physical network of the host works.
	c.AllReach(c.Guest("hv1", "whole1", whole), c.Guest("hv2", "whole2", whole))
	if p := c.ShowPort(p.ID); p.Status == "ACTIVE" {
		c.Errorf("a port without its physical network is %s", p.Status)
	}

	c.Exec("hv2", "ovs-vsctl", "del-port", "phys2", "--", "add-br", "br-late",
		"--", "set", "Bridge", "br-late", "datapath_type=netdev", "--", "add-port", "br-late", "phys2")
	c.Must(c.Lab.AwaitPort(c.Context(), p.ID, "ACTIVE"))
	c.AllReach(near, far)
	c.problem("hv2")

	// It may go and come again.
	c.Exec("hv2", "ovs-vsctl", "del-br", "br-late")
	c.problem("hv2", "bridge br-late", "does not exist", "physnet2")
	c.Exec("hv2", "ovs-vsctl", "add-br", "br-late",
		"--", "set", "Bridge", "br-late", "datapath_type=netdev", "--", "add-port", "br-late", "phys2")
	c.problem("hv2")
	c.Must(c.Lab.AwaitPort(c.Context(), p.ID, "ACTIVE"))
	c.AllReach(near, far)
}

// twinAgents starts hypervisors that were installed from another's image: with
// its name and its certificate, once with a state directory of its own and once
// with the other's.
func twinAgents(c *Cloud, n Network) {
	hostDir := map[string]string{}
	for _, h := range c.Lab.Plan().Hosts {
		hostDir[h.Name] = h.Dir
	}
	instanceFile := func(host string) string { return filepath.Join(hostDir[host], "agent", "instance") }
	instance := func(host string) string {
		b, err := os.ReadFile(instanceFile(host))
		c.Must(err)
		return strings.TrimSpace(string(b))
	}
	c.Must(c.Lab.Stop(c.Context(), "twin", "agent", false))
	file, log := filepath.Join(hostDir["twin"], "agent.yaml"), filepath.Join(hostDir["twin"], "agent.log")
	own, err := os.ReadFile(file)
	c.Must(err)
	c.Must(os.WriteFile(file, disguised(c, own, filepath.Join(hostDir["hv1"], "tls")), 0o644))

	c.Must(c.Lab.Start(c.Context(), "twin", "agent"))
	c.problem("hv1", "agent instance "+instance("twin"), "also claims host hv1, which instance "+instance("hv1")+" holds")
	c.logged(log, "host hv1 is taken by agent instance "+instance("hv1"))

	c.Must(c.Lab.Stop(c.Context(), "twin", "agent", false))
	c.Must(os.WriteFile(instanceFile("twin"), []byte(instance("hv1")+"\n"), 0o600))
	c.Must(c.Lab.Start(c.Context(), "twin", "agent"))
	c.problem("hv1", "agent instance "+instance("hv1"), "also claims host hv1, which its copy at ")
	c.logged(log, "host hv1 is taken by another process of agent instance "+instance("hv1"))

	// A certificate for another host is not even a claim.
	c.Must(c.Lab.Stop(c.Context(), "twin", "agent", false))
	c.Must(os.WriteFile(file, disguised(c, own, filepath.Join(hostDir["twin"], "tls")), 0o644))
	c.Must(c.Lab.Start(c.Context(), "twin", "agent"))
	c.logged(log, "agent claims host hv1, its certificate is for twin")

	// The first one goes on as if nothing had happened.
	c.AllReach(c.Guest("hv1", "first1", n), c.Guest("hv2", "first2", n))
	c.AwaitInSync("hv1")
	b, err := os.ReadFile(filepath.Join(hostDir["hv1"], "agent.log"))
	c.Must(err)
	if strings.Contains(string(b), "no stream to the controller") || strings.Contains(string(b), "refuses this agent") {
		c.Errorf("the first agent lost its stream:\n%s", b)
	}

	c.Must(c.Lab.Stop(c.Context(), "twin", "agent", false))
	c.Must(os.Remove(instanceFile("twin")))
	c.Must(os.WriteFile(file, own, 0o644))
	c.Must(c.Lab.Start(c.Context(), "twin", "agent"))
	c.AwaitInSync("twin")
}

// disguised makes an agent's configuration that of hv1, whose certificate is in
// the directory.
func disguised(c *Cloud, config []byte, tlsDir string) []byte {
	c.Helper()
	var content map[string]any
	c.Must(yaml.Unmarshal(config, &content))
	content["host"] = "hv1"
	tls := content["controller"].(map[string]any)["tls"].(map[string]any)
	for _, k := range []string{"cert", "key"} {
		tls[k] = filepath.Join(tlsDir, k+".pem")
	}
	out, err := yaml.Marshal(content)
	c.Must(err)
	return out
}

// logged waits for the words in a log.
func (c *Cloud) logged(file, words string) {
	c.Helper()
	c.Eventually("the log says so", func() error {
		b, err := os.ReadFile(file)
		if err == nil && !strings.Contains(string(b), words) {
			err = fmt.Errorf("no %q in:\n%s", words, b)
		}
		return err
	})
}
