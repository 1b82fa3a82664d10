package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// project owns everything that a run makes.
const project = "bench"

type network struct{ ID string }

type port struct {
	ID         string
	MACAddress string `json:"mac_address"`
	Status     string
	FixedIPs   []struct {
		IP netip.Addr `json:"ip_address"`
	} `json:"fixed_ips"`
}

// network makes a VXLAN network with an IPv4 and an IPv6 subnet.
func (b *bench) network(ctx context.Context, name, cidr4, cidr6 string) (network, error) {
	var n struct{ Network network }
	err := b.lab.API().Call(ctx, "POST", "/v2.0/networks",
		map[string]any{"network": map[string]any{"name": name, "project_id": project}}, &n)
	if err != nil {
		return network{}, err
	}
	for version, cidr := range map[int]string{4: cidr4, 6: cidr6} {
		if cidr == "" {
			continue
		}
		body := map[string]any{"subnet": map[string]any{
			"network_id": n.Network.ID, "ip_version": version, "cidr": cidr, "project_id": project,
		}}
		if err := b.lab.API().Call(ctx, "POST", "/v2.0/subnets", body, nil); err != nil {
			return network{}, err
		}
	}
	return n.Network, nil
}

// ports makes n ports on the host, with one client for each of at most eight.
func (b *bench) ports(ctx context.Context, net network, host string, n int) ([]port, error) {
	out := make([]port, n)
	_, err := b.create(ctx, creation{net: net, host: host, n: n, clients: min(n, 8), out: out})
	return out, err
}

// creation is a run of port creates.
type creation struct {
	net     network
	host    string
	group   string // "" for the project's default group
	n       int
	clients int
	out     []port // when not nil, the ports
}

func (c creation) body() map[string]any {
	p := map[string]any{
		"network_id": c.net.ID, "project_id": project, "device_owner": "compute:nova", "device_id": "bench",
	}
	if c.host != "" {
		p["binding:host_id"] = c.host
	}
	if c.group != "" {
		p["security_groups"] = []string{c.group}
	}
	return map[string]any{"port": p}
}

// create makes ports over the API and gives how long each call took.
func (b *bench) create(ctx context.Context, c creation) ([]time.Duration, error) {
	took := make([]time.Duration, c.n)
	errs := make([]error, c.clients)
	var wg sync.WaitGroup
	for w := range c.clients {
		wg.Go(func() {
			for i := w; i < c.n; i += c.clients {
				var answer struct{ Port port }
				began := time.Now()
				if err := b.lab.API().Call(ctx, "POST", "/v2.0/ports", c.body(), &answer); err != nil {
					errs[w] = err
					return
				}
				took[i] = time.Since(began)
				if c.out != nil {
					c.out[i] = answer.Port
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return took, nil
}

// createRate measures port creates from one and from eight clients.
func (b *bench) createRate(ctx context.Context) error {
	net, err := b.network(ctx, "rate", "10.64.0.0/12", "")
	if err != nil {
		return err
	}
	for _, clients := range []int{1, 8} {
		const n = 2000
		began := time.Now()
		took, err := b.create(ctx, creation{net: net, n: n, clients: clients})
		if err != nil {
			return err
		}
		rate := n / time.Since(began).Seconds()
		slices.Sort(took)
		p50, p99 := took[n/2], took[n*99/100]
		r := row{
			what:   fmt.Sprintf("port create, %d client(s)", clients),
			figure: fmt.Sprintf("%.0f/s, p50 %s, p99 %s", rate, ms(p50), ms(p99)),
			limit:  "-", target: "-", ok: true,
		}
		if clients == 8 {
			r.target = "over 500/s, p99 under 50 ms"
			r.ok = rate > 500 && p99 < 50*time.Millisecond
		}
		b.add(r)
	}
	return nil
}
