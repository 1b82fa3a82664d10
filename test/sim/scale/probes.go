package scale

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/rpc"
)

// This file: one change on a quiet cloud, how long it takes to every host that
// needs it, and whether anybody else hears of it.

// quiet is how long nothing may come before a change is measured, and how long
// it is waited for hosts that should not hear of it.
const quiet = 250 * time.Millisecond

// change is something done through the API.
type change struct {
	what string
	// do does it and gives the id of what it has made; undo reverts it.
	do   func(ctx context.Context) (string, error)
	undo func(ctx context.Context) error
	// tells says which hosts need which records because of it.
	tells func(id string) map[rpc.Ref]map[string]bool
}

// reach is how a kind of change got to the hosts.
type reach struct {
	half, all []time.Duration // until half of the hosts had it, and the last one
	bytes     int64           // received by all hosts together
	// Over all changes: the hosts that need one and the hosts that were told
	// anything, the records that they need and those that they got, messages.
	hosts, told, need, heard, messages int
	wrong                              []string // hosts that were not told, or told for nothing
}

// measure does a change, notes who is told, and reverts it.
func (r *reach) measure(ctx context.Context, f *fleet, c change) error {
	if err := f.calm(ctx); err != nil {
		return err
	}
	before, _ := f.traffic()
	f.listen()
	began := time.Now()
	id, err := c.do(ctx)
	if err != nil {
		f.deaf()
		return fmt.Errorf("%s: %w", c.what, err)
	}
	needed := c.tells(id)
	late := until(ctx, 10*time.Second, func() (string, error) {
		for ref, hosts := range needed {
			if n := f.heardBy(ref); n < len(hosts) {
				return fmt.Sprintf("%s: %d of %d hosts heard of the %s", c.what, n, len(hosts), ref.Kind), nil
			}
		}
		return "", nil
	})
	time.Sleep(quiet)
	e := f.deaf()
	after, _ := f.traffic()
	r.note(heard{c.what, needed, began}, e)
	r.bytes += after - before
	if late != nil {
		r.wrong = append(r.wrong, late.Error())
	}
	return c.undo(ctx)
}

// heard is what should have been heard of a change.
type heard struct {
	what   string
	needed map[rpc.Ref]map[string]bool
	began  time.Time
}

func (r *reach) note(h heard, e *ear) {
	arrived := map[string]time.Duration{} // by host, with the last of what it needs
	for ref, hosts := range h.needed {
		for host := range hosts {
			at, ok := e.heard[ref][host]
			if !ok {
				r.wrong = append(r.wrong, fmt.Sprintf("%s: %s needs the %s and was not told", h.what, host, ref.Kind))
				continue
			}
			arrived[host] = max(arrived[host], at.Sub(h.began))
		}
		r.need += len(hosts)
		r.heard += len(e.heard[ref])
	}
	for host, n := range e.messages {
		r.messages += n
		if _, ok := arrived[host]; !ok {
			r.wrong = append(r.wrong, fmt.Sprintf("%s: %s was told something, and needs nothing of it", h.what, host))
		}
	}
	r.hosts, r.told = r.hosts+len(arrived), r.told+len(e.messages)
	took := slices.Sorted(maps.Values(arrived))
	if len(took) > 0 {
		r.half, r.all = append(r.half, took[len(took)/2]), append(r.all, took[len(took)-1])
	}
}

// calm waits until no agent has heard anything for a while.
func (f *fleet) calm(ctx context.Context) error {
	return until(ctx, time.Minute, func() (string, error) {
		f.listen()
		time.Sleep(quiet)
		if e := f.deaf(); len(e.messages) > 0 {
			return fmt.Sprintf("%d hosts still hear of something", len(e.messages)), ctx.Err()
		}
		return "", nil
	})
}

// portAdded is a new port of a network, in the project's group web.
func (w *world) portAdded(p *project, n *network) change {
	var id string
	groups := []string{p.web}
	if !p.uniform {
		groups = []string{p.defaults, p.web}
	}
	return change{
		what: "a port",
		tells: func(id string) map[rpc.Ref]map[string]bool {
			all := map[rpc.Ref]map[string]bool{{Kind: rpc.KindPort, ID: id}: w.truth.on[n.id]}
			for _, g := range groups {
				all[rpc.Ref{Kind: rpc.KindMember, ID: rpc.MemberID(g, id)}] = w.truth.tellMember(g)
			}
			return all
		},
		do: func(ctx context.Context) (_ string, err error) {
			id, err = w.control.create(ctx, "ports", "port", p.body(n, n.hosts[0], groups...))
			return id, err
		},
		undo: func(ctx context.Context) error { return w.control.remove(ctx, "ports", id) },
	}
}

