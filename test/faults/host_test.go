package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/test/e2e"
)

// pair is a cloud with two guests on one host and one on another.
type pair struct {
	*e2e.Cloud
	net        e2e.Network
	subnet     e2e.Subnet
	near, same e2e.Guest // on hv1
	far        e2e.Guest // on hv2
}

// threeNode is the cloud of most faults: the controller is on a host of its own.
func threeNode(t testing.TB) *pair {
	t.Helper()
	return cloudOf(t, "three-node")
}

// cloudOf is a cloud of another topology with hosts hv1 and hv2.
func cloudOf(t testing.TB, topology string) *pair {
	t.Helper()
	c := e2e.Start(t, topology)
	n := c.Network(nil)
	p := &pair{Cloud: c, net: n, subnet: c.Subnet(n, "10.7.0.0/22")}
	p.near, p.same, p.far = c.Guest("hv1", "near", n), c.Guest("hv1", "same", n), c.Guest("hv2", "far", n)
	c.AllReach(p.near, p.same, p.far)
	c.AwaitInSync("hv1", "hv2")
	return p
}

// in gives the cloud to a part of the test.
func (p *pair) in(t testing.TB) *pair {
	q := *p
	q.Cloud = &e2e.Cloud{TB: t, Lab: p.Lab}
	return &q
}

func (p *pair) stop(host, program string, hard bool) {
	p.Helper()
	p.Must(p.Lab.Stop(p.Context(), host, program, hard))
}

func (p *pair) start(host, program string) {
	p.Helper()
	p.Must(p.Lab.Start(p.Context(), host, program))
}

// file gives the path of a file of a host.
func (p *pair) file(host string, parts ...string) string {
	for _, h := range p.Lab.Plan().Hosts {
		if h.Name == host {
			return filepath.Join(append([]string{h.Dir}, parts...)...)
		}
	}
	p.Fatalf("no host %s", host)
	return ""
}

// figure reads a metric of a host's agent, summed over its labels.
func (p *pair) figure(host, name string) float64 {
	p.Helper()
	sum, found := 0.0, false
	for line := range strings.Lines(p.Exec(host, "curl", "-sf", "http://127.0.0.1:9699/metrics")) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if base, _, _ := strings.Cut(key, "{"); !ok || base != name {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		p.Must(err)
		sum, found = sum+v, true
	}
	if !found {
		p.Fatalf("the agent of %s has no figure %s", host, name)
	}
	return sum
}

// inSync waits until a host's agent says that it is in sync.
func (p *pair) inSync(host string) {
	p.Helper()
	place, err := p.Lab.Place(host)
	p.Must(err)
	p.Eventually("in sync", func() error {
		out, err := place.Exec(p.Context(), "curl", "-sf", "http://127.0.0.1:9699/metrics")
		if err == nil && !strings.Contains(out, "\nlepton_agent_in_sync 1\n") {
			err = fmt.Errorf("the agent of %s is not in sync", host)
		}
		return err
	})
}

// reaches says what is wrong with one ping.
func (p *pair) reaches(a, b e2e.Guest) error {
	p.Helper()
	r := p.Ping(a, b.IP(4), lab.Ping{Count: 1, Timeout: 200 * time.Millisecond})
	if r.Received == 0 {
		return fmt.Errorf("%s does not reach %s: %s", a.Guest.Name, b.Guest.Name, r)
	}
	return nil
}

// logged says whether a host's agent has written a text since the offset.
func (p *pair) logged(host string, since int64, text string) bool {
	p.Helper()
	b, err := os.ReadFile(p.file(host, "agent.log"))
	p.Must(err)
	return strings.Contains(string(b[min(since, int64(len(b))):]), text)
}

func (p *pair) logSize(host string) int64 {
	p.Helper()
	info, err := os.Stat(p.file(host, "agent.log"))
	p.Must(err)
	return info.Size()
}

// reboot does to a host what a reboot does while its guests' interfaces come
// back: switch and agent lose all they had in memory.
func (p *pair) reboot(host string, meanwhile func()) {
	p.Helper()
	for _, program := range []string{"agent", "ovs-vswitchd", "ovsdb-server"} {
		p.stop(host, program, true)
	}
	meanwhile()
	for _, program := range []string{"ovsdb-server", "ovs-vswitchd", "agent"} {
		p.start(host, program)
	}
}
