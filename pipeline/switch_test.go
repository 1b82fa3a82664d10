package pipeline

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

// rig is a real Open vSwitch with the bridges and port numbers of newCloud.
// Tunnels are plain ports here: what matters is which of them a packet takes.
type rig struct {
	*ovstest.Switch
	t *testing.T
	// names are the ports' names by datapath port number; those of the bridges
	// themselves, which NORMAL floods to as well, do not count.
	names map[string]string
}

func newRig(t *testing.T) *rig {
	r := &rig{Switch: ovstest.Start(t), t: t, names: map[string]string{}}
	for _, bridge := range []string{"br-int", "br-tun", "br-phys", "br-ext"} {
		r.AddBridge(bridge)
	}
	r.patch("patch-tun", 1, "br-tun", "patch-int")
	r.patch("int-br-phys", 2, "br-phys", "phy-br-phys")
	r.patch("int-br-ext", 3, "br-ext", "phy-br-ext")
	for n := 1; n <= 5; n++ {
		r.AddPort("br-int", fmt.Sprintf("guest%d", n), 10+n)
	}
	for key, ofport := range newCloud().Tunnels {
		r.AddPort("br-tun", fmt.Sprintf("%s-%s", key.Type, key.Host), int(ofport))
	}
	r.AddPort("br-phys", "eth-phys", 9)
	r.AddPort("br-ext", "eth-ext", 9)
	// Those of logs are so low that packets pass, or do not, without regard to
	// them; those of questions let all pass that a test sends.
	meters := map[int]int{LogMeter: 1, HeadersMeter: 1}
	for n := range 10 {
		meters[FirstAskMeter+10+n] = 10000
	}
	for meter, rate := range meters {
		r.Ofctl("-O", "OpenFlow15", "add-meter", "br-int", fmt.Sprintf("meter=%d,pktps,burst,stats,band=type=drop,rate=%d,burst_size=%d", meter, rate, rate))
	}
	// "    eth-phys 9/17: (internal)"
	for line := range strings.Lines(r.Appctl("dpif/show")) {
		if words := strings.Fields(line); len(words) > 1 {
			if _, number, ok := strings.Cut(strings.TrimSuffix(words[1], ":"), "/"); ok {
				r.names[number] = words[0]
			}
		}
	}
	return r
}

// patch joins port number ofport of br-int with port number 1 of a bridge.
func (r *rig) patch(name string, ofport int, bridge, peer string) {
	r.Vsctl("add-port", "br-int", name, "--", "set", "interface", name, "type=patch", "options:peer="+peer, "ofport_request="+strconv.Itoa(ofport),
		"--", "add-port", bridge, peer, "--", "set", "interface", peer, "type=patch", "options:peer="+name, "ofport_request=1")
}

// load replaces all flows by the program's.
func (r *rig) load(p *Program) {
	r.t.Helper()
	for bridge, rules := range p.Bridges {
		var b strings.Builder
		for _, rule := range rules {
			fmt.Fprintln(&b, rule)
		}
		path := filepath.Join(r.Dir, "program.txt")
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			r.t.Fatal(err)
		}
		r.Ofctl("-O", "OpenFlow15", "--bundle", "replace-flows", bridge, path)
	}
}

// dump reads the flows of a bridge.
func (r *rig) dump(bridge string) []flows.Rule {
	r.t.Helper()
	rules, err := flows.ParseRules(r.Ofctl("-O", "OpenFlow15", "--no-stats", "--no-names", "dump-flows", bridge), flows.ParseOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return rules
}

// send traces a packet and gives where it comes out, sorted: port names, with
// the VLAN id when there is a tag.
func (r *rig) send(bridge, packet string) []string {
	r.t.Helper()
	return r.cameOut(packet, r.Appctl("ofproto/trace", bridge, packet))
}

// cameOut reads from a report of ofproto/trace where the packet comes out.
func (r *rig) cameOut(packet, trace string) []string {
	r.t.Helper()
	passes := strings.Split(trace, "Datapath actions: ")[1:]
	if len(passes) == 0 {
		r.t.Fatalf("trace of %s ends without datapath actions:\n%s", packet, trace)
	}
	tag, out := "", []string{}
	if _, id, ok := strings.Cut(packet, "dl_vlan="); ok {
		id, _, _ = strings.Cut(id, ",")
		tag = " vlan " + id
	}
	for _, pass := range passes {
		actions, _, _ := strings.Cut(pass, "\n")
		out = append(out, r.outputs(actions, tag)...)
		tag = "" // the connection tracker is asked on br-int, where there are no tags
	}
	slices.Sort(out)
	return out
}

// outputs gives where one pass of a packet with this tag comes out.
func (r *rig) outputs(actions, tag string) (out []string) {
	for _, action := range topLevel(actions) {
		switch {
		case strings.HasPrefix(action, "push_vlan(vid="):
			id, _, _ := strings.Cut(strings.TrimPrefix(action, "push_vlan(vid="), ",")
			tag = " vlan " + id
		case action == "pop_vlan":
			tag = ""
		case r.names[action] != "" && !strings.HasPrefix(r.names[action], "br-"):
			out = append(out, r.names[action]+tag)
		}
	}
	return out
}

// topLevel splits at the commas that are not within parentheses.
func topLevel(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i, c := range s {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func TestTheSwitchKeepsEveryGoldenTableAsItWasWritten(t *testing.T) {
	r := newRig(t)
	for _, s := range scenarios {
		p := Compile(s.view())
		r.load(p)
		for _, bridge := range slices.Sorted(maps.Keys(p.Bridges)) {
			if delta := flows.Diff(r.dump(bridge), p.Bridges[bridge]); !delta.Empty() {
				t.Errorf("%s: %s differs from what was installed: to add %v, to delete %v", s.name, bridge, delta.Add, delta.Delete)
			}
		}
	}
}

func TestTheSwitchFloodsToThousandsOfPorts(t *testing.T) {
	r := newRig(t)
	c := newCloud()
	c.network(1, tunnelled(model.VXLAN, 1948))
	for n := range 2*floodPage + 2 {
		c.port(n, 1)
	}
	c.port(1, 1, "10.10.0.11")
	c.remote(30000, 1, "hv2")
	p := Compile(&c.admitAll().View)
	r.load(p)
	if delta := flows.Diff(r.dump("br-int"), p.Bridges["br-int"]); !delta.Empty() {
		t.Errorf("br-int differs from what was installed by %d flows", delta.Len())
	}
	packet := eth(11, 1, broadcast) + udp("0.0.0.0", "255.255.255.255", 68, 67)
	want := []string{"guest2", "guest3", "guest4", "guest5", "vxlan-hv2"}
	if got := r.send("br-int", packet); !slices.Equal(got, want) {
		t.Errorf("broadcast of a DHCP client comes out of %q, want %q", got, want)
	}
	packet = eth(11, 1, broadcast) + udp("10.10.0.11", "255.255.255.255", 1000, 2000)
	if got := r.send("br-int", packet); !slices.Equal(got, want) {
		t.Errorf("broadcast that rules are asked about comes out of %q, want %q", got, want)
	}
}
