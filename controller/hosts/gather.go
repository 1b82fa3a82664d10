package hosts

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/telemetry"
)

// window says how long writes wait for others to share a transaction with.
type window struct {
	idle  time.Duration // since the last one
	total time.Duration // since the first one
	most  int           // items
}

// gather waits for an item and gives it with those that come soon after; nil
// when ctx is done. size says for how much an item counts.
func gather[T any](ctx context.Context, in <-chan T, w window, size func(T) int) []T {
	var list []T
	var n int
	select {
	case <-ctx.Done():
		return nil
	case item := <-in:
		list, n = append(list, item), size(item)
	}
	total := time.NewTimer(w.total)
	defer total.Stop()
	for n < w.most {
		idle := time.NewTimer(w.idle)
		select {
		case item := <-in:
			idle.Stop()
			list, n = append(list, item), n+size(item)
			continue
		case <-idle.C:
		case <-total.C:
		case <-ctx.Done():
		}
		idle.Stop()
		break
	}
	return list
}

// persist writes the items, as long as it takes while the store is away. Items
// that the store refuses for themselves are found by halves and handed to
// refused, so that one of them costs the others nothing.
func persist[T any](ctx context.Context, items []T, write func(context.Context, []T) error, refused func(T, error)) {
	pause := 20 * time.Millisecond
	for len(items) > 0 {
		err := write(ctx, items)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case errors.Is(err, records.ErrUnavailable) || errors.Is(err, records.ErrConflict):
			sleep(ctx, pause/2+rand.N(pause))
			pause = min(2*pause, 2*time.Second)
		case len(items) == 1:
			refused(items[0], err)
			return
		default:
			half := len(items) / 2
			persist(ctx, items[:half], write, refused)
			items = items[half:]
		}
	}
}

// counted counts the attempts to write.
func counted[T any](l *telemetry.Loop, write func(context.Context, []T) error) func(context.Context, []T) error {
	return func(ctx context.Context, items []T) error {
		began := time.Now()
		err := write(ctx, items)
		l.Done(began, err)
		return err
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
