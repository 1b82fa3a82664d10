package ofp

import "github.com/lepton-sdn/lepton/flows"

// Flags of NXAST_CT and NXAST_NAT (ovs-actions(7), "ct").
const (
	ctCommit = 1 << 0
	ctForce  = 1 << 1

	natSrc        = 1 << 0
	natDst        = 1 << 1
	natPersistent = 1 << 2
	natHash       = 1 << 3
	natRandom     = 1 << 4
)

// Which parts of a NAT range follow.
const (
	natMinIPv4 = 1 << iota
	natMaxIPv4
	natMinIPv6
	natMaxIPv6
	natMinPort
	natMaxPort
)

func appendCT(b []byte, a flows.CT) []byte {
	flags := uint16(0)
	if a.Commit {
		flags |= ctCommit
	}
	if a.Force {
		flags |= ctForce
	}
	b = u16(appendNX(b, nxCT), flags)
	if a.ZoneSrc.Bits != 0 {
		b = u16(appendNXM(b, a.ZoneSrc.Field), offsetBits(a.ZoneSrc))
	} else {
		b = u16(u32(b, 0), a.Zone)
	}
	b = appendZeros(append(b, a.Table), 3)
	b = u16(b, a.ALG)
	if a.NAT != nil {
		b = appendNAT(b, a.NAT)
	}
	return appendActions(b, a.Exec)
}

func appendNAT(b []byte, n *flows.NAT) []byte {
	start := len(b)
	b = appendZeros(appendNX(b, nxNAT), 2)
	b = u16(b, natFlags(n))
	present := len(b)
	b = u16(b, 0)
	if n.HasIP {
		b = appendNATRange(b, present, n)
	}
	b = pad8(b, start)
	setLength(b, start, 2)
	return b
}

func natFlags(n *flows.NAT) (flags uint16) {
	for _, f := range []struct {
		on  bool
		bit uint16
	}{{n.Src, natSrc}, {n.Dst, natDst}, {n.Persistent, natPersistent}, {n.Hash, natHash}, {n.Random, natRandom}} {
		if f.on {
			flags |= f.bit
		}
	}
	return flags
}

// appendNATRange adds the range and notes its parts in the 16 bits at present.
// An upper end that says nothing more than the lower one is left out.
func appendNATRange(b []byte, present int, n *flows.NAT) []byte {
	minIP, maxIP, size := natMinIPv4, natMaxIPv4, 4
	if n.IPv6 {
		minIP, maxIP, size = natMinIPv6, natMaxIPv6, 16
	}
	bits := minIP
	b = appendValue(b, n.MinIP, size)
	if !n.MaxIP.IsZero() && n.MaxIP != n.MinIP {
		bits |= maxIP
		b = appendValue(b, n.MaxIP, size)
	}
	if n.MinPort != 0 {
		bits |= natMinPort
		b = u16(b, n.MinPort)
		if n.MaxPort != 0 && n.MaxPort != n.MinPort {
			bits |= natMaxPort
			b = u16(b, n.MaxPort)
		}
	}
	b[present], b[present+1] = byte(bits>>8), byte(bits)
	return b
}

func decodeCT(r *reader) flows.Action {
	flags := r.u16()
	a := flows.CT{Commit: flags&ctCommit != 0, Force: flags&ctForce != 0}
	zoned := &reader{b: r.take(4)}
	zone := r.u16()
	a.Table = r.u8()
	r.zero(3)
	a.ALG = r.u16()
	if r.bad || flags&^(ctCommit|ctForce) != 0 {
		return nil
	}
	if (&reader{b: zoned.b}).u32() == 0 {
		a.Zone = zone
	} else {
		a.ZoneSrc = zoned.subfield(unpackBits(zone))
		if zoned.bad {
			return nil
		}
	}
	return decodeCTExec(r, a)
}

// decodeCTExec decodes the actions inside a ct action: nat first, if it is
// there, then those of exec. Connection tracking does not nest.
func decodeCTExec(r *reader, a flows.CT) flows.Action {
	for first := true; r.len() > 0; first = false {
		whole := r.splitAction()
		if r.bad || isInstruction(whole) {
			return nil
		}
		if nat, ok := decodeNAT(whole); ok {
			if nat == nil || !first {
				return nil
			}
			a.NAT = nat
			continue
		}
		if isNX(whole, nxCT) {
			return nil
		}
		a.Exec = append(a.Exec, decodeAction(whole))
	}
	return a
}

// isNX reports whether whole is the Nicira action subtype.
func isNX(whole []byte, subtype uint16) bool {
	r := &reader{b: whole}
	if r.u16() != actVendor {
		return false
	}
	r.skip(2)
	return r.u32() == nicira && r.u16() == subtype && !r.bad
}

// decodeNAT reports in ok whether the action is a nat action; n is nil when it
// is one that flows cannot express.
func decodeNAT(whole []byte) (n *flows.NAT, ok bool) {
	if !isNX(whole, nxNAT) {
		return nil, false
	}
	r := &reader{b: whole[10:]}
	r.zero(2)
	flags, present := r.u16(), int(r.u16())
	n = &flows.NAT{
		Src: flags&natSrc != 0, Dst: flags&natDst != 0, Persistent: flags&natPersistent != 0,
		Hash: flags&natHash != 0, Random: flags&natRandom != 0,
	}
	decodeNATRange(r, present, n)
	if !r.end() || natFlags(n) != flags {
		return nil, true
	}
	return n, true
}

func decodeNATRange(r *reader, present int, n *flows.NAT) {
	ipv4, ipv6 := present&(natMinIPv4|natMaxIPv4), present&(natMinIPv6|natMaxIPv6)
	size := 4
	switch {
	case present == 0:
		return
	case ipv4&natMinIPv4 != 0 && ipv6 == 0:
	case ipv6&natMinIPv6 != 0 && ipv4 == 0:
		n.IPv6, size = true, 16
	default:
		r.bad = true
		return
	}
	n.HasIP = true
	n.MinIP = flows.FromBytes(r.take(size))
	if present&(natMaxIPv4|natMaxIPv6) != 0 {
		n.MaxIP = flows.FromBytes(r.take(size))
	}
	if present&natMinPort != 0 {
		n.MinPort = r.u16()
	}
	if present&natMaxPort != 0 {
		n.MaxPort = r.u16()
		r.bad = r.bad || n.MinPort == 0
	}
	if n.MaxIP == n.MinIP {
		n.MaxIP = flows.Value{}
	}
	if n.MaxPort == n.MinPort {
		n.MaxPort = 0
	}
	r.bad = r.bad || present >= natMaxPort<<1 || n.MinIP.IsZero()
}
