package scale

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/rpc"
)

// This file: what each host should know, and whether it does. Both sides become
// lines of text, see notes.

// should gives what a host should know, by record.
func (t *truth) should(host string) map[rpc.Ref]string {
	all := map[rpc.Ref]string{}
	put := func(k rpc.Kind, id, text string) { all[rpc.Ref{Kind: k, ID: id}] = text }
	for network, hosts := range t.on {
		if !hosts[host] {
			continue
		}
		t.putNetwork(network, put)
		for _, p := range t.portsOf[network] {
			if p.bound() != "" {
				put(rpc.KindPort, p.ID, p.text(host))
			}
		}
		if t.networks[network].Type == "vxlan" {
			for other := range hosts {
				if ip := t.tunnels[other]; other != host && ip != "" {
					put(rpc.KindEndpoint, other, ip)
				}
			}
		}
	}
	for group := range t.groupsOn[host] {
		put(rpc.KindGroup, group, "")
		for _, r := range t.rules[group] {
			put(rpc.KindRule, r.ID, r.text())
			for _, p := range t.members[r.RemoteGroup] {
				put(rpc.KindMember, rpc.MemberID(r.RemoteGroup, p.ID), p.addresses())
			}
		}
	}
	for _, router := range t.routersOn[host] {
		t.putRouter(router, host, put)
	}
	return all
}

func (t *truth) putNetwork(id string, put func(rpc.Kind, string, string)) {
	put(rpc.KindNetwork, id, t.networks[id].text())
	for _, s := range t.subnets[id] {
		put(rpc.KindSubnet, s.ID, join(s.Network, s.CIDR, s.Gateway))
	}
}

func (t *truth) putRouter(id, host string, put func(rpc.Kind, string, string)) {
	r := t.routers[id]
	gateway := ""
	if r.Gateway != nil {
		gateway = r.Gateway.Network
		t.putNetwork(gateway, put)
	}
	put(rpc.KindRouter, id, gateway)
	put(rpc.KindRouterBinding, id, host)
	for _, p := range t.links[id] {
		put(rpc.KindPort, p.ID, p.text(host))
		t.putNetwork(p.Network, put)
	}
	for _, f := range t.floatingIPs[id] {
		put(rpc.KindFloatingIP, f.ID, join(f.Floating.String(), f.Fixed.String(), f.Port))
	}
}

func join(parts ...string) string { return strings.Join(parts, " ") }

func (n *apiNetwork) text() string {
	id := uint32(0)
	if n.Segment != nil {
		id = *n.Segment
	}
	return join(n.Type, strconv.Itoa(int(id)), strconv.Itoa(n.MTU))
}

// text is the port as a host sees it; its own host learns its groups too.
func (p *apiPort) text(host string) string {
	parts := []string{p.Network, p.MAC, p.bound(), p.Device, p.Owner}
	for _, f := range p.FixedIPs {
		parts = append(parts, f.IP.String())
	}
	if p.bound() == host {
		parts = append(parts, "in")
		parts = append(parts, slices.Sorted(slices.Values(p.Groups))...)
		parts = append(parts, strconv.FormatInt(p.Revision, 10))
	}
	return join(parts...)
}

// addresses are those that rules which name the port's groups admit.
func (p *apiPort) addresses() string {
	var all []string
	for _, f := range p.FixedIPs {
		all = append(all, f.IP.String())
	}
	slices.Sort(all)
	return join(all...)
}

func (r *apiRule) text() string {
	return join(r.Group, r.Direction, r.EtherType, r.Protocol, number(r.From), number(r.To), r.RemoteGroup)
}

func number(n *int) string {
	if n == nil {
		return "-"
	}
	return strconv.Itoa(*n)
}

// differences compares what a host knows with what it should; at most a few are
// told.
func (t *truth) differences(a *agent) (records int, wrong []string) {
	should := t.should(a.host)
	a.mu.Lock()
	for r, digest := range a.notes.records {
		records++
		want, ok := should[r]
		delete(should, r)
		switch {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("%s knows %s %s, which it does not need", a.host, r.Kind, r.ID))
		case digest != digestOf([]byte(want)):
			wrong = append(wrong, fmt.Sprintf("%s has another %s %s than %q", a.host, r.Kind, r.ID, want))
		}
	}
	a.mu.Unlock()
	for r, want := range should {
		wrong = append(wrong, fmt.Sprintf("%s lacks %s %s: %s", a.host, r.Kind, r.ID, want))
	}
	slices.SortFunc(wrong, cmp.Compare[string])
	return records, wrong
}

// convergence is the outcome of comparing all hosts.
type convergence struct {
	records int // that all hosts know together
	wrong   []string
}

// converge compares every host until all are right, as long as it may take.
func (t *truth) converge(ctx context.Context, f *fleet, patience time.Duration) (c convergence) {
	left := f.agents
	err := until(ctx, patience, func() (string, error) {
		var again []*agent
		c.wrong = nil
		for _, a := range left {
			n, wrong := t.differences(a)
			if len(wrong) > 0 {
				again = append(again, a)
				c.wrong = append(c.wrong, wrong[:min(len(wrong), 3)]...)
				continue
			}
			c.records += n
		}
		if left = again; len(left) > 0 {
			return fmt.Sprintf("%d hosts know something else than they should", len(left)), ctx.Err()
		}
		return "", nil
	})
	if err != nil {
		c.wrong = append([]string{err.Error()}, c.wrong...)
	}
	return c
}
