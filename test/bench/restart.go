package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// restart kills the agent of a host with n ports under traffic between two of
// its guests and hv2, starts it again, and counts.
func (b *bench) restart(ctx context.Context, net network, n int) error {
	near, far, err := b.pair(ctx, net)
	if err != nil {
		return err
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	place, err := b.lab.Place(near.Name)
	if err != nil {
		return err
	}
	type answer struct {
		r   lab.PingResult
		err error
	}
	pinged := make(chan answer, 1)
	go func() {
		r, err := place.Ping(ctx, far.IP(4), lab.Ping{Count: 2000, Interval: 2 * time.Millisecond})
		pinged <- answer{r, err}
	}()
	time.Sleep(500 * time.Millisecond)
	if err := b.lab.Stop(ctx, "hv1", "agent", true); err != nil {
		return err
	}
	began := time.Now()
	if err := b.lab.Start(ctx, "hv1", "agent"); err != nil {
		return err
	}
	var m metrics
	err = b.until(ctx, 30*time.Second, "the restarted agent in sync", func() (bool, error) {
		m, err = b.agentMetrics(ctx)
		return err == nil && m["lepton_agent_in_sync"] == 1, nil
	})
	took := time.Since(began)
	if err != nil {
		return err
	}
	got := <-pinged
	if got.err != nil {
		return got.err
	}
	m, err = b.agentMetrics(ctx)
	if err != nil {
		return err
	}
	mods, memory := m["lepton_agent_flow_mods_total"], m["process_resident_memory_bytes"]/(1<<20)
	b.add(row{
		what:   fmt.Sprintf("agent killed and restarted with %d ports", n),
		figure: fmt.Sprintf("in sync after %s, %.0f flow-mods, %d of %d packets lost", ms(took), mods, got.r.Lost(), got.r.Sent),
		limit:  "-", target: "under 1 s, 0, 0", ok: took < time.Second && mods == 0 && got.r.Lost() == 0,
	})
	b.add(row{
		what: fmt.Sprintf("agent memory with %d ports", n), figure: fmt.Sprintf("%.0f MiB resident", memory),
		limit: "-", target: "under 60 MiB at 500", ok: memory < 60,
	})
	for _, g := range []lab.Guest{near, far} {
		for _, nic := range g.NICs {
			if err := b.lab.Unplug(ctx, nic.Port); err != nil {
				return err
			}
			if err := b.lab.API().Call(ctx, "DELETE", "/v2.0/ports/"+nic.Port, nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// pair makes a guest on each compute node.
func (b *bench) pair(ctx context.Context, net network) (near, far lab.Guest, err error) {
	guests := make([]lab.Guest, 2)
	for i, host := range []string{"hv1", "hv2"} {
		p, err := b.ports(ctx, net, host, 1)
		if err != nil {
			return near, far, err
		}
		if guests[i], err = b.lab.Plug(ctx, lab.PlugRequest{Host: host, Port: p[0].ID, Wait: true}); err != nil {
			return near, far, err
		}
	}
	return guests[0], guests[1], nil
}

// metrics are the sums of a program's figures by name.
type metrics map[string]float64

// agentMetrics reads what hv1's agent tells of itself.
func (b *bench) agentMetrics(ctx context.Context) (metrics, error) { return metricsOf(ctx, b.hv1) }

// metricsOf reads what a host's agent tells of itself.
func metricsOf(ctx context.Context, host *lab.Place) (metrics, error) {
	out, err := host.Exec(ctx, "curl", "-sf", "http://127.0.0.1:9699/metrics")
	if err != nil {
		return nil, err
	}
	m := metrics{}
	for line := range strings.Lines(out) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			base, _, _ := strings.Cut(name, "{")
			m[base] += v
		}
	}
	return m, nil
}
