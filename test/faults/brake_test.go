package faults

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/agent/control"
)

// A controller whose store was lost tells every host that it has nothing. The
// hosts keep what they carry until somebody says that this is meant.
func TestAControllerThatLostItsStoreTakesNothingAway(t *testing.T) {
	p := threeNode(t)
	r := newRack(p, 8)
	args := []string{"ovs-vsctl"}
	for i := range r.ports {
		args = append(args, append([]string{
			"--", "add-port", "br-int", fmt.Sprintf("rack%d", i), "--", "set", "Interface", fmt.Sprintf("rack%d", i), "type=internal",
		}, r.ids(i)...)...)
	}
	p.Exec("hv1", args...)
	p.Eventually("all are wired", func() error {
		if v := p.figure("hv1", "lepton_agent_ports"); v != 10 {
			return fmt.Errorf("%v ports", v)
		}
		return nil
	})
	p.AwaitInSync("hv1", "hv2")
	p.stop("net1", "controller", true)
	p.Must(os.RemoveAll(p.file("net1", "controller")))
	local := p.Stream(p.near, p.same, 4)
	p.start("net1", "controller")
	held := func() error {
		var st control.Status
		if err := control.Call(p.Context(), p.file("hv1", "run", "agent.sock"), http.MethodGet, "/audit", &st); err != nil {
			return err // the agent is on its way up
		}
		if st.Brake == nil || !strings.Contains(st.Brake.Text, "10 of 10 plugged ports of this host") {
			return fmt.Errorf("%d records are held: %+v", st.Held, st.Brake)
		}
		return nil
	}
	p.Eventually("the brake holds", held)
	p.Restart("hv1", "agent", true)
	p.Eventually("the brake holds after a restart", held)
	p.Eventually("the controller hears of it", func() error {
		agents, err := p.Lab.API().Agents(p.Context())
		if err != nil {
			return err
		}
		for _, a := range agents {
			if a.Host == "hv1" && strings.Contains(strings.Join(a.Configurations.Problems, "\n"), "leptonctl release") {
				return nil
			}
		}
		return fmt.Errorf("agents %+v", agents)
	})
	if n := p.figure("hv1", "lepton_agent_brake_held_records"); n < 10 {
		t.Errorf("the metric says %v records", n)
	}
	time.Sleep(500 * time.Millisecond)
	if r := local(); r.Lost() > 0 {
		t.Errorf("on the host: lost %d: %+v", r.Lost(), r)
	}
	if err := p.reaches(p.near, p.same); err != nil {
		t.Error(err)
	}

	ctx, cancel := context.WithTimeout(p.Context(), 30*time.Second)
	defer cancel()
	var released control.Released
	p.Must(control.Call(ctx, p.file("hv1", "run", "agent.sock"), http.MethodPost, "/release", &released))
	if released.Records < 10 {
		t.Errorf("%d records released", released.Records)
	}
	p.Eventually("the flows are gone", func() error {
		if err := p.reaches(p.near, p.same); err == nil {
			return fmt.Errorf("the guests still reach each other")
		}
		return nil
	})
	if st := p.audit("hv1", false); st.Held != 0 || st.Brake != nil {
		t.Errorf("after the release: %d held, %+v", st.Held, st.Brake)
	}
}
