package etcd

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/store"
)

// compactor makes etcd forget, at every interval, what is older than one
// interval. Several controllers may do it at once.
func (s *Store) compactor(every time.Duration) {
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
		head, err := s.Head(s.ctx)
		if err == nil && last > 0 && head > last {
			err = s.Compact(s.ctx, last)
		}
		// ErrCompacted: another controller was first.
		if err != nil && !errors.Is(err, store.ErrCompacted) && !errors.Is(err, context.Canceled) {
			s.log.Warn("the store's history cannot be compacted", zap.Error(err))
			continue
		}
		last = head
	}
}
