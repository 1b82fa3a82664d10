package wire

import (
	"context"
	"errors"
	"slices"

	"github.com/lepton-sdn/lepton/flows/ofp"
)

// meter has the bridge limit the copies for logs. made is how many meters were
// missing, refused is why the bridge will not have one.
func (d *driver) meter(ctx context.Context, sw Switch) (made int, refused, err error) {
	have, err := within(ctx, dialTimeout, sw.Meters)
	for _, m := range d.packets.Meters() {
		if err != nil || slices.Contains(have, m) {
			continue
		}
		if !slices.ContainsFunc(have, func(h ofp.Meter) bool { return h.ID == m.ID }) {
			made++
		}
		_, err = within(ctx, dialTimeout, func(ctx context.Context) (struct{}, error) { return struct{}{}, sw.PutMeter(ctx, m) })
	}
	if answer := (*ofp.Error)(nil); errors.As(err, &answer) {
		return made, err, nil
	}
	return made, nil, err
}
