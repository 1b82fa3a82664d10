package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
)

// Config bounds the journal.
type Config struct {
	// KeepHours is how long events are kept, in hours.
	KeepHours int `yaml:"keep_hours"`
	// MaxEvents is how many are kept: transactions that changed something, and as
	// many words of hosts.
	MaxEvents int `yaml:"max_events"`
}

// DefaultConfig keeps a week, and some 100 MB.
func DefaultConfig() Config { return Config{KeepHours: 7 * 24, MaxEvents: 100_000} }

// Bounds of the configuration.
const (
	maxKeepHours = 24 * 366
	maxMaxEvents = 5_000_000
)

// Validate names the key whose value cannot be used.
func (c Config) Validate() error {
	var errs []error
	if c.KeepHours < 1 || c.KeepHours > maxKeepHours {
		errs = append(errs, fmt.Errorf("keep_hours: %d is not from 1 to %d", c.KeepHours, maxKeepHours))
	}
	if c.MaxEvents < 1 || c.MaxEvents > maxMaxEvents {
		errs = append(errs, fmt.Errorf("max_events: %d is not from 1 to %d", c.MaxEvents, maxMaxEvents))
	}
	return errors.Join(errs...)
}

// Journal writes and reads events. It is safe for concurrent use.
type Journal struct {
	store   store.Store
	log     *zap.Logger
	differ  *differ
	metrics *Metrics
	graves  graves
}

// New makes a journal in a store. The metrics may be nil.
func New(s store.Store, log *zap.Logger, m *Metrics) *Journal {
	j := &Journal{store: s, log: log, differ: newDiffer(), metrics: m}
	for _, rec := range []any{
		&model.Network{}, &model.Subnet{}, &model.Port{}, &model.SecurityGroup{}, &model.SecurityGroupRule{},
		&model.Router{}, &model.FloatingIP{}, &model.RouterBinding{}, &model.DHCPBinding{},
	} {
		j.differ.learn(rec) // the others are rare
	}
	return j
}

// Write writes what hosts say, apart from any change.
func (j *Journal) Write(ctx context.Context, e *Event) error {
	op := j.put(hosts, e)
	if op.Key == "" {
		return nil // logged
	}
	_, err := j.store.Txn(ctx, store.Txn{Ops: []store.Op{op}})
	return err
}

func errField(err error) zap.Field { return zap.Error(err) }

// now is the clock of what is not written with a change.
func now() time.Time { return time.Now().UTC() }
