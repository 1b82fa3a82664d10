package ofp

import "github.com/lepton-sdn/lepton/flows"

// Properties of NXAST_CONTROLLER2 (ovs-actions(7), "controller").
const (
	ctlMaxLen   = 0
	ctlID       = 1
	ctlReason   = 2
	ctlUserdata = 3
	ctlPause    = 4
	ctlMeter    = 5
)

// appendController writes the shortest of the three forms that can express a,
// as Open vSwitch does.
func appendController(b []byte, a flows.Controller) []byte {
	if a.Reason == 0 {
		a.Reason = flows.ReasonAction
	}
	switch {
	case len(a.Userdata) > 0 || a.Pause || a.MeterID != 0:
		return appendController2(b, a)
	case a.ID == 0 && a.Reason == flows.ReasonAction:
		return appendOutput(b, flows.PortController, a.MaxLen)
	}
	b = u16(u16(appendNX(b, nxController), a.MaxLen), a.ID)
	return append(b, a.Reason, 0)
}

func appendController2(b []byte, a flows.Controller) []byte {
	b = appendZeros(appendNX(b, nxController2), 6)
	if a.MaxLen != maxLenAll {
		b = appendProperty(b, ctlMaxLen, []byte{byte(a.MaxLen >> 8), byte(a.MaxLen), 0, 0})
	}
	if a.ID != 0 {
		b = appendProperty(b, ctlID, []byte{byte(a.ID >> 8), byte(a.ID), 0, 0})
	}
	if a.Reason != flows.ReasonAction {
		b = appendProperty(b, ctlReason, []byte{a.Reason})
	}
	if len(a.Userdata) > 0 {
		b = appendProperty(b, ctlUserdata, a.Userdata)
	}
	if a.Pause {
		b = appendProperty(b, ctlPause, nil)
	}
	if a.MeterID != 0 {
		b = appendProperty(b, ctlMeter, u32(nil, a.MeterID))
	}
	return b
}

func decodeController(r *reader) flows.Action {
	a := flows.Controller{MaxLen: r.u16(), ID: r.u16(), Reason: r.u8()}
	r.zero(1)
	return explained(a)
}

func decodeController2(r *reader) flows.Action {
	a := flows.Controller{MaxLen: maxLenAll, Reason: flows.ReasonAction}
	r.zero(6)
	for r.len() > 0 && !r.bad {
		typ, p := r.property()
		switch typ {
		case ctlMaxLen:
			a.MaxLen = p.u16()
		case ctlID:
			a.ID = p.u16()
		case ctlReason:
			a.Reason = p.u8()
		case ctlUserdata:
			a.Userdata = clone(p.take(p.len()))
		case ctlPause:
			a.Pause = true
		case ctlMeter:
			a.MeterID = p.u32()
		default:
			return nil
		}
		if p.bad {
			return nil
		}
	}
	return explained(a)
}

// explained writes the usual reason as flows does, by 0. The reason 0 of the
// wire, no_match, has no name in flows.
func explained(a flows.Controller) flows.Action {
	switch a.Reason {
	case 0:
		return nil
	case flows.ReasonAction:
		a.Reason = 0
	}
	return a
}
