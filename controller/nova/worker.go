package nova

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/duty"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// worker sends events and stores notices, in one goroutine.
type worker struct {
	*Notifier
	tenure duty.Tenure
	// told is what Nova was told and could not be stored yet.
	told map[string]notice
	// tries counts, by port, how often Nova did not take an event.
	tries map[string]int
}

// notice is what a port's notice has to say; nil: nothing, it goes.
type notice struct{ record *model.ServerNotice }

// item is a port and what is to be told of it.
type item struct {
	port   string
	events []event
	now    notice
}

// work looks at the ports, sends what is news, and stores what was told. After
// an error everything that is still to be done is found again by looking at the
// same ports.
func (w *worker) work(ctx context.Context, ports []string) error {
	var batch []item
	size := 0
	items, err := w.look(ports)
	if err != nil {
		return err
	}
	for _, i := range items {
		if len(i.events) == 0 {
			w.told[i.port] = i.now
		} else {
			batch, size = append(batch, i), size+len(i.events)
		}
		if size+1 >= maxEvents { // an item has two events at most
			if err := w.send(ctx, batch); err != nil {
				return errors.Join(err, w.store(ctx))
			}
			batch, size = nil, 0
		}
		if len(w.told) >= maxNotices {
			if err := w.store(ctx); err != nil {
				return err
			}
		}
	}
	return errors.Join(w.send(ctx, batch), w.store(ctx))
}

// look compares what Nova was told with what is, and gives the differences.
func (w *worker) look(ports []string) ([]item, error) {
	var items []item
	err := w.config.DB.ReadStale(func(r records.Reader) error {
		for _, id := range ports {
			told := w.last(r, id)
			now := current(r, id)
			if sameNotice(told, now) {
				continue
			}
			i := item{port: id, now: notice{now}}
			if told != nil || now == nil || !older(r, now, w.tenure.Begun) {
				_, exists := records.Ports.Get(r, id)
				i.events = difference(told, now, !exists)
			}
			items = append(items, i)
		}
		return nil
	})
	return items, err
}

// last gives what Nova was told last of a port.
func (w *worker) last(r records.Reader, port string) *model.ServerNotice {
	if n, ok := w.told[port]; ok {
		return n.record
	}
	n, _ := records.ServerNotices.Get(r, port)
	return n
}

// send posts the events of the items and notes which need not be sent again. A
// request that Nova refuses as a whole is sent by halves, so that one event
// that it cannot read costs the others nothing.
func (w *worker) send(ctx context.Context, items []item) error {
	if len(items) == 0 {
		return nil
	}
	var events []event
	for _, i := range items {
		events = append(events, i.events...)
	}
	if !w.tenure.Held() {
		return duty.ErrLost // it stood still, and another one may have told more since
	}
	began := time.Now()
	out, err := w.client.send(ctx, events)
	w.config.Metrics.sent(time.Since(began), err)
	if errors.Is(err, errRefused) {
		if len(items) > 1 {
			half := len(items) / 2
			return errors.Join(w.send(ctx, items[:half]), w.send(ctx, items[half:]))
		}
		w.config.Log.Error("Nova refuses an event, it is dropped", zap.String("port", items[0].port), zap.Error(err))
		out, err = make([]outcome, len(events)), nil
		for i := range out {
			out[i].code = 400
		}
	}
	if err != nil {
		return err
	}
	w.settle(items, out)
	return nil
}

// settle takes note of what became of the items' events. Those that Nova did
// not take for reasons of its own are sent again a little later, a few times.
func (w *worker) settle(items []item, out []outcome) {
	for _, i := range items {
		done := true
		for k, e := range i.events {
			done = done && out[k].settled()
			w.config.Metrics.event(e.Name, out[k])
			if c := out[k].code; c != 200 {
				w.config.Log.Info("Nova did not take an event", zap.String("event", e.Name),
					zap.String("server", e.ServerID), zap.String("port", i.port), zap.Int("code", c))
			}
		}
		out = out[len(i.events):]
		if w.tries[i.port]++; !done && w.tries[i.port] < maxTries {
			pause := w.minPause << w.tries[i.port]
			time.AfterFunc(pause/2+rand.N(pause), func() { w.again([]string{i.port}) })
			continue
		}
		w.told[i.port] = i.now
		delete(w.tries, i.port)
	}
}

// store writes the notices of what was told.
func (w *worker) store(ctx context.Context) error {
	for ports := range slices.Chunk(slices.Sorted(maps.Keys(w.told)), maxNotices) {
		_, err := w.config.DB.Update(ctx, func(u *records.Update) error {
			for _, port := range ports {
				if n := w.told[port]; n.record == nil {
					records.ServerNotices.Delete(u, port)
				} else {
					records.ServerNotices.Put(u, n.record)
				}
			}
			return w.tenure.Confirm(u)
		})
		if err != nil {
			return fmt.Errorf("store what Nova was told: %w", err)
		}
		for _, port := range ports {
			delete(w.told, port)
		}
	}
	return nil
}