// ruleAdded is a new rule of the project's group web.
func (w *world) ruleAdded(p *project, port int) change {
	var id string
	return change{
		what: "a rule",
		tells: func(id string) map[rpc.Ref]map[string]bool {
			return map[rpc.Ref]map[string]bool{{Kind: rpc.KindRule, ID: id}: w.truth.hostsWith[p.web]}
		},
		do: func(ctx context.Context) (_ string, err error) {
			id, err = p.addRule(ctx, w.control, p.web, map[string]any{"port_range_min": port, "port_range_max": port})
			return id, err
		},
		undo: func(ctx context.Context) error { return w.control.remove(ctx, "security-group-rules", id) },
	}
}

// memberAdded is a port without host that is a member of the project's group web:
// only its address has to travel.
func (w *world) memberAdded(p *project, n *network) change {
	var id string
	return change{
		what: "a member",
		tells: func(id string) map[rpc.Ref]map[string]bool {
			return map[rpc.Ref]map[string]bool{{Kind: rpc.KindMember, ID: rpc.MemberID(p.web, id)}: w.truth.tellMember(p.web)}
		},
		do: func(ctx context.Context) (_ string, err error) {
			body := p.body(n, 0, p.web)
			delete(body, "binding:host_id")
			id, err = w.control.create(ctx, "ports", "port", body)
			return id, err
		},
		undo: func(ctx context.Context) error { return w.control.remove(ctx, "ports", id) },
	}
}

func (c *control) remove(ctx context.Context, path, id string) error {
	return c.api.Call(ctx, "DELETE", "/v2.0/"+path+"/"+id, nil, nil)
}

// probe measures all kinds of change, for a project and for everybody.
func (w *world) probe(ctx context.Context) error {
	for _, k := range []struct {
		what, target string
		limit        time.Duration
		many         bool
		change       func(p *project, i int) change
	}{
		{"one port", "-", 0, false, func(p *project, _ int) change { return w.portAdded(p, p.networks[0]) }},
		{"one rule", "under 1 s", time.Second, false, func(p *project, i int) change { return w.ruleAdded(p, 9000+i) }},
		{"one member of a remote group", "-", 0, false, func(p *project, _ int) change { return w.memberAdded(p, p.networks[0]) }},
		{"one port of a network on every host", "-", 0, true, func(p *project, _ int) change { return w.portAdded(p, p.networks[0]) }},
		{"one rule of a group on every host", "under 1 s", time.Second, true, func(p *project, i int) change { return w.ruleAdded(p, 9000+i) }},
		{"one member of a remote group of every host", "-", 0, true, func(p *project, _ int) change { return w.memberAdded(p, p.networks[0]) }},
	} {
		var r reach
		for i := range w.o.Probes {
			p := w.cloud.everywhere
			if !k.many {
				p = w.cloud.projects[w.cloud.rng.IntN(len(w.cloud.projects))]
			}
			if err := r.measure(ctx, w.fleet, k.change(p, i)); err != nil {
				return err
			}
		}
		w.reachRows(k.what, k.target, k.limit, &r)
	}
	return nil
}

// reachRows reports a kind of change.
func (w *world) reachRows(what, target string, limit time.Duration, r *reach) {
	slices.Sort(r.half)
	slices.Sort(r.all)
	if len(r.all) == 0 {
		w.wrong(append(r.wrong, what+": nobody heard of it")...)
		return
	}
	worst := r.all[len(r.all)-1]
	w.add(Row{
		What: what + ", to every host that needs it",
		Figure: fmt.Sprintf("%s (half of the hosts %s, worst of %d changes %s), %d hosts, %d bytes a host",
			ms(r.all[len(r.all)/2]), ms(r.half[len(r.half)/2]), len(r.all), ms(worst), r.hosts/len(r.all), r.bytes/int64(r.hosts)),
		Target: target, OK: limit == 0 || worst < limit,
	})
	w.add(Row{
		What: what + ", hosts that were told", Figure: fmt.Sprintf("%d in %d messages, of %d that need it", r.told, r.messages, r.hosts),
		Target: "exactly these", OK: len(r.wrong) == 0 && r.told == r.hosts && r.heard == r.need,
	})
	w.wrong(r.wrong...)
}

func ms(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f ms", float64(d.Microseconds())/1000)
}
