package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/pipeline"
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
		err = &changedMetersError{kept, now}
	}
	return err
}

// changedMetersError says that the meters of logs are not what they were.
type changedMetersError struct{ kept, now []ofp.Meter }

func (e *changedMetersError) Error() string {
	return fmt.Sprintf("somebody changed the meters of logs from %v to %v", e.kept, e.now)
}

// strangeMeters gives the meters of questions that are there and limit otherwise
// than they should. When one is deleted its flows go too, which the switch tells.
func (d *driver) strangeMeters(ctx context.Context, sw Switch, have []flows.Rule) ([]ofp.Meter, error) {
	used := map[uint32]bool{}
	for _, r := range have {
		if f, _, _ := pipeline.Explain(r.Cookie); f != pipeline.FeatureAsk {
			continue
		}
		for _, a := range r.Actions {
			if id := meterOf(a); id > 0 {
				used[id] = true
			}
		}
	}
	if !d.metered || len(used) == 0 {
		return nil, nil
	}
	found, err := within(ctx, dialTimeout, sw.Meters)
	if answer := (*ofp.Error)(nil); errors.As(err, &answer) {
		return nil, nil // it has none
	}
	return slices.DeleteFunc(found, func(m ofp.Meter) bool {
		return !used[m.ID] || m.Rate == askedPerSecond && m.Burst == askedAtOnce
	}), err
}

// onStrangeMeters tells of meters that others changed, and has the flows that use
// them installed again, meters first, if that is the mode.
func (l *Loop) onStrangeMeters(b *bridge, meters []ofp.Meter) {
	p := l.inc.Program()
	strange := map[uint32]ofp.Meter{}
	for _, m := range meters {
		strange[m.ID] = m
	}
	var again flows.Delta
	for _, r := range p.Bridges[b.name] {
		f, digits, _ := pipeline.Explain(r.Cookie)
		for _, a := range r.Actions {
			m, ok := strange[meterOf(a)]
			if f != pipeline.FeatureAsk || !ok {
				continue
			}
			again.Add = append(again.Add, r)
			if b.told[m.ID] != m {
				b.told[m.ID] = m
				l.cfg.Audit.Found(audit.Finding{
					Kind: "meter", Place: b.name, Object: l.objectOf(digits),
					Text: fmt.Sprintf("meter %d lets %d packets a second pass, %d at once, instead of %d and %d", m.ID, m.Rate, m.Burst, askedPerSecond, askedAtOnce),
				})
			}
		}
	}
	for id := range b.told {
		if _, still := strange[id]; !still || l.cfg.Audit.Mode() == audit.Repair {
			delete(b.told, id)
		}
	}
	if l.cfg.Audit.Mode() == audit.Repair {
		b.putRight(again)
	}
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
