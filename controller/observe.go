package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/telemetry"
)

// This file: what an operator's monitoring asks the controller.

// checks are those of /readyz. Without the store nothing can be written, and
// reads may be old.
func checks(db *records.DB, agents *hosts.Server) []telemetry.Check {
	return []telemetry.Check{
		{Name: "store", Test: func(ctx context.Context) error {
			_, err := db.Behind(ctx)
			return err
		}},
		{Name: "records", Test: func(ctx context.Context) error {
			err := db.Read(ctx, func(records.Reader) error { return nil })
			if err != nil {
				return fmt.Errorf("the view of the records is not current, it is at revision %d: %w", db.Revision(), err)
			}
			return nil
		}},
		{Name: "rpc", Test: func(context.Context) error {
			if !agents.Serving() {
				return errors.New("agents are not served")
			}
			return nil
		}},
	}
}

// Pace of the probe of the store.
const (
	probeEvery   = 5 * time.Second
	probeTimeout = 2 * time.Second
)

// probe asks the store at intervals, also when nobody uses the controller: how
// long an answer takes, and how far behind it the view of the records is.
func probe(ctx context.Context, db *records.DB, reg prometheus.Registerer, loop *telemetry.Loop) error {
	behind := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "lepton_records_revisions_behind", Help: "Revisions of the store that this controller's view does not show yet, as of the last answer of the store.",
	})
	reg.MustRegister(behind)
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, probeTimeout)
		began := time.Now()
		n, err := db.Behind(attempt)
		cancel()
		if ctx.Err() == nil {
			loop.Done(began, err)
		}
		if err == nil {
			behind.Set(float64(n))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
