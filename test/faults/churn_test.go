package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/e2e"
)

// rack is a host full of interfaces that come and go. They are internal ports:
// what plugs a guest says the same to the database.
type rack struct {
	*pair
	rng     *rand.Rand
	ports   []e2e.Port
	plugged map[int]string // port → interface
	serial  int
}

func newRack(p *pair, n int) *rack {
	p.Helper()
	r := &rack{pair: p, rng: chance(p), plugged: map[int]string{}}
	// More than the quota of the project that requests without one are for.
	p.Must(p.Lab.API().Call(p.Context(), "PUT", "/v2.0/quotas/fake_project_id", map[string]any{"quota": map[string]int{"port": -1}}, nil))
	for left := n; left > 0; left -= 100 {
		var list []e2e.Attributes
		for range min(left, 100) {
			list = append(list, e2e.Attributes{"network_id": p.net.ID, "binding:host_id": "hv1"})
		}
		var answer struct{ Ports []e2e.Port }
		p.Must(p.Lab.API().Call(p.Context(), "POST", "/v2.0/ports", map[string]any{"ports": list}, &answer))
		r.ports = append(r.ports, answer.Ports...)
	}
	return r
}

// ids are what Nova writes on an interface.
func (r *rack) ids(i int) []string {
	p := r.ports[i]
	return []string{"external_ids:iface-id=" + p.ID, `external_ids:attached-mac="` + p.MAC + `"`, "external_ids:iface-status=active"}
}

// plug adds what makes a new interface for port i.
func (r *rack) plug(args []string, i int) []string {
	r.serial++
	name := fmt.Sprintf("rack%d", r.serial)
	r.plugged[i] = name
	args = append(args, "--", "add-port", "br-int", name, "--", "set", "Interface", name)
	switch r.rng.IntN(10) {
	case 0: // a device that does not exist: ofport -1
	case 1:
		args = append(args, "type=internal", fmt.Sprintf("ofport_request=%d", 1000+r.rng.IntN(2000)))
	default:
		args = append(args, "type=internal")
	}
	return append(args, r.ids(i)...)
}

func (r *rack) unplug(args []string, i int) []string {
	name := r.plugged[i]
	delete(r.plugged, i)
	return append(args, "--", "--if-exists", "del-port", "br-int", name)
}

// step is one transaction of up to n changes.
func (r *rack) step(n int) {
	r.Helper()
	args := []string{"ovs-vsctl", "--no-wait"}
	for _, i := range r.rng.Perm(len(r.ports))[:1+r.rng.IntN(n)] {
		name, there := r.plugged[i]
		switch what := r.rng.IntN(10); {
		case !there:
			args = r.plug(args, i)
		case what < 5:
			args = r.unplug(args, i)
		case what < 7: // vanishes and comes back within one transaction
			args = r.plug(r.unplug(args, i), i)
		case what < 8:
			args = append(args, "--", "set", "Interface", name, fmt.Sprintf("ofport_request=%d", 1000+r.rng.IntN(2000)))
		case what < 9: // another port's name, and its own again
			args = append(append(args, "--", "set", "Interface", name), r.ids(r.rng.IntN(len(r.ports)))...)
		default:
			args = append(append(args, "--", "set", "Interface", name), r.ids(i)...)
		}
	}
	r.Exec("hv1", args...)
}

// A table that was changed port by port for a while is the one that a fresh
// compile gives: the restarted agent finds nothing to change in it.
func TestPortsThatComeAndGoLeaveTheTableOfAFreshCompile(t *testing.T) {
	p := threeNode(t)
	r := newRack(p, rounds(120, 500))
	end := time.Now().Add(lasting(t, 6*time.Second))
	steps := 0
	for ; time.Now().Before(end); steps++ {
		r.step(rounds(20, 60))
	}
	p.Exec("hv1", "ovs-vsctl", "set", "Open_vSwitch", ".", "external_ids:churned=yes") // waits for ovs-vswitchd
	time.Sleep(300 * time.Millisecond)
	p.inSync("hv1")
	t.Logf("%d transactions, %d of %d ports plugged, %v flow changes, %d flows", steps, len(r.plugged), len(r.ports),
		p.figure("hv1", "lepton_agent_flow_mods_total"), len(p.Flows("hv1", "br-int")))
	if st := p.audit("hv1", true); st.Total > 0 {
		t.Errorf("plugging is taken for changes by hand: %+v", st.Findings[0])
	}
	before := map[string][]string{"br-int": p.sorted("hv1", "br-int"), "br-tun": p.sorted("hv1", "br-tun")}
	at := p.logSize("hv1")
	p.Restart("hv1", "agent", true)
	p.inSync("hv1")
	p.AwaitInSync("hv1")
	if sent := p.bundles("hv1", at); len(sent) > 0 {
		t.Errorf("a fresh compile changes flows: %v", sent)
	}
	for bridge, want := range before {
		if got := p.sorted("hv1", bridge); !slices.Equal(got, want) {
			t.Errorf("%s has %d flows after a restart, had %d", bridge, len(got), len(want))
		}
	}
	p.AllReach(p.near, p.same, p.far)
}
