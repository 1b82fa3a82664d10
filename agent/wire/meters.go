package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
)

// This file: the meters that limit the copies for logs. Who deletes a meter by
// hand leaves the flows that use it, without any limit, and a new meter of the
// same number is another one to them: they have to be installed again.

// meters is what the driver knows of the meters of its bridge.
type meters struct {
	// found were there before the driver made any.
	found []ofp.Meter
	// kept are those of logs as the bridge tells them since.
	kept []ofp.Meter
	// refused is why the bridge will not have those of logs; nil: it has them.
	refused error
}

// meter has the bridge limit the copies for logs.
func (d *driver) meter(ctx context.Context, sw Switch) (m meters, err error) {
	if !d.metered {
		return m, nil // no flow here has one
	}
	m.found, err = within(ctx, dialTimeout, sw.Meters)
	if d.packets == nil || err != nil {
		return m, d.refusal(&m, err)
	}
	for _, want := range d.packets.Meters() {
		if !slices.Contains(m.found, want) {
			_, err = within(ctx, dialTimeout, func(ctx context.Context) (struct{}, error) { return struct{}{}, sw.PutMeter(ctx, want) })
		}
		if err != nil {
			return m, d.refusal(&m, err)
		}
	}
	m.kept, err = d.metersOfLogs(ctx, sw)
	return m, d.refusal(&m, err)
}

// refusal notes an error that is the switch's answer, and gives any other.
func (d *driver) refusal(m *meters, err error) error {
	if answer := (*ofp.Error)(nil); errors.As(err, &answer) {
		m.refused = err
		return nil
	}
	return err
}

// metersOfLogs reads the meters of logs, in order.
func (d *driver) metersOfLogs(ctx context.Context, sw Switch) ([]ofp.Meter, error) {
	found, err := within(ctx, dialTimeout, sw.Meters)
	var list []ofp.Meter
	for _, m := range d.packets.Meters() {
		if i := slices.IndexFunc(found, func(f ofp.Meter) bool { return f.ID == m.ID }); i >= 0 {
			list = append(list, found[i])
		}
	}
	return list, err
}

// lookAtMeters reports when a meter of logs is not what it was: the bridge has to
// be read anew.
func (d *driver) lookAtMeters(ctx context.Context, sw Switch, kept []ofp.Meter) error {
	now, err := d.metersOfLogs(ctx, sw)
	if err == nil && !slices.Equal(now, kept) {
		err = fmt.Errorf("somebody changed the meters of logs from %v to %v", kept, now)
	}
	return err
}

// limited leaves out flows of which a meter was not found.
func (m meters) limited(list []flows.Rule) []flows.Rule {
	return slices.DeleteFunc(list, func(r flows.Rule) bool {
		return slices.ContainsFunc(r.Actions, func(a flows.Action) bool {
			id := meterOf(a)
			return id > 0 && !slices.ContainsFunc(m.found, func(f ofp.Meter) bool { return f.ID == id })
		})
	})
}

// meterOf gives the meter of an action, 0 for none.
func meterOf(a flows.Action) uint32 {
	switch a := a.(type) {
	case flows.Controller:
		return a.MeterID
	case flows.Meter:
		return a.ID
	}
	return 0
}
