package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// This file: the figures about a host that has many routers already.

// floating gives the guest a floating address and takes the time until the API
// and until the address, from outside, has answered.
func (r *routing) floating(ctx context.Context) (id string, api, took time.Duration, err error) {
	began := time.Now()
	var answer struct {
		FloatingIP struct {
			ID      string
			Address netip.Addr `json:"floating_ip_address"`
		}
	}
	body := map[string]any{"floatingip": map[string]any{
		"floating_network_id": r.external, "port_id": r.guestPort, "project_id": project,
	}}
	if err := r.lab.API().Call(ctx, "POST", "/v2.0/floatingips", body, &answer); err != nil {
		return "", 0, 0, err
	}
	api = time.Since(began)
	err = r.answers(ctx, r.outside, answer.FloatingIP.Address)
	return answer.FloatingIP.ID, api, time.Since(began), err
}

func (r *routing) oneFloating(ctx context.Context, n int) error {
	var times, apis []float64
	for range 11 {
		id, api, took, err := r.floating(ctx)
		if err != nil {
			return err
		}
		times, apis = append(times, took.Seconds()), append(apis, api.Seconds())
		if err := r.lab.API().Call(ctx, "DELETE", "/v2.0/floatingips/"+id, nil, nil); err != nil {
			return err
		}
	}
	limit, err := r.rulesOnce(ctx)
	if err != nil {
		return err
	}
	r.add(row{
		what:   fmt.Sprintf("one floating IP added on a host with %d routers, from the API call to the first ping from outside", n),
		figure: fmt.Sprintf("%s, of which the API %s, %.2f × the limit", ms(seconds(median(times))), ms(seconds(median(apis))), median(times)/limit.Seconds()),
		limit:  ms(limit), target: "under 200 ms", ok: median(times) < 0.2,
	})
	return nil
}

// rulesOnce is how long the tools take to put an address and the rules of a
// router in place once.
func (r *routing) rulesOnce(ctx context.Context) (time.Duration, error) {
	ns := "qrouter-" + r.routers[0]
	rules, err := r.net1.Exec(ctx, "ip", "netns", "exec", ns, "iptables-save")
	if err != nil {
		return 0, err
	}
	var times []float64
	for range 5 {
		cmd := r.net1.Command(ctx, "sh", "-c", "ip -n "+ns+" addr add 192.0.2.1/32 dev lo; ip netns exec "+ns+" iptables-restore --test --noflush")
		cmd.Stdin = strings.NewReader(rules)
		began := time.Now()
		if _, err := cmd.Run(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(began).Seconds())
		if _, err := r.net1.Exec(ctx, "ip", "-n", ns, "addr", "del", "192.0.2.1/32", "dev", "lo"); err != nil {
			return 0, err
		}
	}
	return seconds(median(times)), nil
}

// memory is what the agent of the routers' host holds, in bytes.
func (r *routing) memory(ctx context.Context) (float64, error) {
	m, err := metricsOf(ctx, r.net1)
	return m["process_resident_memory_bytes"], err
}

// memoryOf compares it with what it was when there was one router.
func (r *routing) memoryOf(ctx context.Context, before float64, n int) error {
	after, err := r.memory(ctx)
	if err != nil {
		return err
	}
	programs := 0 // that the agent runs for its routers
	for _, id := range r.routers {
		files, err := filepath.Glob(filepath.Join(r.lab.Plan().Dir, "net1", "run", "children", "*"+id+"*"))
		if err != nil {
			return err
		}
		programs += len(files)
	}
	each := (after - before) / float64(n-1) / 1024
	r.add(row{
		what:   fmt.Sprintf("memory of the agent with %d routers", n),
		figure: fmt.Sprintf("%.0f MiB resident, %.0f KiB a router, %d processes", after/(1<<20), each, programs),
		limit:  "-", target: "no process per router", ok: programs == 0,
	})
	return nil
}

// restartAgent kills the agent of the routers' host under traffic, starts it
// again, and counts what it did until a new floating address works.
func (r *routing) restartAgent(ctx context.Context, n int) error {
	type answer struct {
		r   lab.PingResult
		err error
	}
	log := filepath.Join(r.lab.Plan().Dir, "net1", "agent.log")
	changed := func() (int, error) {
		b, err := os.ReadFile(log)
		return strings.Count(string(b), "router changed"), err
	}
	pinged := make(chan answer, 1)
	go func() {
		got, err := r.guest.Ping(ctx, r.beyond(0), lab.Ping{Count: 2000, Interval: 2 * time.Millisecond})
		pinged <- answer{got, err}
	}()
	time.Sleep(500 * time.Millisecond)
	before, err := changed()
	if err != nil {
		return err
	}
	if err := r.lab.Stop(ctx, "net1", "agent", true); err != nil {
		return err
	}
	began := time.Now()
	if err := r.lab.Start(ctx, "net1", "agent"); err != nil {
		return err
	}
	if err := r.until(ctx, 30*time.Second, "the restarted agent in sync", func() (bool, error) {
		m, err := metricsOf(ctx, r.net1)
		return err == nil && m["lepton_agent_in_sync"] == 1, nil
	}); err != nil {
		return err
	}
	inSync := time.Since(began)
	got := <-pinged
	if got.err != nil {
		return got.err
	}
	m, err := metricsOf(ctx, r.net1)
	if err != nil {
		return err
	}
	mods := m["lepton_agent_flow_mods_total"]
	after, err := changed()
	if err != nil {
		return err
	}
	if _, _, _, err := r.floating(ctx); err != nil { // it works on
		return err
	}
	r.add(row{
		what:   fmt.Sprintf("agent killed and restarted with %d routers", n),
		figure: fmt.Sprintf("in sync after %s, %.0f flow-mods, %d routers written, %d of %d packets lost", ms(inSync), mods, after-before, got.r.Lost(), got.r.Sent),
		limit:  "-", target: "0, 0, 0", ok: mods == 0 && after == before && got.r.Lost() == 0,
	})
	return nil
}
