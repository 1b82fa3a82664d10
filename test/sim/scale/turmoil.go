package scale

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// This file: records that change at random while connections break in the middle
// of messages and agents are slow.

// turmoil changes records for a while in bad weather, and then looks whether
// every host has come to know what it should.
func (w *world) turmoil(ctx context.Context) error {
	if w.o.Weather <= 0 {
		return nil
	}
	w.fleet.weather.set(true)
	w.fleet.cutAll() // from now on half of the connections break somewhere
	bad, cancel := context.WithTimeout(ctx, w.o.Weather)
	defer cancel()
	rng := rand.New(rand.NewPCG(w.o.Seed, 3))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for bad.Err() == nil { // the other half is cut by chance
			w.fleet.agents[rng.IntN(len(w.fleet.agents))].cut()
			sleep(bad, 500*time.Millisecond/time.Duration(max(1, len(w.fleet.agents)/20)))
		}
	}()
	changes, err := w.changeAtRandom(bad)
	<-done
	w.fleet.weather.set(false)
	w.fleet.cutAll() // what is left has a limit
	if err != nil {
		return err
	}
	if w.truth, err = learn(ctx, w.control); err != nil {
		return err
	}
	began := time.Now()
	c := w.truth.converge(ctx, w.fleet, w.o.Patience)
	w.add(Row{
		What: fmt.Sprintf("%d changes in %s with connections cut at any byte and slow agents, until every host is right", changes, w.o.Weather),
		Figure: fmt.Sprintf("%s after the last, %d connections cut in a message, %d records compared, %d hosts wrong",
			ms(time.Since(began)), w.fleet.weather.cuts, c.records, wrongHosts(c)),
		Target: "0 wrong", OK: len(c.wrong) == 0,
	})
	w.wrong(c.wrong...)
	return nil
}

// changeAtRandom changes records until ctx is done.
func (w *world) changeAtRandom(ctx context.Context) (n int, err error) {
	rng := rand.New(rand.NewPCG(w.o.Seed, 4))
	var made []string // ports
	var rules []string
	for ctx.Err() == nil {
		p := w.cloud.projects[rng.IntN(len(w.cloud.projects))]
		switch kind := rng.IntN(6); {
		case kind <= 1: // on a host of the network, or on any
			net := p.networks[rng.IntN(len(p.networks))]
			host := net.hosts[rng.IntN(len(net.hosts))]
			if kind == 1 {
				host = rng.IntN(w.o.Agents)
			}
			var id string
			id, err = w.control.create(ctx, "ports", "port", p.body(net, host, p.defaults, p.store))
			made = appendID(made, id)
		case kind == 2 && len(made) > 0:
			i := rng.IntN(len(made))
			err = w.control.remove(ctx, "ports", made[i])
			made = append(made[:i], made[i+1:]...)
		case kind == 3 && len(made) > 0: // to another host and other groups
			err = w.control.api.Call(ctx, "PUT", "/v2.0/ports/"+made[rng.IntN(len(made))], map[string]any{"port": map[string]any{
				"binding:host_id": hostName(rng.IntN(w.o.Agents)), "security_groups": []string{p.web},
			}}, nil)
		case kind == 4:
			var id string
			id, err = p.addRule(ctx, w.control, p.store, map[string]any{"port_range_min": 10000 + n, "port_range_max": 10000 + n, "remote_group_id": p.store})
			rules = appendID(rules, id)
		case kind == 5 && len(rules) > 0:
			err = w.control.remove(ctx, "security-group-rules", rules[len(rules)-1])
			rules = rules[:len(rules)-1]
		default:
			continue
		}
		if err != nil && !notThere(err) && ctx.Err() == nil {
			return n, err
		}
		n++
		sleep(ctx, 2*time.Millisecond)
	}
	return n, nil
}

func appendID(list []string, id string) []string {
	if id == "" {
		return list
	}
	return append(list, id)
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}
