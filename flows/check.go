package flows

import (
	"errors"
	"fmt"
	"slices"
)

// ErrInconsistent is the error of actions that do not fit the rule's match:
// Open vSwitch answers with OFPBAC_MATCH_INCONSISTENT or another error of the
// OFPBAC and OFPBIC families.
var ErrInconsistent = errors.New("action does not fit the match")

// maxTags is the number of VLAN tags that Open vSwitch keeps of a packet.
const maxTags = 2

// Check reports the first reason for which Open vSwitch refuses r in OpenFlow
// 1.5: a match without its prerequisites, or an action on something that the
// match does not promise. The match has to say ip or ipv6 before ct and
// dec_ttl, the protocol before its fields are written, and that there is a tag
// before pop_vlan and before vlan_vid is written, unless push_vlan comes first.
// Whether groups, meters and ports exist only the switch knows.
func (r Rule) Check() error {
	m := canonicalMatch(r.Match)
	if err := m.Validate(); err != nil {
		return fmt.Errorf("check flow: %w", err)
	}
	if err := m.CheckPrerequisites(); err != nil {
		return fmt.Errorf("check flow: %w", err)
	}
	c := checker{match: m, table: r.Table}
	if tag, _ := m.Get(VLANVID); tag.Value.Lo&vlanPresent != 0 {
		c.tags[0] = true
	}
	for i, a := range r.Actions {
		if err := c.action(a); err != nil {
			return fmt.Errorf("check flow: action %s: %w", FormatActions([]Action{a}, FormatOptions{}), err)
		}
		if _, ok := a.(GotoTable); ok && i+1 < len(r.Actions) {
			return fmt.Errorf("check flow: goto_table is not last: %w", ErrInconsistent)
		}
	}
	return c.conjunctions(r.Actions)
}

// checker follows what is known of a packet from action to action.
type checker struct {
	match Match
	table uint8
	tags  [maxTags]bool // that are there for sure, the outermost first
	exec  bool          // within ct(exec(...))
}

func (c *checker) action(a Action) error {
	switch a := a.(type) {
	case SetField:
		return c.write(a.Field, a.Value, a.Mask)
	case Load:
		return c.write(a.Dst.Field, a.Value.Shl(a.Dst.Start), a.Dst.Mask())
	case Move:
		if err := c.present(a.Src.Field); err != nil {
			return err
		}
		return c.writable(a.Dst.Field)
	case OutputReg:
		return c.present(a.Src.Field)
	case PushVLAN:
		if c.tags[maxTags-1] {
			return fmt.Errorf("a third tag: %w", ErrInconsistent)
		}
		c.tags = [maxTags]bool{true, c.tags[0]}
	case PopVLAN:
		if !c.tags[0] {
			return fmt.Errorf("no tag is matched: %w", ErrInconsistent)
		}
		c.tags = [maxTags]bool{c.tags[1]}
	case DecTTL:
		return c.present(IPTTL)
	case GotoTable:
		if a.Table <= c.table {
			return fmt.Errorf("not a later table: %w", ErrInconsistent)
		}
	case Resubmit:
		if state, _ := c.match.Get(CTState); a.CT && !impliesConnection(state) {
			return fmt.Errorf("no connection is matched: %w", ErrInconsistent)
		}
	case CT:
		return c.ct(a)
	}
	return nil
}

// present reports an error if the match does not promise the field.
func (c *checker) present(f Field) error {
	for _, need := range f.prerequisites() {
		if !slices.Contains(need.values, c.match.exact(need.field)) {
			return fmt.Errorf("%s needs %s: %w", f, need.what, ErrInconsistent)
		}
	}
	if f == VLANPCP && !c.tags[0] {
		return fmt.Errorf("no tag is matched: %w", ErrInconsistent)
	}
	return nil
}

func (c *checker) write(f Field, v, mask Value) error {
	if err := c.writable(f); err != nil {
		return err
	}
	switch f {
	case VLANVID:
		if !c.tags[0] {
			return fmt.Errorf("no tag is matched: %w", ErrInconsistent)
		}
	case VLANTCI:
		// The switch looks at the value only, even if just some bits are written.
		c.tags[0] = v.Lo&mask.Lo&vlanPresent != 0
	}
	return nil
}

// writable reports an error if the field cannot be written here.
func (c *checker) writable(f Field) error {
	switch {
	case f == CTMark || f == CTLabel:
		if !c.exec {
			return fmt.Errorf("%s is written within ct only: %w", f, ErrInconsistent)
		}
	case c.exec:
		return fmt.Errorf("ct writes ct_mark and ct_label only: %w", ErrInconsistent)
	case f.readOnly():
		return fmt.Errorf("%s cannot be written: %w", f, ErrInconsistent)
	}
	return c.present(f)
}

// readOnly reports whether no action writes the field (ovs-fields(7),
// "Access"). Of the two forms of in_port only that of 16 bits is written.
func (f Field) readOnly() bool {
	switch f {
	case RecircID, DPHash, ConjID, ActsetOutput, CTState, CTZone, PacketType, EthType, IPProto, InPort, MPLSBOS, IPFrag, TCPFlags:
		return true
	}
	return f >= CTNwSrc && f <= CTTpDst
}

func (c *checker) ct(a CT) error {
	if err := c.present(IPProto); err != nil {
		return err
	}
	proto := c.match.exact(IPProto)
	switch {
	case a.Force && !a.Commit:
		return fmt.Errorf("force needs commit: %w", ErrInconsistent)
	case len(a.Exec) > 0 && !a.Commit:
		return fmt.Errorf("exec needs commit: %w", ErrInconsistent)
	case a.ALG == algFTP && proto != protoTCP, a.ALG == algTFTP && proto != protoUDP:
		return fmt.Errorf("the alg is of another protocol: %w", ErrInconsistent)
	}
	c.exec = true
	defer func() { c.exec = false }()
	for _, x := range a.Exec {
		if err := c.action(x); err != nil {
			return err
		}
	}
	return nil
}

// conjunctions reports clauses that stand with other actions.
func (c *checker) conjunctions(actions []Action) error {
	clauses, others := 0, 0
	for _, a := range actions {
		switch a.(type) {
		case Conjunction:
			clauses++
		case Note:
		default:
			others++
		}
	}
	if clauses > 0 && others > 0 {
		return fmt.Errorf("check flow: conjunction stands with other actions: %w", ErrInconsistent)
	}
	return nil
}
