package faults

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/test/e2e"
)

// echo keeps a TCP connection between two guests busy until the function that it
// gives is called: that says whether it lived all the time.
func (p *pair) echo(from, to e2e.Guest, port int) func() error {
	p.Helper()
	p.Serve(to, port)
	conn, _, err := p.Dial(from, to.IP(4), port)
	p.Must(err)
	p.Must(conn.SetDeadline(time.Time{}))
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- talk(conn, stop) }()
	return func() error {
		close(stop)
		defer conn.Close()
		return <-ended
	}
}

func talk(conn net.Conn, stop <-chan struct{}) error {
	in := bufio.NewReader(conn)
	for n := 0; ; n++ {
		select {
		case <-stop:
			if n < 10 {
				return fmt.Errorf("only %d lines were exchanged", n)
			}
			return nil
		case <-time.After(5 * time.Millisecond):
		}
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(conn, n); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		line, err := in.ReadString('\n')
		if err != nil || strings.TrimSpace(line) != strconv.Itoa(n) {
			return fmt.Errorf("line %d came back as %q: %w", n, line, err)
		}
	}
}

// bundles counts, by bridge, the bundles with flow changes that a host's agent
// has sent since the offset of its log.
func (p *pair) bundles(host string, since int64) map[string][]int {
	p.Helper()
	b, err := os.ReadFile(p.file(host, "agent.log"))
	p.Must(err)
	out := map[string][]int{}
	for _, m := range bundleLine.FindAllStringSubmatch(string(b[since:]), -1) {
		if n, _ := strconv.Atoi(m[2]); n > 0 {
			out[m[1]] = append(out[m[1]], n)
		}
	}
	return out
}

var bundleLine = regexp.MustCompile(`bridge changed\s+\{"bridge": "([^"]+)", "changes": (\d+)`)

func TestAnAgentKilledAgainAndAgainLosesNothing(t *testing.T) {
	p := threeNode(t)
	near, far := p.Stream(p.near, p.far, 4), p.Stream(p.far, p.near, 4)
	local := p.Stream(p.near, p.same, 4)
	alive := []func() error{p.echo(p.near, p.far, 7001), p.echo(p.far, p.same, 7002)}
	changes := map[string]func() []string{}
	for _, bridge := range []string{"br-int", "br-tun", "br-physnet1"} {
		changes[bridge] = p.FlowChanges("hv1", bridge)
	}
	rng := chance(t)
	n := rounds(5, 50)
	for range n {
		// At any instruction: while it starts, connects, compares, or is in sync.
		time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond)
		p.Restart("hv1", "agent", true)
	}
	p.inSync("hv1")
	time.Sleep(500 * time.Millisecond) // for what may come after
	for bridge, stop := range changes {
		if got := stop(); len(got) > 0 {
			t.Errorf("%d changes of %s, the first is %s", len(got), bridge, got[0])
		}
	}
	for name, count := range map[string]func() lab.StreamResult{"out": near, "in": far, "local": local} {
		r := count()
		if r.Lost() > 0 || r.Duplicates > 0 {
			t.Errorf("%s: lost %d: %+v", name, r.Lost(), r)
		}
		t.Logf("%s: %d restarts, %d packets, %d lost, longest gap %s", name, n, r.Sent, r.Lost(), r.LongestGap)
	}
	for i, end := range alive {
		if err := end(); err != nil {
			t.Errorf("TCP connection %d: %v", i, err)
		}
	}
}

func TestAKilledSwitchCarriesTrafficWithinASecond(t *testing.T) {
	p := threeNode(t)
	want := p.sorted("hv1", "br-int")
	for range rounds(2, 10) {
		at := p.logSize("hv1")
		p.stop("hv1", "ovs-vswitchd", true)
		p.start("hv1", "ovs-vswitchd")
		began := time.Now()
		p.Eventually("guests of the host reach each other", func() error { return p.reaches(p.near, p.same) })
		local := time.Since(began)
		p.Eventually("guests of two hosts reach each other", func() error { return p.reaches(p.near, p.far) })
		all := time.Since(began)
		t.Logf("the switch is up: traffic on the host after %s, to another host after %s", local, all)
		if all > time.Second {
			t.Errorf("traffic came back after %s", all)
		}
		p.Eventually("the flows are as they were", func() error { return p.flowsAre("hv1", "br-int", want) })
		for bridge, list := range p.bundles("hv1", at) {
			if len(list) != 1 {
				t.Errorf("%s was filled by %d bundles: %v", bridge, len(list), list)
			}
		}
	}
	if st := p.audit("hv1", true); st.Total > 0 {
		t.Errorf("restarts of the switch are taken for changes by hand: %+v", st.Findings)
	}
}

func TestARestartedDatabaseLosesNothing(t *testing.T) {
	p := threeNode(t)
	near, local := p.Stream(p.near, p.far, 4), p.Stream(p.near, p.same, 4)
	changes := p.FlowChanges("hv1", "br-int")
	// What ovs-vswitchd has read when this returns.
	write := func(key string, i int) {
		p.Exec("hv1", "ovs-vsctl", "--timeout=20", "set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:%s=%d", key, i))
	}
	for i := range rounds(2, 20) {
		if i > 0 {
			// It waits twice as long for the next connection after one that was used
			// for less time than it waited for that, up to 8 s.
			time.Sleep(1200 * time.Millisecond)
			write("used", i)
		}
		p.stop("hv1", "ovsdb-server", true)
		time.Sleep(300 * time.Millisecond)
		p.start("hv1", "ovsdb-server")
		write("restarts", i)
	}
	time.Sleep(500 * time.Millisecond)
	if got := changes(); len(got) > 0 {
		t.Errorf("%d changes of br-int, the first is %s", len(got), got[0])
	}
	for name, count := range map[string]func() lab.StreamResult{"out": near, "local": local} {
		// The userspace datapath stands still while ovs-vswitchd has no database, up
		// to the second that it waits before it connects again; the kernel's does not.
		r := count()
		if r.LongestGap > 3*time.Second || p.Lab.Plan().Datapath != "netdev" && r.Lost() > 0 {
			t.Errorf("%s: lost %d: %+v", name, r.Lost(), r)
		}
		t.Logf("%s: longest gap %s", name, r.LongestGap)
	}
	p.AllReach(p.near, p.same, p.far)
	p.AwaitInSync("hv1")
	if st := p.audit("hv1", true); st.Total > 0 {
		t.Errorf("restarts of the database are taken for changes by hand: %+v", st.Findings)
	}
}
