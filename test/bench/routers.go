package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// Addresses of the figures about routers. Every router is the way to one address
// of the range beyond, all of which are the outside machine's.
const (
	publicRange  = "203.0.112.0/20"
	publicRouter = "203.0.112.1" // the outside machine
	innerRange   = "10.9.0.0/16"
	innerGateway = "10.9.0.1"
	beyondRange  = "198.18.128.0/17"
	beyondFirst  = "198.18.128.1"
)

// routing is what the figures about routers are taken with: a guest on hv1 with
// a way through each router, an outside machine on hv2, routers on net1.
type routing struct {
	*bench
	external, inner, innerSubnet string
	net1, guest, outside         *lab.Place
	guestPort                    string
	routers                      []string
	ports                        []port // of the routers on the inner network
}

// routersOn gives the step that takes the figures with up to n routers.
func (b *bench) routersOn(n int) func(context.Context) error {
	return func(ctx context.Context) error {
		r := &routing{bench: b}
		if err := r.prepare(ctx, n); err != nil {
			return err
		}
		if err := r.one(ctx); err != nil {
			return err
		}
		before, err := r.memory(ctx)
		if err != nil {
			return err
		}
		if err := r.many(ctx, n); err != nil {
			return err
		}
		if err := r.memoryOf(ctx, before, n); err != nil {
			return err
		}
		if err := r.oneFloating(ctx, n); err != nil {
			return err
		}
		return r.restartAgent(ctx, n)
	}
}

// post creates an object and gives its id.
func (r *routing) post(ctx context.Context, path, kind string, attrs map[string]any) (string, error) {
	attrs["project_id"] = project
	var answer map[string]struct{ ID string }
	err := r.lab.API().Call(ctx, "POST", "/v2.0/"+path, map[string]any{kind: attrs}, &answer)
	return answer[kind].ID, err
}

// prepare makes networks, machines, and the ports that routers will take.
func (r *routing) prepare(ctx context.Context, n int) (err error) {
	if r.net1, err = r.lab.Place("net1"); err != nil {
		return err
	}
	if r.external, err = r.post(ctx, "networks", "network", map[string]any{
		"router:external": true, "provider:network_type": "flat", "provider:physical_network": "physnet1",
	}); err != nil {
		return err
	}
	if _, err = r.post(ctx, "subnets", "subnet", map[string]any{
		"network_id": r.external, "ip_version": 4, "cidr": publicRange, "gateway_ip": publicRouter,
	}); err != nil {
		return err
	}
	if r.inner, err = r.post(ctx, "networks", "network", map[string]any{}); err != nil {
		return err
	}
	if r.innerSubnet, err = r.post(ctx, "subnets", "subnet", map[string]any{"network_id": r.inner, "ip_version": 4, "cidr": innerRange}); err != nil {
		return err
	}
	if err := r.machines(ctx); err != nil {
		return err
	}
	r.ports = make([]port, n)
	for i := range r.ports {
		var answer struct{ Port port }
		attrs := map[string]any{"network_id": r.inner, "project_id": project}
		if i == 0 { // the guest's default way, which a floating address needs
			attrs["fixed_ips"] = []map[string]any{{"ip_address": innerGateway}}
		}
		if err := r.lab.API().Call(ctx, "POST", "/v2.0/ports", map[string]any{"port": attrs}, &answer); err != nil {
			return err
		}
		r.ports[i] = answer.Port
		_, err := r.guest.Exec(ctx, "ip", "route", "add", r.beyond(i).String(), "via", answer.Port.FixedIPs[0].IP.String())
		if err != nil {
			return err
		}
	}
	return nil
}

// beyond is the address that the guest reaches through router i.
func (r *routing) beyond(i int) netip.Addr {
	a := netip.MustParseAddr(beyondFirst)
	for range i {
		a = a.Next()
	}
	return a
}

