package plugin

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/controller/segments"
	"github.com/lepton-sdn/lepton/model"
)

// RangeSpec is a range of segment ids as a request asks for it.
type RangeSpec struct{ model.SegmentRange }

// RangeView is a range of segment ids as the API shows it.
type RangeView struct {
	*model.SegmentRange
	// Default marks a range of the configuration.
	Default bool
	// Used gives the ids of the range that networks have, in order, with the
	// networks' projects. Available gives those that are free, at most
	// MaxAvailable of them.
	Used      func() []UsedSegment
	Available func() []uint32
}

// UsedSegment is a segment id that a network of the project has.
type UsedSegment struct {
	ID        uint32
	ProjectID string
}

// MaxAvailable bounds what is shown of the free ids of a range: a range of VNIs
// has up to 16 million.
const MaxAvailable = 4096

// Target is the range as rules about rights see it.
func (v *RangeView) Target() identity.Target { return identity.Target{ProjectID: v.ProjectID} }

func wireRange(r *model.SegmentRange) segments.Range {
	return segments.Range{Type: r.NetworkType, PhysicalNetwork: r.PhysicalNetwork, First: r.Minimum, Last: r.Maximum}
}

// ViewRange gives a range as the API shows it.
func (p *Plugin) ViewRange(r records.Reader, rec *model.SegmentRange) *RangeView {
	return &RangeView{
		SegmentRange: rec,
		Used:         func() []UsedSegment { return usedIn(r, rec) },
		Available:    func() []uint32 { return availableIn(r, rec) },
	}
}

// DefaultRanges gives the ranges of the configuration, as the API shows them.
func (p *Plugin) DefaultRanges(r records.Reader) []*RangeView {
	var out []*RangeView
	for _, from := range p.segments.Ranges() {
		rec := &model.SegmentRange{
			Shared: true, NetworkType: from.Type, PhysicalNetwork: from.PhysicalNetwork, Minimum: from.First, Maximum: from.Last,
		}
		what := fmt.Sprintf("segment-range/%s/%s/%d-%d", from.Type, from.PhysicalNetwork, from.First, from.Last)
		rec.ID = uuid.NewSHA1(uuid.NameSpaceOID, []byte(what)).String()
		rec.CreatedAt, rec.UpdatedAt = p.began, p.began
		v := p.ViewRange(r, rec)
		v.Default = true
		out = append(out, v)
	}
	return out
}

// FindRange gives a range, also one of the configuration.
func (p *Plugin) FindRange(r records.Reader, id string) (*RangeView, bool) {
	if rec, ok := records.SegmentRanges.Get(r, id); ok {
		return p.ViewRange(r, rec), true
	}
	for _, v := range p.DefaultRanges(r) {
		if v.ID == id {
			return v, true
		}
	}
	return nil, false
}

