package scale

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// This file: everybody comes back at once.

// visitors use the API while something else happens, at a steady pace.
type visitors struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	reads []time.Duration
	write []time.Duration
	bad   []error
}

// profileTime is how many seconds of the storm are profiled.
const profileTime = 15

// pace is how long each of the visitors waits between two requests.
const pace = 20 * time.Millisecond

// visit has some clients read ports, and some make and delete them.
func (w *world) visit(ctx context.Context) *visitors {
	v := &visitors{}
	ctx, v.stop = context.WithCancel(ctx)
	for i := range 4 {
		rng := rand.New(rand.NewPCG(w.o.Seed, uint64(10+i)))
		v.done.Go(func() {
			for ctx.Err() == nil {
				if i%2 == 0 {
					p := w.truth.ports[rng.IntN(len(w.truth.ports))]
					v.time(ctx, &v.reads, func() error { return w.control.api.Call(ctx, "GET", "/v2.0/ports/"+p.ID, nil, nil) })
				} else {
					v.writePort(ctx, w, w.cloud.projects[rng.IntN(len(w.cloud.projects))])
				}
				sleep(ctx, pace)
			}
		})
	}
	return v
}

// writePort makes a port without host, and deletes it, also when the visit ends
// meanwhile: a request that is given up may still be done.
func (v *visitors) writePort(ctx context.Context, w *world, p *project) {
	body := p.body(p.networks[0], 0, p.defaults)
	delete(body, "binding:host_id")
	ctx = context.WithoutCancel(ctx)
	var id string
	v.time(ctx, &v.write, func() (err error) {
		answer := map[string]object{}
		err = w.control.api.Call(ctx, "POST", "/v2.0/ports", map[string]any{"port": body}, &answer)
		id = answer["port"].ID
		return err
	})
	if id != "" {
		v.time(ctx, &v.write, func() error { return w.control.remove(ctx, "ports", id) })
	}
}

func (v *visitors) time(ctx context.Context, of *[]time.Duration, f func() error) {
	began := time.Now()
	err := f()
	took := time.Since(began)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case err == nil:
		*of = append(*of, took)
	case ctx.Err() == nil:
		v.bad = append(v.bad, err)
	}
}

// leave ends the visit and tells how it was.
func (v *visitors) leave() string {
	v.stop()
	v.done.Wait()
	return fmt.Sprintf("%d reads p50 %s p99 %s, %d writes p50 %s p99 %s, %d failed", len(v.reads), ms(quantile(v.reads, 50)), ms(quantile(v.reads, 99)),
		len(v.write), ms(quantile(v.write, 50)), ms(quantile(v.write, 99)), len(v.bad))
}

func quantile(v []time.Duration, percent int) time.Duration {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[min(len(v)-1, len(v)*percent/100)]
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// storm breaks all connections at once, with clients at the API.
func (w *world) storm(ctx context.Context) error {
	if err := errors.Join(w.fleet.calm(ctx), w.control.controller.forgetPeak()); err != nil {
		return err
	}
	before, err := w.control.controller.usage()
	if err != nil {
		return err
	}
	in, _ := w.fleet.traffic()
	own := ownTime()
	visit := w.visit(ctx)
	profiled := make(chan error, 1)
	go func() { profiled <- w.profile(ctx, "profile", profileTime) }()
	began := time.Now()
	w.fleet.cutAll()
	last, err := w.fleet.awaitSnapshots(ctx, began, w.o.Patience)
	told := visit.leave()
	if err != nil {
		return err
	}
	after, err := w.control.controller.usage()
	if err = errors.Join(err, <-profiled); err != nil {
		return err
	}
	now, _ := w.fleet.traffic()
	w.add(Row{
		What: "all connections cut at once, until every agent has its snapshot",
		Figure: fmt.Sprintf("%s, controller %.1f s of processor time, all agents %.1f s, peak of the controller %d MiB, %d KiB an agent",
			ms(last.Sub(began)), (after.cpu - before.cpu).Seconds(), (ownTime() - own).Seconds(), after.peak, (now-in)/int64(len(w.fleet.agents))>>10),
		Target: "controller under 2 GiB", OK: after.peak < 2048,
	})
	w.add(Row{
		What: "the API meanwhile", Figure: told, Target: "no request fails", OK: len(visit.bad) == 0,
	})
	if len(visit.bad) > 0 {
		w.wrong(fmt.Sprintf("a request failed in the storm: %v", visit.bad[0]))
		// What was refused may have been done all the same.
		if w.truth, err = learn(ctx, w.control); err != nil {
			return err
		}
	}
	return w.settled(ctx, "the storm")
}

// restart ends the controller by a signal and starts it again.
func (w *world) restart(ctx context.Context, sig syscall.Signal, name string) error {
	if err := w.fleet.calm(ctx); err != nil {
		return err
	}
	began, own := time.Now(), ownTime()
	w.control.controller.stop(sig)
	if err := w.control.start(ctx); err != nil {
		return err
	}
	answers := time.Now()
	last, err := w.fleet.awaitSnapshots(ctx, began, w.o.Patience)
	if err != nil {
		return err
	}
	u, err := w.control.controller.usage()
	if err != nil {
		return err
	}
	w.add(Row{
		What: name + ", until every agent has its snapshot",
		Figure: fmt.Sprintf("API back after %s, last agent after %s, controller %.1f s of processor time, all agents %.1f s, peak of the controller %d MiB",
			ms(answers.Sub(began)), ms(last.Sub(began)), u.cpu.Seconds(), (ownTime() - own).Seconds(), u.peak),
		Target: "controller under 2 GiB", OK: u.peak < 2048,
	})
	return w.settled(ctx, name)
}

// settled compares all hosts.
func (w *world) settled(ctx context.Context, after string) error {
	if err := w.fleet.calm(ctx); err != nil {
		return err
	}
	c := w.truth.converge(ctx, w.fleet, w.o.Patience)
	w.add(Row{
		What: "records of all hosts after " + after, Figure: fmt.Sprintf("%d, %d hosts of %d are right", c.records, len(w.fleet.agents)-wrongHosts(c), len(w.fleet.agents)),
		Target: "as the API says", OK: len(c.wrong) == 0,
	})
	w.wrong(c.wrong...)
	return nil
}

func wrongHosts(c convergence) int {
	hosts := map[string]bool{}
	for _, line := range c.wrong {
		if name := firstWord(line); len(name) > 4 && name[:4] == "sim-" {
			hosts[name] = true
		}
	}
	return len(hosts)
}

// notThere reports whether what was to be changed has gone meanwhile, or changes
// at the same time.
func notThere(err error) bool {
	var se *lab.StatusError
	return errors.As(err, &se) && (se.Status == http.StatusNotFound || se.Status == http.StatusConflict)
}