// machines plugs the guest and the outside machine.
func (r *routing) machines(ctx context.Context) error {
	plug := func(host, network string, more map[string]any) (*lab.Place, string, error) {
		attrs := map[string]any{"network_id": network, "port_security_enabled": false}
		for k, v := range more {
			attrs[k] = v
		}
		id, err := r.post(ctx, "ports", "port", attrs)
		if err != nil {
			return nil, "", err
		}
		g, err := r.lab.Plug(ctx, lab.PlugRequest{Host: host, Port: id, Wait: true})
		if err != nil {
			return nil, "", err
		}
		p, err := r.lab.Place(g.Name)
		if err != nil {
			return nil, "", err
		}
		// A neighbour that does not answer yet is asked again soon: what is
		// measured is not the kernel's patience.
		_, err = p.Exec(ctx, "sysctl", "-qw", "net.ipv4.neigh.eth0.retrans_time_ms=10")
		return p, id, err
	}
	var err error
	if r.outside, _, err = plug("hv2", r.external, nil); err != nil {
		return err
	}
	for _, line := range []string{"route del default", "addr add " + publicRouter + "/20 dev eth0", "route add local " + beyondRange + " dev lo"} {
		if _, err = r.outside.Exec(ctx, append([]string{"ip"}, strings.Fields(line)...)...); err != nil {
			return err
		}
	}
	r.guest, r.guestPort, err = plug("hv1", r.inner, nil)
	return err
}

// make makes routers with the ports from first on, and gives the time from the
// first API call to the last answer of the API and to the last first ping.
func (r *routing) make(ctx context.Context, first, n int) (api, total time.Duration, err error) {
	var list []map[string]any
	for i := range n {
		list = append(list, map[string]any{
			"name": fmt.Sprintf("r%d", first+i), "project_id": project,
			"external_gateway_info": map[string]any{"network_id": r.external},
		})
	}
	began := time.Now()
	var made struct{ Routers []struct{ ID string } }
	if err := r.lab.API().Call(ctx, "POST", "/v2.0/routers", map[string]any{"routers": list}, &made); err != nil {
		return 0, 0, err
	}
	for i, router := range made.Routers {
		r.routers = append(r.routers, router.ID)
		body := map[string]any{"port_id": r.ports[first+i].ID}
		if err := r.lab.API().Call(ctx, "PUT", "/v2.0/routers/"+router.ID+"/add_router_interface", body, nil); err != nil {
			return 0, 0, err
		}
	}
	api = time.Since(began)
	// All have to answer, so it is enough to wait for one after the other.
	for i := range n {
		if err := r.answers(ctx, r.guest, r.beyond(first+i)); err != nil {
			return 0, 0, err
		}
	}
	return api, time.Since(began), nil
}

// answers pings until an answer comes.
func (r *routing) answers(ctx context.Context, from *lab.Place, to netip.Addr) error {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		got, err := from.Ping(ctx, to, lab.Ping{Count: 1, Timeout: 20 * time.Millisecond})
		if err != nil || got.Received > 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer", to)
		}
	}
}

// one measures one router, several times, in turn with the tools. The last one
// stays.
func (r *routing) one(ctx context.Context) error {
	var ours, limits, ratios []float64
	const runs = 5
	for i := range runs {
		_, took, err := r.make(ctx, 0, 1)
		if err != nil {
			return err
		}
		limit, err := r.tools(ctx, r.routers[0], 1)
		if err != nil {
			return err
		}
		ours, limits, ratios = append(ours, took.Seconds()), append(limits, limit.Seconds()), append(ratios, took.Seconds()/limit.Seconds())
		if i == runs-1 {
			break
		}
		if err := r.remove(ctx, 0); err != nil {
			return err
		}
	}
	r.add(row{
		what:   "one router, from the API call to the first ping through it",
		figure: fmt.Sprintf("%s, %.2f × the limit", ms(seconds(median(ours))), median(ratios)),
		limit:  ms(seconds(median(limits))), target: "under 500 ms", ok: median(ours) < 0.5,
	})
	return nil
}

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }

