package ofp

import (
	"encoding/binary"
	"slices"

	"github.com/lepton-sdn/lepton/flows"
)

// Action types (OpenFlow 1.5.1, section 7.2.6).
const (
	actOutput    = 0
	actPushVLAN  = 17
	actPopVLAN   = 18
	actGroup     = 22
	actDecTTL    = 24
	actSetField  = 25
	actCopyField = 28
	actMeter     = 29
	actVendor    = 0xffff
)

// Subtypes of Nicira's actions (ovs-actions(7)).
const (
	nxNote        = 8
	nxResubmit    = 1
	nxResubmitTo  = 14
	nxOutputReg   = 15
	nxLearn       = 16
	nxController  = 20
	nxConjunction = 34
	nxCT          = 35
	nxNAT         = 36
	nxController2 = 37
	nxCTClear     = 43
	nxResubmitCT  = 44
	nxLearn2      = 45
)

// appendNX begins a Nicira action: header, vendor, subtype.
func appendNX(b []byte, subtype uint16) []byte {
	b = u16(u16(b, actVendor), 0)
	return u16(u32(b, nicira), subtype)
}

// appendActions adds a list of actions. GotoTable is an instruction, not an
// action, and is left out.
func appendActions(b []byte, actions []flows.Action) []byte {
	for _, a := range actions {
		b = appendAction(b, a)
	}
	return b
}

// appendAction adds one action, its length set and padded.
func appendAction(b []byte, a flows.Action) []byte {
	switch a := a.(type) {
	case flows.GotoTable, nil:
		return b
	case flows.Raw:
		return append(b, a.Bytes...)
	}
	start := len(b)
	b = appendBody(b, a)
	b = pad8(b, start)
	setLength(b, start, 2)
	return b
}

func appendBody(b []byte, a flows.Action) []byte {
	switch a := a.(type) {
	case flows.Output:
		maxLen := uint16(0)
		if a.Port == flows.PortController {
			maxLen = maxLenAll
		}
		return appendOutput(b, a.Port, maxLen)
	case flows.OutputReg:
		b = u16(appendNX(b, nxOutputReg), offsetBits(a.Src))
		return appendZeros(u16(appendNXM(b, a.Src.Field), a.MaxLen), 6)
	case flows.Controller:
		return appendController(b, a)
	case flows.Resubmit:
		return appendResubmit(b, a)
	case flows.SetField:
		b = u16(u16(b, actSetField), 0)
		return appendField(b, a.Field, a.Value, a.Mask)
	case flows.Load:
		// OpenFlow 1.5 has set_field with a mask in its place.
		b = u16(u16(b, actSetField), 0)
		return appendField(b, a.Dst.Field, a.Value.Shl(a.Dst.Start).And(a.Dst.Mask()), a.Dst.Mask())
	case flows.Move:
		return appendMove(b, a)
	case flows.PushVLAN:
		return u16(u16(u16(b, actPushVLAN), 0), a.EtherType)
	case flows.PopVLAN:
		return u16(u16(b, actPopVLAN), 0)
	case flows.DecTTL:
		return u16(u16(b, actDecTTL), 0)
	case flows.Group:
		return u32(u16(u16(b, actGroup), 0), a.ID)
	case flows.Meter:
		return u32(u16(u16(b, actMeter), 0), a.ID)
	case flows.Conjunction:
		return u32(append(appendNX(b, nxConjunction), a.K-1, a.N), a.ID)
	case flows.CT:
		return appendCT(b, a)
	case flows.CTClear:
		return appendNX(b, nxCTClear)
	case flows.Learn:
		return appendLearn(b, a)
	case flows.Note:
		return append(appendNX(b, nxNote), a.Data...)
	}
	return b
}

func appendOutput(b []byte, port uint32, maxLen uint16) []byte {
	b = u32(u16(u16(b, actOutput), 0), port)
	return appendZeros(u16(b, maxLen), 6)
}

func appendResubmit(b []byte, a flows.Resubmit) []byte {
	subtype := uint16(nxResubmitTo)
	if a.CT {
		subtype = nxResubmitCT
	}
	port := a.InPort
	if port == 0 {
		port = flows.PortInPort
	}
	// Nicira's actions hold 16-bit port numbers; the reserved ones of the
	// 32-bit form have the same low half.
	b = u16(appendNX(b, subtype), uint16(port))
	return appendZeros(append(b, a.Table), 3)
}

func appendMove(b []byte, a flows.Move) []byte {
	b = u16(u16(b, actCopyField), 0)
	b = u16(u16(u16(b, uint16(a.Src.Bits)), uint16(a.Src.Start)), uint16(a.Dst.Start))
	b = appendZeros(b, 2)
	b = appendOXM(b, a.Src.Field.Info(), false)
	return appendOXM(b, a.Dst.Field.Info(), false)
}

// offsetBits packs a subfield's first bit and width as Nicira's actions do.
func offsetBits(s flows.Subfield) uint16 { return uint16(s.Start<<6 | (s.Bits-1)&0x3f) }

// unpackBits is the opposite of offsetBits.
func unpackBits(v uint16) (start, bits int) { return int(v >> 6), int(v&0x3f) + 1 }

