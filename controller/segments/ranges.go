package segments

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lepton-sdn/lepton/model"
)

// Range is the ids from First to Last of a network type, on a physical network
// where the type has them.
type Range struct {
	Type            model.NetworkType
	PhysicalNetwork string
	First, Last     uint32 // inclusive
}

// Has reports whether the segment is of the range.
func (r Range) Has(s model.Segment) bool {
	return r.Type == s.Type && r.PhysicalNetwork == s.PhysicalNetwork && r.First <= s.ID && s.ID <= r.Last
}

// Check says what is wrong with the limits of the range, a sentence for the API
// user.
func (r Range) Check() error {
	most := uint32(maxVNI)
	switch r.Type {
	case model.VLAN:
		if err := checkPhysnet(r.PhysicalNetwork); err != nil {
			return err
		}
		most = maxVLAN
	case model.GRE:
		most = maxGREKey
	}
	switch {
	case r.First < 1 || r.Last > most:
		return fmt.Errorf("%d through %d is not in range 1 through %d", r.First, r.Last, most)
	case r.First > r.Last:
		return errors.New("the end of the range is less than its start")
	}
	return nil
}

func (r Range) size() uint64 { return uint64(r.Last) - uint64(r.First) + 1 }

// Overlaps reports whether the ranges have a segment in common.
func (r Range) Overlaps(o Range) bool {
	return r.Type == o.Type && r.PhysicalNetwork == o.PhysicalNetwork && r.First <= o.Last && o.First <= r.Last
}

// Without gives what is left of the ranges without the others.
func Without(ranges, others []Range) []Range {
	left := slices.Clone(ranges)
	for _, hole := range others {
		var next []Range
		for _, r := range left {
			if !r.Overlaps(hole) {
				next = append(next, r)
				continue
			}
			if r.First < hole.First {
				next = append(next, Range{Type: r.Type, PhysicalNetwork: r.PhysicalNetwork, First: r.First, Last: hole.First - 1})
			}
			if hole.Last < r.Last {
				next = append(next, Range{Type: r.Type, PhysicalNetwork: r.PhysicalNetwork, First: hole.Last + 1, Last: r.Last})
			}
		}
		left = next
	}
	return left
}

// Ranges gives the ranges of the configuration.
func (p *Pools) Ranges() []Range { return slices.Clone(p.ranges) }
