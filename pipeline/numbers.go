package pipeline

import (
	"cmp"
	"slices"
)

// numbers gives groups the numbers that registers hold. A group's number is the
// first eight hexadecimal digits of its UUID. Of groups that have these in
// common, which is rare, the first by UUID keeps them and the others get the
// next free number. So the numbers depend on the set of groups only, and a
// restart does not change them.
type numbers struct {
	// ids are in order; refs says how often each is needed.
	ids     []string
	refs    map[string]int
	of      map[string]uint32
	changed bool
}

func newNumbers() numbers {
	return numbers{refs: map[string]int{}, of: map[string]uint32{}}
}

// number gives the number of a group that is reserved, else 0. It holds after
// assign.
func (n *numbers) number(id string) uint32 { return n.of[id] }

// reserve notes one need of a number more, or one less.
func (n *numbers) reserve(id string, needed bool) {
	if needed {
		n.refs[id]++
	} else {
		n.refs[id]--
	}
	was := n.of[id] != 0
	n.changed = n.changed || was != (n.refs[id] > 0)
}

// wanted is the number that a group has unless it is taken.
func wanted(id string) uint32 { return uint32(object(id) >> (objectBits - 32)) }

// assign brings the numbers up to date and gives the ids whose number changed.
func (n *numbers) assign() []string {
	if !n.changed {
		return nil
	}
	n.changed = false
	n.ids = n.ids[:0]
	for id, refs := range n.refs {
		if refs > 0 {
			n.ids = append(n.ids, id)
		} else {
			delete(n.refs, id)
		}
	}
	slices.SortFunc(n.ids, func(a, b string) int { return cmp.Or(cmp.Compare(wanted(a), wanted(b)), cmp.Compare(a, b)) })
	old := n.of
	n.of = make(map[string]uint32, len(n.ids))
	var changed []string
	last := uint64(0)
	for _, id := range n.ids {
		if last = max(uint64(wanted(id)), last+1); last <= maxNumber {
			n.of[id] = uint32(last)
		}
		if n.of[id] != old[id] {
			changed = append(changed, id)
		}
	}
	for id := range old {
		if n.of[id] == 0 {
			changed = append(changed, id)
		}
	}
	return changed
}

// maxNumber is the highest number that a register holds.
const maxNumber = 0xffffffff