// standardAction decodes what follows the header of an action of the standard.
// It gives nil for what flows cannot express; the action is then kept raw.
func (r *reader) standardAction(typ uint16) flows.Action {
	switch typ {
	case actOutput:
		return decodeOutput(r)
	case actPushVLAN:
		return flows.PushVLAN{EtherType: r.u16()}
	case actPopVLAN:
		return flows.PopVLAN{}
	case actGroup:
		return flows.Group{ID: r.u32()}
	case actDecTTL:
		return flows.DecTTL{}
	case actSetField:
		return decodeSetField(r)
	case actCopyField:
		return decodeMove(r)
	case actMeter:
		return flows.Meter{ID: r.u32()}
	}
	return nil
}

// niciraAction is standardAction for what follows a Nicira action's subtype.
func (r *reader) niciraAction(subtype uint16) flows.Action {
	switch subtype {
	case nxResubmit, nxResubmitTo, nxResubmitCT:
		return decodeResubmit(r, subtype)
	case nxNote:
		return flows.Note{Data: clone(r.take(r.len()))}
	case nxOutputReg:
		return decodeOutputReg(r)
	case nxLearn, nxLearn2:
		return decodeLearn(r, subtype)
	case nxController:
		return decodeController(r)
	case nxController2:
		return decodeController2(r)
	case nxConjunction:
		return decodeConjunction(r)
	case nxCT:
		return decodeCT(r)
	case nxCTClear:
		return flows.CTClear{}
	}
	return nil
}

// splitAction takes the bytes of the next action from r.
func (r *reader) splitAction() (whole []byte) {
	if len(r.b) < 8 {
		r.bad = true
		return nil
	}
	n := int(binary.BigEndian.Uint16(r.b[2:]))
	if n < 8 || n%8 != 0 {
		r.bad = true
		return nil
	}
	return r.take(n)
}

// decodeActions decodes a list of actions that fills r. Types 1 to 8 do not
// exist in OpenFlow 1.5 and are refused, so that raw actions and raw
// instructions cannot be mistaken for each other.
func decodeActions(r *reader, into []flows.Action) ([]flows.Action, error) {
	if n := entries(r.b, 2); n > 0 {
		into = slices.Grow(into, n+1) // and one instruction after them
	}
	for r.len() > 0 {
		whole := r.splitAction()
		if r.bad || isInstruction(whole) {
			return nil, malformed("action list")
		}
		into = append(into, decodeAction(whole))
	}
	return into, nil
}

// entries counts the structures that fill b, each of which has its length at
// byte offset at. Where the lengths are wrong the count is too low.
func entries(b []byte, at int) (n int) {
	for len(b) >= at+2 {
		size := int(binary.BigEndian.Uint16(b[at:]))
		if size < 8 || size > len(b) {
			return n
		}
		b = b[size:]
		n++
	}
	return n
}

// isInstruction reports whether the type of a raw action or instruction is one
// of an instruction.
func isInstruction(whole []byte) bool {
	t := binary.BigEndian.Uint16(whole)
	return t > 0 && t <= 8
}

// decodeAction decodes one action of at least 8 bytes whose length field is
// right.
func decodeAction(whole []byte) flows.Action {
	r := &reader{b: whole}
	typ := r.u16()
	r.skip(2)
	var a flows.Action
	if typ != actVendor {
		a = r.standardAction(typ)
	} else if r.u32() == nicira {
		a = r.niciraAction(r.u16())
	}
	if a != nil && r.end() {
		return a
	}
	return flows.Raw{Bytes: clone(whole)}
}

func decodeOutput(r *reader) flows.Action {
	port, maxLen := r.u32(), r.u16()
	r.zero(6)
	if port == flows.PortController {
		return flows.Controller{MaxLen: maxLen}
	}
	return flows.Output{Port: port}
}

func decodeOutputReg(r *reader) flows.Action {
	start, bits := unpackBits(r.u16())
	src := r.subfield(start, bits)
	a := flows.OutputReg{Src: src, MaxLen: r.u16()}
	r.zero(6)
	return a
}

func decodeResubmit(r *reader, subtype uint16) flows.Action {
	port, table := uint32(r.u16()), r.u8()
	r.zero(3)
	if port >= uint32(uint16(flows.PortInPort&0xffff)) {
		port |= 0xffff0000
	}
	if port == 0 {
		return nil // port 0 is a real port here, and means in_port in flows
	}
	if subtype == nxResubmit {
		table = tableAll
	}
	return flows.Resubmit{InPort: port, Table: table, CT: subtype == nxResubmitCT}
}

func decodeSetField(r *reader) flows.Action {
	m, ok := r.fieldValue(r.oxm())
	if !ok || !m.Value.AndNot(m.Mask).IsZero() {
		return nil
	}
	return flows.SetField(m)
}

func decodeMove(r *reader) flows.Action {
	bits, src, dst := int(r.u16()), int(r.u16()), int(r.u16())
	r.zero(2)
	return flows.Move{Src: r.subfield(src, bits), Dst: r.subfield(dst, bits)}
}

func decodeConjunction(r *reader) flows.Action {
	k, n := r.u8(), r.u8()
	if k == 0xff {
		return nil
	}
	return flows.Conjunction{K: k + 1, N: n, ID: r.u32()}
}

// clone copies bytes out of a message's buffer, which would otherwise be kept
// alive whole.
func clone(b []byte) []byte { return append([]byte(nil), b...) }
