package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// instances measures what the controller tells guests of themselves, from its own
// records: guests of a lab ask through n networks' DHCP namespaces, the proxy of
// their host, and the agents' RPC.
func (b *bench) instances(ctx context.Context, n int, long time.Duration) error {
	guests, nets, ports, err := b.instanceGuests(ctx, n)
	if err != nil {
		return err
	}
	who := func(i int) (string, string) { return guests[i].Namespace, "http://169.254.169.254" }
	if err := b.answeredAll(ctx, who); err != nil {
		return err
	}
	if err := b.served(ctx, n); err != nil {
		return err
	}
	what := fmt.Sprintf("metadata of the controller's own records, %d networks", n)
	for _, path := range []string{"/latest/meta-data/instance-id", "/openstack/latest/network_data.json"} {
		got, err := ask(ctx, long, path, who)
		if err != nil {
			return err
		}
		b.add(row{
			what: what + ": requests a second for " + path, figure: fmt.Sprintf("%.0f, 99%% in %s", got.rate, ms(got.p99)), limit: "-",
			target: "500/s, 99% in 50 ms", ok: got.rate >= 500 && got.p99 < 50*time.Millisecond,
		})
	}
	for _, p := range ports {
		if err := b.lab.Unplug(ctx, p.ID); err != nil {
			return err
		}
	}
	if err := b.deletePorts(ctx, ports); err != nil {
		return err
	}
	return b.dropNetworks(ctx, nets)
}

// served waits until n networks have their DHCP servers, most of which no guest
// asks: else it is their start that is measured.
func (b *bench) served(ctx context.Context, n int) error {
	err := b.until(ctx, 2*time.Minute, "all DHCP servers", func() (bool, error) {
		var answer struct{ Ports []port }
		err := b.lab.API().Call(ctx, "GET", "/v2.0/ports?device_owner=network:dhcp&status=ACTIVE&fields=id", nil, &answer)
		return len(answer.Ports) >= n, err
	})
	if err != nil {
		return err
	}
	return b.settle(ctx)
}

// instanceGuests makes networks, and guests on some of them, each with a record of
// its instance.
func (b *bench) instanceGuests(ctx context.Context, n int) (guests []lab.Guest, nets []network, ports []port, err error) {
	for i := range n {
		net, err := b.network(ctx, fmt.Sprintf("metadata%d", i), "10.4.0.0/24", "")
		if err != nil {
			return nil, nil, nil, err
		}
		nets = append(nets, net)
	}
	for i := range guestsAsking {
		made, err := b.ports(ctx, nets[i*len(nets)/guestsAsking], "hv2", 1)
		if err != nil {
			return nil, nil, nil, err
		}
		p := made[0]
		ports = append(ports, p)
		body := map[string]any{"lepton_instance": map[string]any{
			"name": fmt.Sprintf("vm%d", i), "project_id": project, "port_ids": []string{p.ID},
		}}
		if err := b.lab.API().Call(ctx, "POST", "/v2.0/lepton-instances", body, nil); err != nil {
			return nil, nil, nil, err
		}
		g, err := b.lab.Plug(ctx, lab.PlugRequest{Host: "hv2", Port: p.ID, Guest: fmt.Sprintf("vm%d-%d", n, i), Wait: true})
		if err != nil {
			return nil, nil, nil, err
		}
		guests = append(guests, g)
		if err := ipBatch(ctx, g.Namespace, "route replace 169.254.169.254/32 dev eth0\n"); err != nil {
			return nil, nil, nil, err
		}
	}
	return guests, nets, ports, nil
}

// answeredAll waits until every guest is answered.
func (b *bench) answeredAll(ctx context.Context, who func(i int) (ns, url string)) error {
	for i := range guestsAsking {
		ns, url := who(i)
		c := guestClient(ns)
		err := b.until(ctx, time.Minute, "an answer about "+ns, func() (bool, error) {
			res, err := c.Get(url + "/latest/meta-data/instance-id")
			if err != nil {
				return false, ctx.Err()
			}
			defer res.Body.Close()
			return res.StatusCode == http.StatusOK, nil
		})
		c.CloseIdleConnections()
		if err != nil {
			return err
		}
	}
	return nil
}
