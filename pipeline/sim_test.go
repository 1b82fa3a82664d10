package pipeline

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
)

// simRig is the rig's switch in the interpreter: the same bridges, patches and
// port numbers.
type simRig struct {
	bridges map[string]*sim.Bridge
	names   map[*sim.Bridge]map[uint32]string
}

func newSimRig(p *Program) *simRig {
	r := &simRig{bridges: map[string]*sim.Bridge{}, names: map[*sim.Bridge]map[uint32]string{}}
	for _, name := range []string{"br-int", "br-tun", "br-phys", "br-ext"} {
		b := sim.NewBridge(name, p.Bridges[name])
		b.Patches = map[uint32]sim.Peer{}
		r.bridges[name], r.names[b] = b, map[uint32]string{}
	}
	for n := uint32(1); n <= 5; n++ {
		r.port("br-int", 10+n, fmt.Sprintf("guest%d", n))
	}
	for key, ofport := range newCloud().Tunnels {
		r.port("br-tun", ofport, fmt.Sprintf("%s-%s", key.Type, key.Host))
	}
	r.port("br-phys", 9, "eth-phys")
	r.port("br-ext", 9, "eth-ext")
	for ofport, bridge := range map[uint32]string{1: "br-tun", 2: "br-phys", 3: "br-ext"} {
		here, there := r.bridges["br-int"], r.bridges[bridge]
		here.Patches[ofport] = sim.Peer{Bridge: there, Port: 1}
		there.Patches[1] = sim.Peer{Bridge: here, Port: ofport}
		here.Ports, there.Ports = append(here.Ports, ofport), append(there.Ports, 1)
	}
	return r
}

func (r *simRig) port(bridge string, number uint32, name string) {
	b := r.bridges[bridge]
	b.Ports = append(b.Ports, number)
	r.names[b][number] = name
}

// send runs a packet and gives where it comes out as rig.send does.
func (r *simRig) send(t *testing.T, bridge, packet string) ([]string, sim.Result) {
	t.Helper()
	m, err := flows.ParseMatch(packet, flows.ParseOptions{})
	if err != nil {
		t.Fatalf("packet %s: %v", packet, err)
	}
	res := r.bridges[bridge].Run(sim.NewPacket(m...), sim.Options{})
	return r.cameOut(res), res
}

// cameOut gives where a packet came out, sorted.
func (r *simRig) cameOut(res sim.Result) []string {
	out := []string{}
	for _, o := range res.Outputs {
		name := r.names[o.Bridge][o.Port]
		if name == "" {
			continue // a bridge's own port, which NORMAL floods to as well
		}
		if tags := o.Packet.Tags(); len(tags) > 0 {
			name += fmt.Sprintf(" vlan %d", tags[0]&0xfff)
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// TestPacketsTakeTheirWayInTheInterpreter sends the packets that the real
// switch gets through flows/sim: both must agree with what is wanted.
func TestPacketsTakeTheirWayInTheInterpreter(t *testing.T) {
	for _, group := range tracedGroups {
		t.Run(group.name, func(t *testing.T) {
			r := newSimRig(Compile(&group.view().admitAll().View))
			for _, c := range group.cases {
				bridge := c.bridge
				if bridge == "" {
					bridge = "br-int"
				}
				if got, res := r.send(t, bridge, c.packet); !slices.Equal(got, c.want) {
					t.Errorf("%s: comes out of %q, want %q\n%v", c.name, got, c.want, res.Trace)
				}
			}
		})
	}
}
