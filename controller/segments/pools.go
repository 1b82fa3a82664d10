package segments

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/lepton-sdn/lepton/controller/pick"
	"github.com/lepton-sdn/lepton/model"
)

// Pools answers questions about segments by the configuration.
type Pools struct {
	config   Config
	ranges   []Range
	physnets []string // of VLANs
	random   pick.Random
}

// New checks the configuration and makes the pools of it. Errors name the key
// and the value.
func New(c Config) (*Pools, error) {
	if err := c.checkTypes(); err != nil {
		return nil, err
	}
	if err := c.checkMTUs(); err != nil {
		return nil, err
	}
	for _, name := range c.Flat.FlatNetworks {
		if name == anyPhysnet {
			continue
		}
		if err := checkPhysnet(name); err != nil {
			return nil, fmt.Errorf("check flat.flat_networks: %w", err)
		}
	}
	p := &Pools{config: c, random: rand.Uint64N}
	for _, from := range []struct {
		t       model.NetworkType
		key     string
		entries []string
		most    uint32
	}{
		{model.VXLAN, "vxlan.vni_ranges", c.VXLAN.VNIRanges, maxVNI},
		{model.Geneve, "geneve.vni_ranges", c.Geneve.VNIRanges, maxVNI},
		{model.GRE, "gre.tunnel_id_ranges", c.GRE.TunnelIDRanges, maxGREKey},
	} {
		r, err := parseRanges(from.key, from.entries, from.most)
		if err != nil {
			return nil, err
		}
		p.add(from.t, r)
	}
	vlans, physnets, err := parseVLANs(c.VLAN.NetworkVLANRanges)
	if err != nil {
		return nil, err
	}
	p.add(model.VLAN, vlans)
	p.physnets = physnets
	return p, nil
}

func (p *Pools) add(t model.NetworkType, ranges []idRange) {
	for _, r := range ranges {
		ids := Range{Type: t, PhysicalNetwork: r.physnet, First: r.first, Last: r.last}
		if !slices.Contains(p.ranges, ids) {
			p.ranges = append(p.ranges, ids)
		}
	}
}

// ErrExhausted is returned when no pool that may be used has a free id.
var ErrExhausted = errors.New("no segment is left")

// ProposeTenant gives a free segment of the first type in
// tenant_network_types that has one; see Complete. It returns ErrExhausted when
// none has.
func (p *Pools) ProposeTenant(from [][]Range, taken func(model.Segment) bool) (model.Segment, error) {
	for _, t := range p.config.TenantNetworkTypes {
		s, err := p.Complete(model.Segment{Type: t}, from, taken)
		if err == nil {
			return s, nil
		}
	}
	return model.Segment{}, ErrExhausted
}

// Complete gives the segment an id, and a VLAN also a physical network, if it
// has none: a free one of the first of the lists of ranges that have one. It
// returns ErrExhausted when there is none.
func (p *Pools) Complete(s model.Segment, from [][]Range, taken func(model.Segment) bool) (model.Segment, error) {
	if s.ID != 0 || s.Type == model.Flat || s.Type == model.Local {
		return s, nil
	}
	for _, ranges := range from {
		if free, ok := p.pick(s, ranges, taken); ok {
			return free, nil
		}
	}
	return model.Segment{}, ErrExhausted
}

func (p *Pools) pick(s model.Segment, from []Range, taken func(model.Segment) bool) (model.Segment, bool) {
	var usable []Range
	var size uint64
	for _, r := range from {
		if s.Type == r.Type && (s.PhysicalNetwork == "" || s.PhysicalNetwork == r.PhysicalNetwork) {
			usable = append(usable, r)
			size += r.size()
		}
	}
	at := func(n uint64) model.Segment {
		for _, r := range usable {
			if n < r.size() {
				return model.Segment{Type: s.Type, PhysicalNetwork: r.PhysicalNetwork, ID: r.First + uint32(n)}
			}
			n -= r.size()
		}
		return model.Segment{}
	}
	n, ok := pick.Free(size, 0, func(n uint64) bool { return taken(at(n)) }, p.random)
	return at(n), ok
}

// Check says whether an administrator may ask for the segment. The id, and for
// a VLAN without id also the physical network, may be left to Complete. The
// error is a sentence for the API user.
func (p *Pools) Check(s model.Segment) error {
	switch s.Type {
	case model.Local:
		if s.PhysicalNetwork != "" || s.ID != 0 {
			return errors.New("a local network has neither physical_network nor segmentation_id")
		}
		return nil
	case model.Flat:
		return p.checkFlat(s)
	case model.VLAN:
		return p.checkVLAN(s)
	case model.VXLAN, model.Geneve:
		return checkTunnel(s, maxVNI)
	case model.GRE:
		return checkTunnel(s, maxGREKey)
	case "":
		return errors.New("network_type required")
	}
	return fmt.Errorf("network_type value '%s' not supported", s.Type)
}

func (p *Pools) checkFlat(s model.Segment) error {
	switch {
	case s.PhysicalNetwork == "":
		return errors.New("physical_network required for flat provider network")
	case s.ID != 0:
		return errors.New("segmentation_id prohibited for flat provider network")
	case checkPhysnet(s.PhysicalNetwork) != nil:
		return checkPhysnet(s.PhysicalNetwork)
	case !slices.Contains(p.config.Flat.FlatNetworks, anyPhysnet) && !slices.Contains(p.config.Flat.FlatNetworks, s.PhysicalNetwork):
		return fmt.Errorf("physical_network '%s' unknown for flat provider network", s.PhysicalNetwork)
	}
	return nil
}

func (p *Pools) checkVLAN(s model.Segment) error {
	switch {
	case s.PhysicalNetwork == "" && s.ID != 0:
		return errors.New("segmentation_id requires physical_network for VLAN provider network")
	case s.PhysicalNetwork != "" && !slices.Contains(p.physnets, s.PhysicalNetwork):
		return fmt.Errorf("physical_network '%s' unknown for VLAN provider network", s.PhysicalNetwork)
	case s.ID > maxVLAN:
		return fmt.Errorf("segmentation_id %d is out of range (1 through %d)", s.ID, maxVLAN)
	}
	return nil
}

func checkTunnel(s model.Segment, most uint32) error {
	switch {
	case s.PhysicalNetwork != "":
		return fmt.Errorf("physical_network prohibited for %s provider network", s.Type)
	case s.ID > most:
		return fmt.Errorf("segmentation_id %d is out of range (1 through %d)", s.ID, most)
	}
	return nil
}
