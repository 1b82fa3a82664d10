package ofp

import (
	"fmt"

	"github.com/lepton-sdn/lepton/flows"
)

// Command says what a flow-mod does (OpenFlow 1.5.1, section 7.3.4.2).
type Command uint8

// The commands.
const (
	Add          Command = iota // add the flow, or replace the one with its table, priority and match
	Modify                      // change the actions of all flows that the match covers
	ModifyStrict                // change the actions of the one flow with this priority and match
	Delete                      // delete all flows that the match covers
	DeleteStrict                // delete the one flow with this priority and match
)

// Instruction types (OpenFlow 1.5.1, section 7.2.5).
const (
	instGotoTable    = 1
	instApplyActions = 4
)

// FlowMod is an OFPT_FLOW_MOD message.
type FlowMod struct {
	XID     uint32
	Command Command
	Rule    flows.Rule
	// CookieMask limits Modify and Delete to flows whose cookie equals
	// Rule.Cookie in these bits. Add ignores it.
	CookieMask uint64
}

// AppendRule adds a flow-mod with transaction id 0 that affects r by its
// table, priority and match. The message is longer than MaxMessage, and cannot
// be sent, when the actions are too many.
func AppendRule(b []byte, cmd Command, r flows.Rule) []byte {
	return FlowMod{Command: cmd, Rule: r}.Append(b)
}

// Append adds the message to b (OpenFlow 1.5.1, section 7.3.4.2), with the rule
// in its canonical form. For the deleting commands the actions, timeouts and
// flags are left out.
func (m FlowMod) Append(b []byte) []byte {
	start := len(b)
	r := flows.Canonical(m.Rule)
	if m.Command == Delete || m.Command == DeleteStrict {
		r.IdleTimeout, r.HardTimeout, r.Flags, r.Actions = 0, 0, 0, nil
	}
	b = appendHeader(b, typeFlowMod, m.XID)
	b = u64(u64(b, r.Cookie), m.CookieMask)
	b = append(b, r.Table, byte(m.Command))
	b = u16(u16(u16(b, r.IdleTimeout), r.HardTimeout), r.Priority)
	b = u32(u32(u32(b, noBuffer), flows.PortAny), groupAny)
	b = u16(u16(b, uint16(r.Flags)), 0) // flags, importance
	b = appendMatch(b, r.Match)
	b = appendInstructions(b, r.Actions)
	setLength(b, start, 2)
	return b
}

// DecodeFlowMod decodes a whole flow-mod message.
func DecodeFlowMod(msg []byte) (FlowMod, error) {
	h, r, err := body(msg, typeFlowMod)
	if err != nil {
		return FlowMod{}, err
	}
	m := FlowMod{XID: h.XID}
	m.Rule.Cookie, m.CookieMask = r.u64(), r.u64()
	m.Rule.Table, m.Command = r.u8(), Command(r.u8())
	m.Rule.IdleTimeout, m.Rule.HardTimeout, m.Rule.Priority = r.u16(), r.u16(), r.u16()
	r.skip(12) // buffer, out port and out group
	m.Rule.Flags = flows.Flags(r.u16())
	r.skip(2) // importance
	unknown := []byte(nil)
	m.Rule.Match, unknown, err = r.match()
	if err != nil {
		return FlowMod{}, err
	}
	if r.bad || len(unknown) > 0 || m.Command > DeleteStrict {
		return FlowMod{}, malformed("flow-mod")
	}
	m.Rule.Actions, err = decodeInstructions(r)
	return m, err
}

// appendInstructions adds what a rule does: its actions as one apply-actions
// instruction, then raw instructions, then goto-table.
func appendInstructions(b []byte, actions []flows.Action) []byte {
	start := len(b)
	b = appendZeros(u16(u16(b, instApplyActions), 0), 4)
	for _, a := range actions {
		if !afterActions(a) {
			b = appendAction(b, a)
		}
	}
	if len(b) == start+8 {
		b = b[:start]
	} else {
		setLength(b, start, 2)
	}
	for _, a := range actions {
		switch a := a.(type) {
		case flows.Raw:
			if afterActions(a) {
				b = append(b, a.Bytes...)
			}
		case flows.GotoTable:
			b = u16(u16(b, instGotoTable), 8)
			b = appendZeros(append(b, a.Table), 3)
		}
	}
	return b
}

// afterActions reports whether a is an instruction of its own.
func afterActions(a flows.Action) bool {
	switch a := a.(type) {
	case flows.GotoTable:
		return true
	case flows.Raw:
		return len(a.Bytes) >= 2 && isInstruction(a.Bytes)
	}
	return false
}

// decodeInstructions decodes instructions that fill r into the actions of a
// rule: applied actions, then instructions that flows has no type for as
// flows.Raw, then goto-table.
func decodeInstructions(r *reader) (actions []flows.Action, err error) {
	var others, jump []flows.Action
	for r.len() > 0 {
		whole := r.splitAction()
		if r.bad {
			return nil, malformed("instructions")
		}
		in := &reader{b: whole}
		typ := in.u16()
		in.skip(2)
		switch typ {
		case instApplyActions:
			in.zero(4)
			if actions, err = decodeActions(in, actions); err != nil || in.bad {
				return nil, malformed("instructions")
			}
		case instGotoTable:
			jump = append(jump, flows.GotoTable{Table: in.u8()})
			if !in.end() {
				return nil, malformed("goto-table instruction")
			}
		default:
			if !isInstruction(whole) {
				return nil, fmt.Errorf("decode instruction of type %d: %w", typ, ErrMalformed)
			}
			others = append(others, flows.Raw{Bytes: clone(whole)})
		}
	}
	if len(jump) > 1 {
		return nil, malformed("instructions")
	}
	return append(append(actions, others...), jump...), nil
}

// body checks a message's header and gives what follows it.
func body(msg []byte, typ uint8) (Header, *reader, error) {
	h, err := DecodeHeader(msg)
	if err != nil {
		return h, nil, err
	}
	if h.Type != typ || int(h.Length) != len(msg) || h.Version != Version {
		return h, nil, malformed("header")
	}
	return h, &reader{b: msg[headerLen:]}, nil
}