// usedIn gives the ids of a range that networks have.
func usedIn(r records.Reader, rec *model.SegmentRange) []UsedSegment {
	var out []UsedSegment
	prefix := segmentPrefix(rec.NetworkType, rec.PhysicalNetwork)
	for key, owner := range r.ClaimsUnder(prefix) {
		id, err := strconv.ParseUint(strings.TrimPrefix(key, prefix), 10, 32)
		if err != nil || uint32(id) < rec.Minimum || uint32(id) > rec.Maximum {
			continue
		}
		used := UsedSegment{ID: uint32(id)}
		if n, ok := records.Networks.Get(r, owner); ok {
			used.ProjectID = n.ProjectID
		}
		out = append(out, used)
	}
	slices.SortFunc(out, func(a, b UsedSegment) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// referencedIn gives the ids of a range that networks have because of it: those
// of its project, or any where it is shared. What another project had before
// the range was made does not hold it.
func referencedIn(r records.Reader, rec *model.SegmentRange) []UsedSegment {
	return slices.DeleteFunc(usedIn(r, rec), func(s UsedSegment) bool { return !rec.Shared && s.ProjectID != rec.ProjectID })
}

func availableIn(r records.Reader, rec *model.SegmentRange) []uint32 {
	used := usedIn(r, rec)
	out := []uint32{}
	for id := uint64(rec.Minimum); id <= uint64(rec.Maximum) && len(out) < MaxAvailable; id++ {
		if len(used) > 0 && uint64(used[0].ID) == id {
			used = used[1:]
			continue
		}
		out = append(out, uint32(id))
	}
	return out
}

// rangesFor gives the ranges that a project's networks get their segment ids
// from: its own first, then those that are shared, without the ids that belong
// to projects.
func (p *Plugin) rangesFor(r records.Reader, project string) [][]segments.Range {
	var own, private []segments.Range
	shared := p.segments.Ranges()
	for rec := range records.SegmentRanges.All(r) {
		switch wire := wireRange(rec); {
		case rec.Shared:
			shared = append(shared, wire)
		case rec.ProjectID == project:
			own = append(own, wire)
			fallthrough
		default:
			private = append(private, wire)
		}
	}
	return [][]segments.Range{own, segments.Without(shared, private)}
}

// keepRanges makes the ranges that a segment is of conditions of the commit.
func keepRanges(u *records.Update, s model.Segment) {
	for rec := range records.SegmentRanges.All(u.Peek()) {
		if wireRange(rec).Has(s) {
			records.SegmentRanges.Get(u, rec.ID)
		}
	}
}

func rangeKey(r *model.SegmentRange) string { return rangePrefix(r) + r.ID }
func rangePrefix(r *model.SegmentRange) string {
	return fmt.Sprintf("range/%s/%s/", r.NetworkType, r.PhysicalNetwork)
}

// CreateRange makes a range of segment ids, for one project or for all.
func (p *Plugin) CreateRange(_ Call, u *records.Update, s *RangeSpec) (string, error) {
	rec := s.SegmentRange
	p.newMeta(&rec.Meta, 0)
	if rec.Shared {
		rec.ProjectID = ""
	}
	switch {
	case rec.NetworkType == "":
		return "", BadRequest("NetworkSegmentRangeNetTypeNotSupported", "Network type None does not support network segment ranges.")
	case rec.NetworkType != model.VLAN:
		rec.PhysicalNetwork = ""
	case rec.PhysicalNetwork == "":
		return "", BadRequest("BadRequest", "Bad network_segment_range request: Network type vlan requires 'physical_network' to be specified while creating new range.")
	}
	if err := settleRange(u, &rec); err != nil {
		return "", err
	}
	if err := u.Claim(rangeKey(&rec), rec.ID); err != nil {
		return "", err
	}
	records.SegmentRanges.Put(u, &rec)
	return rec.ID, nil
}

// settleRange checks a range that is about to be made or changed, and lets it
// exclude those that are at the same moment.
func settleRange(u *records.Update, rec *model.SegmentRange) error {
	if err := wireRange(rec).Check(); err != nil {
		if rec.NetworkType == model.VLAN {
			return BadRequest("NetworkVlanRangeError", "Invalid network VLAN range: '%s:%d:%d' - '%s'.", rec.PhysicalNetwork, rec.Minimum, rec.Maximum, err)
		}
		return BadRequest("NetworkTunnelRangeError", "Invalid network tunnel range: '%d:%d' - %s.", rec.Minimum, rec.Maximum, err)
	}
	u.RequireNoNewClaims(rangePrefix(rec))
	var overlapping []string
	for other := range records.SegmentRanges.All(u.Peek()) {
		if other.ID != rec.ID && wireRange(other).Overlaps(wireRange(rec)) && len(overlapping) < mostNamed {
			overlapping = append(overlapping, other.ID)
		}
	}
	if len(overlapping) > 0 {
		return Conflict("NetworkSegmentRangeOverlaps", "Network segment range overlaps with range(s) with id %s.", strings.Join(overlapping, ", "))
	}
	return nil
}

// RangeReadOnly is the refusal to change a range of the configuration.
func RangeReadOnly(id string) *Error {
	return BadRequest("NetworkSegmentRangeDefaultReadOnly", "Network Segment Range %s is a default segment range which could not be updated or deleted.", id)
}

func rangeReferenced(id string) *Error {
	return Conflict("NetworkSegmentRangeReferencedByProject", "Network Segment Range %s is referenced by one or more tenant networks.", id)
}

// UpdateRange changes a range, unless networks have ids that it would lose.
func (p *Plugin) UpdateRange(_ Call, u *records.Update, before *RangeView, s *RangeSpec) error {
	rec := s.SegmentRange
	if before.Default {
		return RangeReadOnly(rec.ID)
	}
	if rec.Minimum != before.Minimum || rec.Maximum != before.Maximum {
		if err := settleRange(u, &rec); err != nil {
			return err
		}
		if strands(referencedIn(u.Peek(), before.SegmentRange), before.SegmentRange, &rec) {
			return rangeReferenced(rec.ID)
		}
		u.RequireNoNewClaims(segmentPrefix(rec.NetworkType, rec.PhysicalNetwork))
		renew(u, rangeKey(&rec), rec.ID)
	}
	if !reflect.DeepEqual(rec, *before.SegmentRange) {
		p.touch(&rec.Meta)
		records.SegmentRanges.Put(u, &rec)
	}
	return nil
}

// strands reports whether new limits of a range leave out ids that networks
// have. As in Neutron, a limit that is moved may not be moved onto such an id.
func strands(used []UsedSegment, before, after *model.SegmentRange) bool {
	if len(used) == 0 {
		return false
	}
	lowest, highest := used[0].ID, used[len(used)-1].ID
	return after.Minimum != before.Minimum && after.Minimum >= lowest || after.Maximum != before.Maximum && after.Maximum <= highest
}

// DeleteRange removes a range that no network has its id from.
func (p *Plugin) DeleteRange(u *records.Update, id string) error {
	v, ok := p.FindRange(u, id)
	switch {
	case !ok:
		return NotFound("NetworkSegmentRange", "Network Segment Range", id)
	case v.Default:
		return RangeReadOnly(id)
	case len(referencedIn(u.Peek(), v.SegmentRange)) > 0:
		return rangeReferenced(id)
	}
	u.RequireNoNewClaims(segmentPrefix(v.NetworkType, v.PhysicalNetwork))
	u.Release(rangeKey(v.SegmentRange))
	records.SegmentRanges.Delete(u, id)
	return nil
}

// TagRange replaces a range's tags.
func (p *Plugin) TagRange(u *records.Update, before *model.SegmentRange, tags []string) {
	rec := *before
	p.retag(&rec.Meta, tags)
	records.SegmentRanges.Put(u, &rec)
}
