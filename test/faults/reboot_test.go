package faults

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/e2e"
)

// stale gives the mark on a guest's interface.
func (p *pair) stale(g e2e.Guest) string {
	p.Helper()
	out := p.Exec("hv1", "ovs-vsctl", "--if-exists", "get", "Interface", "tap"+g.Port.ID[:11], "external_ids:lepton-stale-since")
	return strings.Trim(strings.TrimSpace(out), `"`)
}

func TestAHostThatRebootsWithoutAControllerWiresItsPorts(t *testing.T) {
	p := threeNode(t)
	p.stop("net1", "controller", true)
	began := time.Now()
	p.reboot("hv1", func() {})
	p.Eventually("the guests of the host reach each other", func() error { return p.reaches(p.near, p.same) })
	p.Eventually("guests of two hosts reach each other", func() error { return p.reaches(p.near, p.far) })
	t.Logf("rebooted without a controller: wired after %s", time.Since(began))
	p.Eventually("the port says since when", func() error {
		since, err := time.Parse(time.RFC3339, p.stale(p.near))
		if err != nil || time.Since(since) > 2*time.Minute {
			return fmt.Errorf("the mark is %q", p.stale(p.near))
		}
		return nil
	})
	if since := p.figure("hv1", "lepton_agent_records_stale_since_seconds"); time.Since(time.Unix(int64(since), 0)) > 2*time.Minute {
		t.Errorf("the metric says %v", since)
	}
	p.start("net1", "controller")
	p.AwaitInSync("hv1", "hv2")
	p.Eventually("no mark", func() error {
		if m := p.stale(p.near); m != "" {
			return fmt.Errorf("the mark is %q", m)
		}
		return nil
	})
	if since := p.figure("hv1", "lepton_agent_records_stale_since_seconds"); since != 0 {
		t.Errorf("the metric says %v with a controller", since)
	}
	p.AllReach(p.near, p.same, p.far)

	t.Run("but not from a damaged file", func(t *testing.T) {
		p := p.in(t)
		p.stop("net1", "controller", true)
		at := p.logSize("hv1")
		p.reboot("hv1", func() {
			path := p.file("hv1", "agent", "records")
			b, err := os.ReadFile(path)
			p.Must(err)
			b[len(b)/2] ^= 1
			p.Must(os.WriteFile(path, b, 0o600))
		})
		p.Eventually("the agent says so", func() error {
			if !p.logged("hv1", at, "stored records are refused") {
				return fmt.Errorf("nothing in its log")
			}
			return nil
		})
		time.Sleep(3500 * time.Millisecond) // as long as it would wait for a controller
		if err := p.reaches(p.near, p.same); err == nil {
			t.Error("the ports are wired from damaged records")
		}
		p.start("net1", "controller")
		p.Eventually("the controller's records do", func() error { return p.reaches(p.near, p.same) })
		p.AwaitInSync("hv1", "hv2")
		p.AllReach(p.near, p.same, p.far)
	})
}
