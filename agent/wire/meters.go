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
	// refused is why the bridge will not have those of logs; nil: it has them.
	refused error
}

// meter has the bridge limit the copies for logs.
func (d *driver) meter(ctx context.Context, sw Switch) (m meters, err error) {
	m.found, err = within(ctx, dialTimeout, sw.Meters)
	if d.packets != nil {
		for _, want := range d.packets.Meters() {
			if err == nil && !slices.Contains(m.found, want) {
				_, err = within(ctx, dialTimeout, func(ctx context.Context) (struct{}, error) { return struct{}{}, sw.PutMeter(ctx, want) })
			}
		}
	}
	if answer := (*ofp.Error)(nil); errors.As(err, &answer) {
		m.refused, err = err, nil
	}
	return m, err
}

// lookAtMeters reports when a meter of logs is not there any more: the bridge
// has to be read anew.
func (d *driver) lookAtMeters(ctx context.Context, sw Switch) error {
	found, err := within(ctx, dialTimeout, sw.Meters)
	if err != nil {
		return err
	}
	for _, m := range d.packets.Meters() {
		if !slices.Contains(found, m) {
			return fmt.Errorf("somebody deleted or changed meter %d", m.ID)
		}
	}
	return nil
}

// limited leaves out flows of which a meter was not found.
func (m meters) limited(list []flows.Rule) []flows.Rule {
	return slices.DeleteFunc(list, func(r flows.Rule) bool {
		return slices.ContainsFunc(r.Actions, func(a flows.Action) bool {
			c, ok := a.(flows.Controller)
			return ok && c.MeterID > 0 && !slices.ContainsFunc(m.found, func(f ofp.Meter) bool { return f.ID == c.MeterID })
		})
	})
}