// remove deletes a router and makes its port anew, with the same address.
func (r *routing) remove(ctx context.Context, i int) error {
	id := r.routers[i]
	call := func(method, path string, body any, out any) error {
		return r.lab.API().Call(ctx, method, "/v2.0/"+path, body, out)
	}
	if err := call("PUT", "routers/"+id+"/remove_router_interface", map[string]any{"port_id": r.ports[i].ID}, nil); err != nil {
		return err
	}
	if err := call("DELETE", "routers/"+id, nil, nil); err != nil {
		return err
	}
	r.routers = r.routers[:i]
	var answer struct{ Port port }
	err := call("POST", "ports", map[string]any{"port": map[string]any{
		"network_id": r.inner, "project_id": project, "fixed_ips": []map[string]any{{"ip_address": r.ports[i].FixedIPs[0].IP}},
	}}, &answer)
	r.ports[i] = answer.Port
	if err != nil {
		return err
	}
	return r.until(ctx, 10*time.Second, "the router to go", func() (bool, error) {
		_, err := os.Stat("/run/netns/qrouter-" + id)
		return os.IsNotExist(err), nil
	})
}

// many measures all other routers at once.
func (r *routing) many(ctx context.Context, n int) error {
	api, took, err := r.make(ctx, 1, n-1)
	if err != nil {
		return err
	}
	limit, err := r.tools(ctx, r.routers[0], n-1)
	if err != nil {
		return err
	}
	r.add(row{
		what:   fmt.Sprintf("%d routers at once, from the first API call to the first ping through the last", n-1),
		figure: fmt.Sprintf("%.1f s, of which the API %.1f s, %.2f × the limit", took.Seconds(), api.Seconds(), took.Seconds()/limit.Seconds()),
		limit:  fmt.Sprintf("%.1f s", limit.Seconds()), target: "at most 1.5 ×", ok: took.Seconds() <= 1.5*limit.Seconds(),
	})
	return nil
}

// tools makes as many routers with the tools alone: the ports in one
// transaction, then for each a namespace with links, addresses and the rules of
// a real one. What answers pings is not part of it.
func (r *routing) tools(ctx context.Context, router string, n int) (time.Duration, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	for _, save := range []string{"iptables-save", "ip6tables-save"} {
		out, err := r.net1.Exec(ctx, "ip", "netns", "exec", "qrouter-"+router, save)
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(dir, save), []byte(out), 0o600); err != nil {
			return 0, err
		}
	}
	prefix := fmt.Sprintf("bench%d-", os.Getpid())
	ports, undo := "ovs-vsctl", "ovs-vsctl"
	each := "set -e\n"
	cleanup := ""
	for i := range n {
		ns := fmt.Sprintf("%s%d", prefix, i)
		each += "ip netns add " + ns + "\n"
		batch := "link set lo up\n"
		for j, kind := range []string{"r", "g"} {
			link := fmt.Sprintf("l%s-%d", kind, i)
			ports += fmt.Sprintf(" -- add-port br-int %s -- set interface %s type=internal", link, link)
			undo += " -- del-port br-int " + link
			each += "ip link set " + link + " netns " + ns + "\n"
			batch += fmt.Sprintf("addr add 10.%d.0.%d/24 dev %s\nlink set %s mtu 1450 up\n", j, i%250+1, link, link)
		}
		batch += "route add default via 10.1.0.254\n"
		each += "ip -n " + ns + " -batch - <<E\n" + batch + "E\n"
		each += "ip netns exec " + ns + " sh -c 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; iptables-restore <" +
			dir + "/iptables-save; ip6tables-restore <" + dir + "/ip6tables-save'\n"
		cleanup += "ip netns del " + ns + "\n"
	}
	cmd := r.net1.Command(ctx, "sh", "-s")
	cmd.Stdin = strings.NewReader(ports + "\n" + each)
	began := time.Now()
	_, err = cmd.Run()
	took := time.Since(began)
	clean := r.net1.Command(ctx, "sh", "-s")
	clean.Stdin = strings.NewReader(cleanup + undo + "\n")
	_, cleanErr := clean.Run()
	return took, errors.Join(err, cleanErr)
}
