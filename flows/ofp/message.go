package ofp

// Hello begins every connection (OpenFlow 1.5.1, section 7.5.1).
type Hello struct {
	XID     uint32
	Version uint8 // the highest version of the peer
	// Bitmap has bit v set for each version byte v that the peer speaks; 0 when
	// the peer sent none.
	Bitmap uint32
}

const (
	helloBitmap      = 1
	errorHelloFailed = 0
	codeIncompatible = 0
)

// Speaks reports whether the peer speaks OpenFlow 1.5.
func (h Hello) Speaks() bool {
	if h.Bitmap != 0 {
		return h.Bitmap&(1<<Version) != 0
	}
	return h.Version >= Version
}

// appendHello adds our hello, which offers OpenFlow 1.5 alone.
func appendHello(b []byte, xid uint32) []byte {
	start := len(b)
	b = appendHeader(b, typeHello, xid)
	b = u32(u16(u16(b, helloBitmap), 8), 1<<Version)
	setLength(b, start, 2)
	return b
}

// DecodeHello decodes the hello of a peer of any version.
func DecodeHello(msg []byte) (Hello, error) {
	h, err := DecodeHeader(msg)
	if err != nil {
		return Hello{}, err
	}
	if h.Type != typeHello || int(h.Length) != len(msg) {
		return Hello{}, malformed("hello")
	}
	out := Hello{XID: h.XID, Version: h.Version}
	r := &reader{b: msg[headerLen:]}
	for r.len() > 0 && !r.bad {
		typ, c := r.property()
		if typ == helloBitmap && c.len() >= 4 {
			out.Bitmap = c.u32()
		}
	}
	if r.bad {
		return Hello{}, malformed("hello")
	}
	return out, nil
}

// Features is what the switch says of itself (OpenFlow 1.5.1, section 7.3.1).
type Features struct {
	// DatapathID is the bridge's identity; its lower 48 bits are a MAC address.
	DatapathID   uint64
	Buffers      uint32
	Tables       uint8
	Auxiliary    uint8
	Capabilities uint32
}

// DecodeFeatures decodes a features reply.
func DecodeFeatures(msg []byte) (Features, error) {
	_, r, err := body(msg, typeFeaturesReply)
	if err != nil {
		return Features{}, err
	}
	f := Features{DatapathID: r.u64(), Buffers: r.u32(), Tables: r.u8(), Auxiliary: r.u8()}
	r.skip(2)
	f.Capabilities = r.u32()
	if r.bad {
		return Features{}, malformed("features reply")
	}
	return f, nil
}

// appendEmpty adds a message that has no body, or the body given.
func appendEmpty(b []byte, typ uint8, xid uint32, content ...byte) []byte {
	start := len(b)
	b = append(appendHeader(b, typ, xid), content...)
	setLength(b, start, 2)
	return b
}

// appendSetConfig asks for whole packets. Open vSwitch sends asynchronous
// messages to a connection on a bridge's management socket only after this.
func appendSetConfig(b []byte, xid uint32) []byte {
	return appendEmpty(b, typeSetConfig, xid, 0, 0, 0xff, 0xff)
}

// Bundle control types (OpenFlow 1.5.1, section 7.3.9.2).
const (
	bundleOpen    = 0
	bundleClose   = 2
	bundleCommit  = 4
	bundleDiscard = 6

	bundleAtomic  = 1 << 0
	bundleOrdered = 1 << 1
)

// appendBundleControl adds a control message of an atomic, ordered bundle.
func appendBundleControl(b []byte, xid, bundle uint32, typ uint16) []byte {
	start := len(b)
	b = u32(appendHeader(b, typeBundleControl, xid), bundle)
	b = u16(u16(b, typ), bundleAtomic|bundleOrdered)
	setLength(b, start, 2)
	return b
}

// appendBundleAdd adds a message that adds to a bundle the message that
// appendInner adds, which carries the same transaction id.
func appendBundleAdd(b []byte, xid, bundle uint32, appendInner func([]byte) []byte) []byte {
	start := len(b)
	b = u32(appendHeader(b, typeBundleAdd, xid), bundle)
	b = u16(u16(b, 0), bundleAtomic|bundleOrdered)
	b = appendInner(b)
	setLength(b, start, 2)
	return b
}

// Decode decodes a whole message of any kind that a switch sends: a Hello,
// *Error, Features, PortStatus, PacketIn, FlowRemoved, []FlowStat, []Group,
// []Port, []FlowUpdate or FlowMod. For a kind that has no type here it gives
// the Header.
func Decode(msg []byte) (any, error) {
	h, err := DecodeHeader(msg)
	if err != nil {
		return nil, err
	}
	switch h.Type {
	case typeHello:
		return DecodeHello(msg)
	case typeError:
		return DecodeError(msg)
	case typeFeaturesReply:
		return DecodeFeatures(msg)
	case typePortStatus:
		return DecodePortStatus(msg)
	case typeFlowRemoved:
		return DecodeFlowRemoved(msg)
	case typeExperimenter:
		return DecodePacketIn(msg)
	case typeFlowMod:
		return DecodeFlowMod(msg)
	case typeMultipartReply:
		return decodeReply(msg)
	}
	if int(h.Length) != len(msg) {
		return nil, malformed("header")
	}
	return h, nil
}

func decodeReply(msg []byte) (any, error) {
	m, err := decodeMultipart(msg)
	if err != nil {
		return nil, err
	}
	switch m.kind {
	case mpFlow:
		return DecodeFlowReply(msg, nil)
	case mpGroupDesc:
		return DecodeGroupReply(msg, nil)
	case mpPortDesc:
		return DecodePortReply(msg, nil)
	case mpFlowMonitor:
		return DecodeFlowUpdates(msg, nil)
	}
	return DecodeHeader(msg)
}
