package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// onePort measures from plugging one port until the first ping to another host
// comes back.
func (b *bench) onePort(ctx context.Context) error {
	net, err := b.network(ctx, "one", "10.1.0.0/24", "")
	if err != nil {
		return err
	}
	far, err := b.ports(ctx, net, "hv2", 1)
	if err != nil {
		return err
	}
	guest, err := b.lab.Plug(ctx, lab.PlugRequest{Host: "hv2", Port: far[0].ID, Wait: true})
	if err != nil {
		return err
	}
	var best, worst, sum time.Duration
	const runs = 5
	for i := range runs {
		took, err := b.plugToPing(ctx, net, guest)
		if err != nil {
			return err
		}
		if i == 0 || took < best {
			best = took
		}
		worst, sum = max(worst, took), sum+took
	}
	b.add(row{
		what:   "one port plugged to first cross-host ping",
		figure: fmt.Sprintf("%s (min %s, max %s)", ms(sum/runs), ms(best), ms(worst)),
		limit:  "-", target: "under 150 ms", ok: sum/runs < 150*time.Millisecond,
	})
	return b.lab.Unplug(ctx, far[0].ID)
}

// plugToPing prepares a guest whose link is ready but not on br-int, puts the
// link there and pings until an answer comes.
func (b *bench) plugToPing(ctx context.Context, net network, far lab.Guest) (time.Duration, error) {
	ports, err := b.ports(ctx, net, "hv1", 1)
	if err != nil {
		return 0, err
	}
	p := ports[0]
	g, err := b.lab.Plug(ctx, lab.PlugRequest{Host: "hv1", Port: p.ID, Wait: true})
	if err != nil {
		return 0, err
	}
	place, err := b.lab.Place(g.Name)
	if err != nil {
		return 0, err
	}
	tap := "tap" + p.ID[:11]
	// The guest asks for the other's MAC before it is wired; the kernel would
	// ask again only after a second, which is not what is measured.
	if _, err := place.Exec(ctx, "sysctl", "-qw", "net.ipv4.neigh.eth0.retrans_time_ms=10"); err != nil {
		return 0, err
	}
	if _, err := b.hv1.Exec(ctx, "ovs-vsctl", "del-port", "br-int", tap); err != nil {
		return 0, err
	}
	if err := b.lab.AwaitPort(ctx, p.ID, "DOWN"); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := b.hv1.Exec(ctx, addPort(p, "")...); err != nil {
		return 0, err
	}
	for {
		r, err := place.Ping(ctx, far.IP(4), lab.Ping{Count: 1, Timeout: 20 * time.Millisecond})
		if err != nil {
			return 0, err
		}
		if r.Received > 0 {
			break
		}
		if time.Since(began) > 20*time.Second {
			return 0, errors.New("no ping came back within 20 s")
		}
	}
	took := time.Since(began)
	return took, b.lab.Unplug(ctx, p.ID)
}

// addPort is Nova's plugging of a port, in ovs-vsctl's words.
func addPort(p port, kind string) []string {
	tap := "tap" + p.ID[:11]
	argv := []string{
		"ovs-vsctl", "--", "add-port", "br-int", tap, "--", "set", "Interface", tap,
		"external_ids:iface-id=" + p.ID, "external_ids:attached-mac=" + `"` + p.MACAddress + `"`, "external_ids:iface-status=active",
	}
	if kind != "" {
		argv = append(argv, "type="+kind)
	}
	return argv
}

// rounds is how often a figure that is compared with the tools is taken, in
// turn with theirs: the machine's speed drifts, the median of pairs does not.
const rounds = 3

// manyPorts plugs n ports at once and waits until all are ACTIVE, in turn with
// the tools alone doing the same, and restarts the agent under traffic.
func (b *bench) manyPorts(ctx context.Context, n int) error {
	net, err := b.network(ctx, fmt.Sprintf("many%d", n), "10.2.0.0/16", "fd00:2::/64")
	if err != nil {
		return err
	}
	ports, err := b.ports(ctx, net, "hv1", n)
	if err != nil {
		return err
	}
	plug := []string{"ovs-vsctl"}
	unplug := []string{"ovs-vsctl"}
	for _, p := range ports {
		plug = append(plug, addPort(p, "internal")[1:]...)
		unplug = append(unplug, "--", "del-port", "br-int", "tap"+p.ID[:11])
	}
	var ours, limits, ratios []float64
	flows := 0
	for round := range rounds {
		took, err := b.plugAll(ctx, net, n, plug)
		if err != nil {
			return err
		}
		if round == 0 {
			if err := b.restart(ctx, net, n); err != nil {
				return err
			}
		}
		limit, count, err := b.toolsAlone(ctx, plug, unplug)
		if err != nil {
			return err
		}
		flows = count
		ours, limits = append(ours, took.Seconds()), append(limits, limit.Seconds())
		ratios = append(ratios, took.Seconds()/limit.Seconds())
		if err := b.awaitDown(ctx, net); err != nil {
			return err
		}
	}
	ratio := median(ratios)
	b.add(row{
		what:   fmt.Sprintf("%d ports plugged at once, all ACTIVE", n),
		figure: fmt.Sprintf("%.0f ms = %.2f × the limit, %.1f br-int flows per port", 1000*median(ours), ratio, float64(flows)/float64(n)),
		limit:  fmt.Sprintf("%.0f ms", 1000*median(limits)), target: "at most 1.5 ×", ok: ratio <= 1.5,
	})
	return b.deletePorts(ctx, ports)
}

