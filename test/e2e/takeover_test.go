package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// neutronFlows are of a host of Neutron 21: enough of its br-int that guests on
// it would be judged, and forwarded, by what is left.
const neutronFlows = `
cookie=0xc3093b80066d8c04,table=0,priority=65535,dl_vlan=4095,actions=drop
cookie=0xc3093b80066d8c04,table=0,priority=200,in_port=TAP,actions=goto_table:60
cookie=0xc3093b80066d8c04,table=0,priority=0,actions=goto_table:60
cookie=0xc3093b80066d8c04,table=60,priority=1000,in_port=TAP,actions=set_field:0x3->reg5,set_field:0x7->reg6,resubmit(,71)
cookie=0xc3093b80066d8c04,table=60,priority=3,actions=NORMAL
cookie=0xc3093b80066d8c04,table=71,priority=2000,in_port=TAP,actions=resubmit(,93)
cookie=0xc3093b80066d8c04,table=71,priority=10,ct_mark=0x1,reg5=0x3,actions=resubmit(,93)
cookie=0xc3093b80066d8c04,table=93,priority=2000,actions=drop
cookie=0xc3093b80066d8c04,table=94,priority=1,actions=NORMAL
`

// TestAHostThatNeutronLeftIsTakenOver makes hosts look as Neutron's agent leaves
// them, does what docs/moving-from-neutron.md says, and starts lepton-agent.
func TestAHostThatNeutronLeftIsTakenOver(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	n, v := c.Network(nil), c.Network(provider("vlan", "physnet1", 150))
	c.dual(n)
	c.dual(v)
	a, b := c.Guest("hv1", "a", n), c.Guest("hv2", "b", n)
	x, y := c.Guest("hv1", "x", v), c.Guest("hv2", "y", v)
	c.AllReach(a, b)
	c.AllReach(x, y)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "moving-from-neutron.md"))
	c.Must(err)
	var commands string
	for _, block := range regexp.MustCompile("(?ms)^ *```sh hv1 hv2: change over\n(.*?)^ *```$").FindAllSubmatch(page, -1) {
		commands += string(block[1])
	}
	if commands == "" {
		t.Fatal("the page has no commands for compute nodes")
	}
	for host, guests := range map[string][]Guest{"hv1": {a, x}, "hv2": {b, y}} {
		c.Must(c.Lab.Stop(t.Context(), host, "agent", true))
		c.asNeutronLeft(host, guests)
		c.Exec(host, "sh", "-ec", "PROVIDER_BRIDGES=br-physnet1; systemctl() { :; }\n"+commands) // the lab starts and stops agents
		c.Must(c.Lab.Start(t.Context(), host, "agent"))
	}
	// Who was in sync before the agents stopped counts as in sync for a while.
	c.Eventually("guests that reach each other again", func() error {
		for _, pair := range [][2]Guest{{a, b}, {b, a}, {x, y}, {y, x}} {
			if r := c.Ping(pair[0], pair[1].IP(4), lab.Ping{Count: 1, Timeout: 500 * time.Millisecond}); r.Received == 0 {
				return fmt.Errorf("%s to %s: %s", pair[0].Guest.Name, pair[1].Guest.Name, r)
			}
		}
		return nil
	})
	c.AllReach(a, b)
	c.AllReach(x, y)
	for _, flow := range c.Flows("hv1", "br-int") {
		if strings.Contains(flow, "0xc3093b80066d8c04") {
			t.Errorf("Neutron's flow %s is still there", flow)
		}
	}
	if out := c.Exec("hv1", "ovs-vsctl", "--columns=name", "list", "Interface"); strings.Contains(out, "vxlan-0a5b000c") {
		t.Errorf("Neutron's tunnel is still there: %s", out)
	}
}

// asNeutronLeft turns what lepton-agent made on a host into what
// neutron-openvswitch-agent makes there.
func (c *Cloud) asNeutronLeft(host string, guests []Guest) {
	c.Helper()
	for _, bridge := range []string{"br-int", "br-tun", "br-physnet1"} {
		c.Exec(host, "ovs-ofctl", "del-flows", bridge)
		c.Exec(host, "ovs-vsctl", "clear", "Bridge", bridge, "external_ids", "--", "clear", "Bridge", bridge, "flow_tables")
	}
	c.Exec(host, "ovs-vsctl", "add-port", "br-tun", "vxlan-0a5b000c", "--", "set", "Interface", "vxlan-0a5b000c", "type=vxlan",
		"options:in_key=flow", "options:out_key=flow", "options:local_ip=10.91.0.11", "options:remote_ip=10.91.0.12")
	for i, g := range guests {
		tap := "tap" + g.Port.ID[:11]
		c.Exec(host, "ovs-vsctl", "set", "Port", tap, fmt.Sprintf("tag=%d", 7+i), "other_config:network_type=vxlan", fmt.Sprintf("other_config:tag=%d", 7+i),
			"--", "remove", "Interface", tap, "external_ids", "lepton-stale-since")
		number := strings.TrimSpace(c.Exec(host, "ovs-vsctl", "get", "Interface", tap, "ofport"))
		for _, flow := range strings.Split(strings.TrimSpace(strings.ReplaceAll(neutronFlows, "TAP", number)), "\n") {
			c.Exec(host, "ovs-ofctl", "-O", "OpenFlow13", "add-flow", "br-int", flow)
		}
	}
	c.Exec(host, "ovs-ofctl", "add-flow", "br-physnet1", "cookie=0xc3093b80066d8c04,table=0,priority=100,actions=drop")
}
