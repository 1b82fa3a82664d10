package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// takenGuests are the guests of the cloud that changes its network service.
var takenGuests = []struct{ name, host, network, address string }{
	{"a", "hv1", "blue", "10.1.0.11"},
	{"b", "hv2", "blue", "10.1.0.12"},
	{"x", "hv1", "vlan", "172.16.0.11"},
	{"y", "hv2", "vlan", "172.16.0.12"},
	{"o", "hv2", "public", "203.0.113.200"},
}

// networks makes what the guests are on: a tenant's network with a router and a
// floating IP, one of a VLAN, and the external one.
func (t *takeover) networks(ctx context.Context) error {
	all := []request{
		post("group", "security-groups", `{"security_group": {"name": "ping"}}`),
		post("", "security-group-rules", `{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "protocol": "icmp"}}`),
		post("public", "networks", `{"network": {"name": "public", "router:external": true, "provider:network_type": "flat", "provider:physical_network": "physnet1"}}`),
		post("public4", "subnets", `{"subnet": {"network_id": "$public", "ip_version": 4, "cidr": "203.0.113.0/24", "gateway_ip": null, "enable_dhcp": false, "allocation_pools": [{"start": "203.0.113.10", "end": "203.0.113.99"}]}}`),
		post("blue", "networks", `{"network": {"name": "blue"}}`),
		post("blue4", "subnets", `{"subnet": {"network_id": "$blue", "ip_version": 4, "cidr": "10.1.0.0/24"}}`),
		post("vlan", "networks", `{"network": {"name": "vlan", "provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 150}}`),
		post("vlan4", "subnets", `{"subnet": {"network_id": "$vlan", "ip_version": 4, "cidr": "172.16.0.0/24", "gateway_ip": null, "enable_dhcp": false}}`),
		post("router", "routers", `{"router": {"name": "router", "external_gateway_info": {"network_id": "$public"}}}`),
		put("routers/$router/add_router_interface", `{"subnet_id": "$blue4"}`),
	}
	for _, g := range takenGuests {
		all = append(all, post("port "+g.name, "ports", fmt.Sprintf(`{"port": {"name": "%s", "network_id": "$%s", "fixed_ips": [{"ip_address": "%s"}], "security_groups": ["$group"]}}`, g.name, g.network, g.address)))
	}
	all = append(all, post("fip", "floatingips", `{"floatingip": {"floating_network_id": "$public", "port_id": "$port a"}}`))
	for _, r := range all {
		if err := t.make(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", r.body, err)
		}
	}
	return nil
}

// guests plugs them, and waits until Neutron has wired them.
func (t *takeover) guests(ctx context.Context) error {
	var plugs []lab.PlugRequest
	for _, g := range takenGuests {
		plugs = append(plugs, lab.PlugRequest{Host: g.host, Port: t.ids["port "+g.name], Guest: g.name})
	}
	if _, err := t.lab.PlugAll(ctx, plugs); err != nil {
		return err
	}
	return t.until(ctx, time.Minute, "all ports are ACTIVE in Neutron", func() error { return t.active(ctx, t.lab.API()) })
}

// path is from a guest to an address.
type path struct{ what, from, to string }

// paths are those that must work, whoever the network service is.
func (t *takeover) paths() []path {
	return []path{
		{"VXLAN", "a", "10.1.0.12"},
		{"VLAN", "x", "172.16.0.12"},
		{"floating IP", "o", t.ids["fip.ip"]},
		{"SNAT", "b", "203.0.113.200"},
	}
}

// reach asks that all paths work, and that the tenant's network has DHCP.
func (t *takeover) reach(ctx context.Context) error {
	for _, p := range t.paths() {
		if err := t.until(ctx, 45*time.Second, p.what+" works", func() error {
			at, err := t.lab.Place(p.from)
			if err != nil {
				return err
			}
			r, err := at.Ping(ctx, netip.MustParseAddr(p.to), lab.Ping{Count: 1, Timeout: 500 * time.Millisecond})
			if err == nil && r.Received == 0 {
				err = fmt.Errorf("%s to %s: %s", p.from, p.to, r)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return t.until(ctx, 30*time.Second, "DHCP answers", func() error {
		at, err := t.lab.Place("a")
		if err == nil {
			_, err = at.Exec(ctx, "udhcpc", "-f", "-n", "-q", "-t", "2", "-T", "1", "-i", "eth0", "-s", "/bin/true")
		}
		return err
	})
}

// watch pings along all paths until it is stopped.
type watch struct {
	all    []*watched
	cancel context.CancelFunc
}

// watched is one path: since when nothing has come back, and for how long at most.
type watched struct {
	path
	results chan time.Time // of each answer
	last    time.Time
	worst   time.Duration
}

// pause is between two pings of a path.
const pause = 20 * time.Millisecond

// watchGuests starts to ping along all paths.
func (t *takeover) watchGuests(ctx context.Context) (*watch, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{cancel: cancel}
	for _, p := range t.paths() {
		at, err := t.lab.Place(p.from)
		if err != nil {
			cancel()
			return nil, err
		}
		one := &watched{path: p, results: make(chan time.Time, 1<<15), last: time.Now()}
		w.all = append(w.all, one)
		cmd := at.Command(ctx, "ping", "-n", "-i", fmt.Sprint(pause.Seconds()), "-W", "1", p.to)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			cancel()
			return nil, err
		}
		go func() {
			one.read(out)
			_ = cmd.Wait() // it was told to end
		}()
	}
	return w, nil
}

func (w *watch) stop() { w.cancel() }

// lost gives, in lines with the prefix, for how long each path was without an
// answer at most since it was asked last.
func (w *watch) lost(prefix string) string {
	var b strings.Builder
	for _, one := range w.all {
		for more := true; more; {
			select {
			case at := <-one.results:
				one.worst = max(one.worst, at.Sub(one.last))
				one.last = at
			default:
				more = false
			}
		}
		if gap := max(one.worst, time.Since(one.last)); gap > 10*pause {
			fmt.Fprintf(&b, "%s%s: %s without an answer\n", prefix, one.what, gap.Round(10*time.Millisecond))
		}
		one.worst = 0
	}
	return b.String()
}

// read notes when each answer came.
func (o *watched) read(from io.Reader) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), "bytes from") {
			continue
		}
		select {
		case o.results <- time.Now():
		default: // nobody has asked for ten minutes
		}
	}
}