// plugAll plugs the ports with one ovs-vsctl and waits until all are ACTIVE.
func (b *bench) plugAll(ctx context.Context, net network, n int, plug []string) (time.Duration, error) {
	if err := b.settle(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := b.hv1.Exec(ctx, plug...); err != nil {
		return 0, err
	}
	err := b.allActive(ctx, net, n)
	return time.Since(began), err
}

// awaitDown waits until the agent, which is back, has seen that nothing is
// plugged.
func (b *bench) awaitDown(ctx context.Context, net network) error {
	path := "/v2.0/ports?network_id=" + net.ID + "&status=ACTIVE&fields=id"
	return b.until(ctx, time.Minute, "no port ACTIVE", func() (bool, error) {
		var answer struct{ Ports []port }
		err := b.lab.API().Call(ctx, "GET", path, nil, &answer)
		return len(answer.Ports) == 0, err
	})
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// settle waits until the agents are in sync, so that nothing else is measured.
func (b *bench) settle(ctx context.Context) error {
	return b.until(ctx, 30*time.Second, "all agents in sync", func() (bool, error) {
		agents, err := b.lab.API().Agents(ctx)
		if err != nil {
			return false, err
		}
		for _, a := range agents {
			// Agents of routers and networks are in sync with their host.
			if !a.Alive || a.Configurations.InSync != nil && !*a.Configurations.InSync {
				return false, nil
			}
		}
		return true, nil
	})
}

func (b *bench) allActive(ctx context.Context, net network, n int) error {
	path := "/v2.0/ports?network_id=" + net.ID + "&status=ACTIVE&fields=id"
	return b.until(ctx, 2*time.Minute, fmt.Sprintf("%d ports ACTIVE", n), func() (bool, error) {
		var answer struct{ Ports []port }
		err := b.lab.API().Call(ctx, "GET", path, nil, &answer)
		return len(answer.Ports) == n, err
	})
}

func (b *bench) until(ctx context.Context, limit time.Duration, what string, cond func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	for {
		ok, err := cond()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %s", limit, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// portFlow finds the flows of ports: their classification, identity, delivery and
// filter. The others are the bridge's, the networks', and those of the security
// groups, whose members need not be here.
var portFlow = regexp.MustCompile(`cookie=0x1e(06|07|08|0b)`)

// toolsAlone stops the agent, empties the bridge, and puts the same ports and
// the same flows back with one ovs-vsctl and one ovs-ofctl.
func (b *bench) toolsAlone(ctx context.Context, plug, unplug []string) (time.Duration, int, error) {
	dump, err := b.hv1.Exec(ctx, "ovs-ofctl", "-O", "OpenFlow15", "--no-stats", "--no-names", "dump-flows", "br-int")
	if err != nil {
		return 0, 0, err
	}
	if err := b.lab.Stop(ctx, "hv1", "agent", false); err != nil {
		return 0, 0, err
	}
	dir, err := os.MkdirTemp("", "lepton-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "flows")
	var text strings.Builder
	count := 0
	for line := range strings.Lines(dump) {
		if strings.Contains(line, "cookie=") {
			if portFlow.MatchString(line) {
				count++
			}
			text.WriteString(strings.ReplaceAll(line, "reset_counts ", ""))
		}
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return 0, 0, err
	}
	for _, argv := range [][]string{unplug, {"ovs-ofctl", "-O", "OpenFlow15", "del-flows", "br-int"}} {
		if _, err := b.hv1.Exec(ctx, argv...); err != nil {
			return 0, 0, err
		}
	}
	began := time.Now()
	for _, argv := range [][]string{plug, {"ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", "br-int", file}} {
		if _, err := b.hv1.Exec(ctx, argv...); err != nil {
			return 0, 0, err
		}
	}
	took := time.Since(began)
	if _, err := b.hv1.Exec(ctx, unplug...); err != nil {
		return 0, 0, err
	}
	return took, count, b.lab.Start(ctx, "hv1", "agent")
}

func (b *bench) deletePorts(ctx context.Context, ports []port) error {
	for _, p := range ports {
		if err := b.lab.API().Call(ctx, "DELETE", "/v2.0/ports/"+p.ID, nil, nil); err != nil {
			return err
		}
	}
	return nil
}
