package flows

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Key is what a switch tells rules apart by: two rules of one bridge never have
// the same. Keys can be compared with == and used in maps.
type Key struct {
	Table    uint8
	Priority uint16
	match    string
}

// Key gives the key of r. Matches that are the same to the switch give the same
// key however they are spelled.
func (r Rule) Key() Key {
	return Key{Table: r.Table, Priority: r.Priority, match: canonicalMatch(r.Match).key()}
}

// exactBit marks a field in a key whose mask is left out.
const exactBit = 0x80

// key packs a normalized match into a string.
func (m Match) key() string {
	b := make([]byte, 0, 10*len(m))
	for _, p := range m {
		wide := p.Field.Info().Bits > 64
		exact := p.IsExact()
		if exact {
			b = append(b, byte(p.Field)|exactBit)
		} else {
			b = append(b, byte(p.Field))
		}
		b = appendKeyValue(b, p.Value, wide)
		if !exact {
			b = appendKeyValue(b, p.Mask, wide)
		}
	}
	return string(b)
}

func appendKeyValue(b []byte, v Value, wide bool) []byte {
	if wide {
		b = binary.BigEndian.AppendUint64(b, v.Hi)
	}
	return binary.BigEndian.AppendUint64(b, v.Lo)
}

// Equal reports whether a switch would keep r and o as the same rule: key,
// cookie, timeouts, flags and canonical actions.
func (r Rule) Equal(o Rule) bool {
	return r.Table == o.Table && r.Priority == o.Priority && canonicalMatch(r.Match).Equal(canonicalMatch(o.Match)) && r.sameContent(o)
}

// sameContent compares what is not part of the key.
func (r Rule) sameContent(o Rule) bool {
	return r.Cookie == o.Cookie && r.IdleTimeout == o.IdleTimeout && r.HardTimeout == o.HardTimeout &&
		r.Flags&keptFlags == o.Flags&keptFlags && EqualActions(r.Actions, o.Actions)
}

// EqualActions reports whether two lists of actions do the same in the same
// order.
func EqualActions(a, b []Action) bool {
	return slices.EqualFunc(a, b, func(x, y Action) bool {
		if !isCanonical(x) {
			x = canonicalAction(x)
		}
		if !isCanonical(y) {
			y = canonicalAction(y)
		}
		return equalAction(x, y)
	})
}

// equalAction compares canonical actions.
func equalAction(a, b Action) bool {
	switch a := a.(type) {
	case SetField: // the commonest, and faster than ==
		b, ok := b.(SetField)
		return ok && a == b
	case Controller:
		b, ok := b.(Controller)
		return ok && a.MaxLen == b.MaxLen && a.ID == b.ID && a.Reason == b.Reason && a.Pause == b.Pause &&
			a.MeterID == b.MeterID && bytes.Equal(a.Userdata, b.Userdata)
	case CT:
		b, ok := b.(CT)
		return ok && equalCT(a, b)
	case Learn:
		b, ok := b.(Learn)
		return ok && equalLearn(a, b)
	case Note:
		b, ok := b.(Note)
		return ok && bytes.Equal(a.Data, b.Data)
	case Raw:
		b, ok := b.(Raw)
		return ok && bytes.Equal(a.Bytes, b.Bytes)
	}
	switch b.(type) { // these cannot be compared with ==
	case Controller, CT, Learn, Note, Raw:
		return false
	}
	return a == b
}

func equalCT(a, b CT) bool {
	sameNAT := a.NAT == b.NAT || a.NAT != nil && b.NAT != nil && *a.NAT == *b.NAT
	return sameNAT && a.Commit == b.Commit && a.Force == b.Force && a.Table == b.Table && a.Zone == b.Zone &&
		a.ZoneSrc == b.ZoneSrc && a.ALG == b.ALG && slices.EqualFunc(a.Exec, b.Exec, equalAction)
}

func equalLearn(a, b Learn) bool {
	if !slices.Equal(a.Specs, b.Specs) {
		return false
	}
	return a.IdleTimeout == b.IdleTimeout && a.HardTimeout == b.HardTimeout && a.Priority == b.Priority &&
		a.Cookie == b.Cookie && a.Flags == b.Flags && a.Table == b.Table && a.FinIdle == b.FinIdle &&
		a.FinHard == b.FinHard && a.Limit == b.Limit && a.ResultDst == b.ResultDst
}

// Compare orders rules as a packet meets them: by table, then by falling
// priority; rules of one priority by match.
func (r Rule) Compare(o Rule) int {
	if c := compareStanding(&r, &o); c != 0 {
		return c
	}
	return canonicalMatch(r.Match).Compare(canonicalMatch(o.Match))
}

// compareStanding orders rules by table and falling priority.
func compareStanding(a, b *Rule) int {
	if a.Table != b.Table {
		return cmp.Compare(a.Table, b.Table)
	}
	return cmp.Compare(b.Priority, a.Priority)
}

// Sort sorts rules in place by Compare. Rules with one key keep their order.
func Sort(rules []Rule) { slices.SortStableFunc(rules, Rule.Compare) }
