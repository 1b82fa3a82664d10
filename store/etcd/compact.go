package etcd

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/store"
)

// compactor makes etcd forget, at every interval, what is older than one
// interval. Several controllers may do it at once. done, if set, is told of every
// round.
func (s *Store) compactor(every time.Duration, done func(began time.Time, err error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last int64 // the head one interval ago
	for {
		select {
		case <-ticker.C:
		case <-s.ctx.Done():
			return
		}
		if s.disk.allows() != nil {
			continue // compacting writes, too
		}
		began := time.Now()
		head, err := s.Head(s.ctx)
		if err == nil && last > 0 && head > last {
			err = s.Compact(s.ctx, last)
		}
		if errors.Is(err, store.ErrCompacted) || errors.Is(err, context.Canceled) {
			err = nil // another controller was first, or this one ends
		}
		if done != nil {
			done(began, err)
		}
		if err != nil {
			s.log.Warn("the store's history cannot be compacted", zap.Error(err))
			continue
		}
		last = head
	}
}
