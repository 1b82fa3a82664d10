package faults

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/agent/control"
)

// plugAll plugs the rack's ports on hv1, as internal ports of the switch.
func (r *rack) plugAll(name string) {
	r.Helper()
	args := []string{"ovs-vsctl"}
	for i := range r.ports {
		link := fmt.Sprintf("%s%d", name, i)
		args = append(args, append([]string{"--", "add-port", "br-int", link, "--", "set", "Interface", link, "type=internal"}, r.ids(i)...)...)
	}
	r.Exec("hv1", args...)
	r.wires(2 + len(r.ports))
}

// wires waits until hv1's agent has so many ports and its brake keeps nothing.
func (p *pair) wires(n int) {
	p.Helper()
	p.Eventually(fmt.Sprintf("%d ports are wired", n), func() error {
		var st control.Status
		if err := control.Call(p.Context(), p.file("hv1", "run", "agent.sock"), http.MethodGet, "/audit", &st); err != nil {
			return err // the agent is on its way up
		}
		if v := p.figure("hv1", "lepton_agent_ports"); int(v) != n || st.Brake != nil {
			return fmt.Errorf("%v ports, brake %+v", v, st.Brake)
		}
		return nil
	})
}

// While its agent was away most of a host's ports were deleted, and the
// controller that saw it is gone: the journal says so, and they go. When the
// records of a backup lack as much, nothing says so, and they stay.
func TestTheBrakeTellsDeletionsFromAnOldBackup(t *testing.T) {
	p := threeNode(t)
	records, backup := p.file("net1", "controller"), t.TempDir()
	p.stop("net1", "controller", false)
	if out, err := exec.CommandContext(p.Context(), "cp", "-a", records+"/.", backup).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.start("net1", "controller")
	r := newRack(p, 12)
	r.plugAll("away")
	p.stop("hv1", "agent", true)
	for _, port := range r.ports {
		p.Must(p.Lab.API().Call(p.Context(), http.MethodDelete, "/v2.0/ports/"+port.ID, nil, nil))
	}
	p.stop("net1", "controller", true)
	p.start("net1", "controller")
	p.start("hv1", "agent")
	p.wires(2)
	args := []string{"ovs-vsctl"}
	for i := range r.ports {
		args = append(args, "--", "del-port", fmt.Sprintf("away%d", i))
	}
	p.Exec("hv1", args...)

	newRack(p, 12).plugAll("kept")
	p.stop("net1", "controller", true)
	p.Must(os.RemoveAll(records))
	if out, err := exec.CommandContext(p.Context(), "cp", "-a", backup, records).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.start("net1", "controller")
	p.Eventually("the brake holds", func() error {
		if st := p.audit("hv1", false); st.Brake == nil || !strings.Contains(st.Brake.Text, "12 of 14 plugged ports of this host") {
			return fmt.Errorf("%d records are held: %+v", st.Held, st.Brake)
		}
		return nil
	})
	if v := p.figure("hv1", "lepton_agent_ports"); v != 14 {
		t.Errorf("%v ports are left", v)
	}
}
