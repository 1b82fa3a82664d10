package scale

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"
	"time"
)

// Row is one figure.
type Row struct {
	What, Figure, Target string
	OK                   bool
}

// Report is what a run found.
type Report struct {
	Rows []Row
	// Wrong is what is not as it should be, in sentences; empty: nothing.
	Wrong []string
}

// world is one run.
type world struct {
	o       Options
	control *control
	fleet   *fleet
	cloud   *cloud
	truth   *truth
	report  Report
}

func (w *world) add(r Row) {
	w.report.Rows = append(w.report.Rows, r)
	w.o.Log("%s: %s", r.What, r.Figure)
}

// most is how many sentences about what is wrong are kept.
const most = 50

func (w *world) wrong(lines ...string) {
	room := max(0, most-len(w.report.Wrong))
	w.report.Wrong = append(w.report.Wrong, lines[:min(len(lines), room)]...)
}

// Run makes the cloud, measures, compares, and takes all down again. The report
// holds what was measured even where an error ended the run.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := errors.Join(o.Check(), enoughFiles(o.Agents)); err != nil {
		return &Report{}, err
	}
	// The agents' memory would be looked through for garbage for more time than
	// all else takes.
	defer debug.SetGCPercent(debug.SetGCPercent(300))
	control, err := startControl(ctx, o)
	if err != nil {
		return &Report{}, err
	}
	defer control.close()
	w := &world{o: o, control: control, cloud: newCloud(o)}
	if w.fleet, err = newFleet(o, control); err != nil {
		return &w.report, err
	}
	living, end := context.WithCancel(ctx)
	defer w.fleet.running.Wait()
	defer end()
	w.fleet.run(living)
	for _, step := range []func(context.Context) error{
		w.assemble, w.populate, w.probe, w.storm,
		func(ctx context.Context) error {
			return w.restart(ctx, syscall.SIGTERM, "controller stopped and started")
		},
		func(ctx context.Context) error {
			return w.restart(ctx, syscall.SIGKILL, "controller killed and started")
		},
		w.turmoil, w.logs,
	} {
		if err := step(ctx); err != nil {
			w.o.Log("the controller's log ends with\n%s", control.controller.tail())
			return &w.report, errors.Join(err, control.controller.ended(), control.etcd.ended())
		}
	}
	return &w.report, nil
}

// assemble waits for the agents, of which the controller knew none.
func (w *world) assemble(ctx context.Context) error {
	began := time.Now()
	last, err := w.fleet.awaitSnapshots(ctx, time.Time{}, w.o.Patience)
	if err != nil {
		return err
	}
	w.add(Row{What: fmt.Sprintf("%d agents introduced to an empty controller", w.o.Agents), Figure: ms(last.Sub(began)), Target: "-", OK: true})
	return nil
}

// populate makes the cloud and waits until all of it is in service.
func (w *world) populate(ctx context.Context) error {
	began := time.Now()
	if err := w.cloud.fill(ctx, w.control); err != nil {
		return fmt.Errorf("make the cloud: %w", err)
	}
	made := time.Since(began)
	if err := w.inService(ctx); err != nil {
		return err
	}
	took := time.Since(began)
	w.add(Row{
		What:   fmt.Sprintf("%d ports on %d networks made through the API, until all are ACTIVE", w.o.Ports, w.o.Networks+1),
		Figure: fmt.Sprintf("%s, of which the API %s, %d requests refused", ms(took), ms(made), w.control.refused.Load()),
		Target: "0 refused", OK: w.control.refused.Load() == 0,
	})
	if err := w.fleet.calm(ctx); err != nil {
		return err
	}
	var err error
	if w.truth, err = learn(ctx, w.control); err != nil {
		return err
	}
	if err := w.settled(ctx, "filling"); err != nil {
		return err
	}
	return w.memory(ctx)
}

// inService waits until every port of a server is ACTIVE.
func (w *world) inService(ctx context.Context) error {
	return until(ctx, w.o.Patience, func() (string, error) {
		for _, status := range []string{"DOWN", "BUILD"} {
			var answer struct{ Ports []apiPort }
			path := "/v2.0/ports?limit=1&device_owner=compute:nova&status=" + status
			if err := w.control.api.Call(ctx, "GET", path, nil, &answer); err != nil {
				return "", err
			}
			if len(answer.Ports) > 0 {
				time.Sleep(200 * time.Millisecond) // such a list looks at every port
				p := answer.Ports[0]
				return fmt.Sprintf("port %s (%s) on host %q is not ACTIVE: %s", p.ID, p.Owner, p.Host, status), nil
			}
		}
		return "", nil
	})
}

// memory tells what controller and etcd take with everything there.
func (w *world) memory(ctx context.Context) error {
	c, err := w.control.controller.usage()
	if err != nil {
		return err
	}
	e, err := w.control.etcd.usage()
	if err != nil {
		return err
	}
	live, err := w.control.metric(ctx, "go_memstats_heap_inuse_bytes")
	if err != nil {
		return err
	}
	if err := w.profile(ctx, "heap", 0); err != nil {
		return err
	}
	in, out := w.fleet.traffic()
	n := int64(w.o.Agents)
	w.add(Row{
		What:   "memory of the controller with everything there",
		Figure: fmt.Sprintf("%d MiB resident, peak %d, heap in use %.0f", c.resident, c.peak, live/(1<<20)),
		Target: "under 2 GiB", OK: c.peak < 2048,
	})
	w.add(Row{What: "memory of etcd", Figure: fmt.Sprintf("%d MiB resident, peak %d", e.resident, e.peak), Target: "-", OK: true})
	w.add(Row{
		What:   "processor time until here",
		Figure: fmt.Sprintf("controller %.1f s, etcd %.1f s", c.cpu.Seconds(), e.cpu.Seconds()), Target: "-", OK: true,
	})
	w.add(Row{
		What:   "bytes of an agent's stream until here, by differences",
		Figure: fmt.Sprintf("%d KiB received, %d KiB sent", in/n>>10, out/n>>10), Target: "-", OK: true,
	})
	return nil
}

// logs looks for errors that the controller has logged, and for records that
// agents could not use.
func (w *world) logs(context.Context) error {
	for _, a := range w.fleet.agents {
		a.mu.Lock()
		w.wrong(a.notes.unknown...)
		a.mu.Unlock()
	}
	n, first := w.control.controller.complaints()
	w.add(Row{What: "errors in the controller's log", Figure: fmt.Sprint(n), Target: "0", OK: n == 0})
	if n > 0 {
		w.wrong("the controller has logged: " + first)
	}
	return nil
}
