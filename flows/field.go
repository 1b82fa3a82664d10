package flows

// Field is a packet or metadata field that can be matched or written. The
// order of the constants is the order in which ovs-ofctl prints a match; a
// Match is sorted by it.
type Field uint8

// The fields, see ovs-fields(7).
const (
	NoField Field = iota
	PktMark
	RecircID // printed by ofproto/trace only, a flow cannot match it
	DPHash
	ConjID
	ActsetOutput
	CTState
	CTZone
	CTMark
	CTLabel
	CTNwSrc
	CTIPv6Src
	CTNwDst
	CTIPv6Dst
	CTNwProto
	CTTpSrc
	CTTpDst
	PacketType // namespace in the high, type in the low 16 bits
	EthType
	IPProto
	Reg0
	Reg1
	Reg2
	Reg3
	Reg4
	Reg5
	Reg6
	Reg7
	Reg8
	Reg9
	Reg10
	Reg11
	Reg12
	Reg13
	Reg14
	Reg15
	XReg0 // reg0 in the high, reg1 in the low half; and so on
	XReg1
	XReg2
	XReg3
	XReg4
	XReg5
	XReg6
	XReg7
	XXReg0 // reg0, the most significant, to reg3; and so on
	XXReg1
	XXReg2
	XXReg3
	TunID
	TunSrc
	TunDst
	TunIPv6Src
	TunIPv6Dst
	TunGBPID
	TunGBPFlags
	TunFlags
	Metadata
	InPort   // the 32-bit port number, OXM_OF_IN_PORT
	InPort16 // the 16-bit one of NXM, in actions only: NXM_OF_IN_PORT
	VLANTCI  // NXM: the 16 bits with the CFI/present bit, 0x1000
	VLANVID  // OXM: 13 bits, 0x1000 set when a tag is present
	VLANPCP
	EthSrc
	EthDst
	IPv6Src
	IPv6Dst
	IPv6Label
	ARPSPA
	ARPTPA
	IPv4Src
	IPv4Dst
	ARPOp
	ARPSHA
	ARPTHA
	IPTOS  // all 8 bits, in actions only: NXM_OF_IP_TOS
	IPDSCP // the 6 bits without shift
	IPECN
	IPTTL
	MPLSLabel
	MPLSTC
	MPLSTTL
	MPLSBOS
	IPFrag
	ICMPType
	ICMPCode
	ICMPv6Type
	ICMPv6Code
	NDTarget
	NDSLL
	NDTLL
	NDReserved
	NDOptionsType
	TCPSrc
	TCPDst
	UDPSrc
	UDPDst
	SCTPSrc
	SCTPDst
	TCPFlags
	numFields
)

// NumFields is one more than the highest Field, for arrays indexed by Field.
const NumFields = int(numFields)

// Info describes a field.
type Info struct {
	Name string // in a match, as ovs-ofctl prints it: dl_src, nw_dst, reg5
	// OXMName is the name in set_field: eth_src, ip_dst, reg5.
	OXMName string
	// NXMName is the name in load, move and learn: NXM_OF_ETH_SRC,
	// NXM_NX_REG5, or OXM_OF_METADATA where no NXM name exists.
	NXMName string
	// Bits is the width of a value.
	Bits int
	// Class, Number and Experimenter make the OXM header that Open vSwitch
	// uses in OpenFlow 1.5 matches, set_field and copy_field; Experimenter is 0
	// for none.
	Class        uint16
	Number       uint8
	Experimenter uint32
	// WireBytes is the length of the value on the wire.
	WireBytes int
	// NXMClass and NXMNumber are the header that Open vSwitch writes where it
	// does not follow the OpenFlow version: learn specifications above all.
	// They equal Class and Number for a field that has one code point only.
	// Length on the wire is WireBytes in both.
	NXMClass  uint16
	NXMNumber uint8
}

// The OXM classes of Open vSwitch (ovs-fields(7), "Evolution of OpenFlow
// Fields").
const (
	ClassNXMOF        uint16 = 0x0000
	ClassNXMNX        uint16 = 0x0001
	ClassERICOXM      uint16 = 0x1000
	ClassBasic        uint16 = 0x8000
	ClassPacketRegs   uint16 = 0x8001
	ClassExperimenter uint16 = 0xffff

	ExperimenterONF uint32 = 0x4f4e4600
	ExperimenterNX  uint32 = 0x00002320
)

// Info describes f. An unknown field has an empty Info.
func (f Field) Info() Info {
	if f >= numFields {
		return Info{}
	}
	return fieldTable[f]
}

// Valid reports whether f is one of the fields of this package.
func (f Field) Valid() bool { return f > NoField && f < numFields }

// String gives the field's name in a match, such as nw_dst.
func (f Field) String() string {
	if !f.Valid() {
		return "<unknown>"
	}
	return fieldTable[f].Name
}

// Full is the mask of an exact match on f.
func (f Field) Full() Value { return Ones(fieldTable[f].Bits) }

// subfieldBits is the number of bits that [] after the field's name means. It
// is the width except for vlan_vid, whose present bit no subfield reaches.
func (f Field) subfieldBits() int {
	if f == VLANVID {
		return 12
	}
	return fieldTable[f].Bits
}

// FieldByName finds a field by any of its names: the one in a match (nw_dst),
// the one in set_field (ip_dst), the NXM or OXM name in any case
// (NXM_OF_IP_DST), or an alias of ovs-fields(7). Where one name serves several
// fields (tp_src, icmp_type) the first is returned.
func FieldByName(name string) (Field, bool) {
	f, ok := fieldNames[name]
	return f, ok
}

// FieldByOXM finds a field by the code point of an OXM or NXM header. The
// experimenter counts only for ClassExperimenter.
func FieldByOXM(class uint16, number uint8, experimenter uint32) (Field, bool) {
	if class != ClassExperimenter {
		experimenter = 0
	}
	f, ok := fieldOXM[codePoint{class, number, experimenter}]
	return f, ok
}
