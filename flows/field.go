package flows

// Field is a packet or metadata field that can be matched. The order of the
// constants is the order in which ovs-ofctl's users read a match; a Match is
// sorted by it.
type Field uint8

// The fields, see ovs-fields(7).
const (
	NoField Field = iota
	ConjID
	RecircID
	CTState
	CTZone
	CTMark
	CTLabel
	EthType
	IPProto
	PktMark
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
	Metadata
	TunID
	TunSrc
	TunDst
	TunIPv6Src
	TunIPv6Dst
	TunFlags
	TunGBPID
	TunGBPFlags
	InPort
	VLANTCI // NXM: the 16 bits with the CFI/present bit, 0x1000
	VLANVID // OXM: 13 bits, 0x1000 set when a tag is present
	VLANPCP
	EthSrc
	EthDst
	IPv4Src
	IPv4Dst
	IPv6Src
	IPv6Dst
	IPv6Label
	IPDSCP // the 6 bits without shift
	IPECN
	IPTTL
	IPFrag
	ARPOp
	ARPSPA
	ARPTPA
	ARPSHA
	ARPTHA
	TCPSrc
	TCPDst
	TCPFlags
	UDPSrc
	UDPDst
	SCTPSrc
	SCTPDst
	ICMPType
	ICMPCode
	ICMPv6Type
	ICMPv6Code
	NDTarget
	NDSLL
	NDTLL
	NDReserved
	NDOptionsType
	CTNwSrc
	CTNwDst
	CTNwProto
	CTTpSrc
	CTTpDst
	CTIPv6Src
	CTIPv6Dst
	XXReg0
	XXReg1
	XXReg2
	XXReg3
	numFields
)

// Info describes a field.
type Info struct {
	Name string // in a match, as ovs-ofctl prints it: dl_src, nw_dst, reg5
	// OXMName is the name in set_field and in learn: eth_src, ip_dst, reg5.
	OXMName string
	// NXMName is the name in load, move and learn: NXM_OF_ETH_SRC, NXM_NX_REG5.
	NXMName string
	Bits    int
	// Class, Number and Experimenter make the OXM header that Open vSwitch
	// uses in OpenFlow 1.5; Experimenter is 0 for none.
	Class        uint16
	Number       uint8
	Experimenter uint32
	// WireBytes is the length of the value on the wire.
	WireBytes int
}
