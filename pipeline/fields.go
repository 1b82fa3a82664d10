package pipeline

import (
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// The registers of br-int. Registers that are not named here are free, and
// always 0.
const (
	// regFlags holds the flags below, while a packet is judged.
	regFlags = flows.Reg2
	// regPage counts the pages of a long flood list (see flood.go).
	regPage = flows.Reg3
	// regProbe is probeChecked or targetChecked while a packet is checked as if
	// its target were its sender (see identity.go).
	regProbe = flows.Reg4
	// regSource keeps the sender meanwhile: an IPv6 address.
	regSource = flows.XXReg3
	// regPort is the port that the packet came from while it leaves a guest,
	// and the port that it goes to while it enters one: the OpenFlow number.
	regPort = flows.Reg5
	// regNetwork is the network: its local VLAN. It is the conntrack zone too.
	regNetwork = flows.Reg6
	// regRemote is the remote group or remote address group whose addresses the
	// packet is compared with: its number.
	regRemote = flows.Reg7
	// regGroup is the security group whose rules the packet is compared with:
	// its number.
	regGroup = flows.Reg8
)

// The values of regProbe.
const (
	probeChecked  = 1
	targetChecked = 2
)

// The flags in regFlags (see filter.go).
const (
	// flagCrossed is set while a reply is judged by the rules of the other
	// direction, which admitted the connection.
	flagCrossed = 1 << iota
	// flagMember is set while the packet is known to come from, or to go to, an
	// address of the remote group in regRemote.
	flagMember
	// flagAdmitted is set once a rule has admitted the packet.
	flagAdmitted
	// flagConnection is set while the packet is judged by its connection. Before,
	// it is judged by its own headers, for the stateless groups.
	flagConnection
	// flagCopied is set once a log got its copy of an admitted packet.
	flagCopied
	// flagInward is set on the way into a port.
	flagInward
	// flagAnswered is set on an answer of neighbour discovery that is being made.
	flagAnswered
	// flagAsking is set on questions of guests for servers, until the port's
	// meter has counted them (see questions.go).
	flagAsking
)

// registers describes the registers for docs/pipeline.md.
var registers = []struct {
	field flows.Field
	about string
}{
	{regFlags, "flags while a packet is judged: 1 a reply, judged by the other direction's rules; 2 its address is a member of the remote group in reg7; 4 admitted; 8 judged by its connection, not by its own headers; 16 copied for a log; 32 on the way into a port; 64 an answer of neighbour discovery that is being made (table 60); 128 a question for DHCP servers or routers (table 60)"},
	{regPage, "page of a flood list longer than one flow can hold, 0 for the first"},
	{regProbe, "1 while a probe (ARP with sender 0.0.0.0, neighbour solicitation from ::), 2 while an advertisement is checked with its target in the sender's place"},
	{regPort, "port: where the packet came from while it leaves a guest, where it goes while it enters one; the OpenFlow port number on br-int"},
	{regNetwork, "network: the local VLAN, which is the conntrack zone too"},
	{regRemote, "remote group or remote address group that the packet's address is looked up in: its number, which is the first eight digits of its UUID"},
	{regGroup, "security group whose rules the packet is compared with: its number, which is the first eight digits of its UUID"},
	{regSource, "the sender of an advertisement (reg12 to reg15), while its target is in the sender's place"},
}

// Ethernet types and protocol numbers (IANA).
const (
	etherTypeIPv4 = 0x0800
	etherTypeARP  = 0x0806
	etherTypeRARP = 0x8035
	etherTypeVLAN = 0x8100
	etherTypeIPv6 = 0x86dd

	protoUDP    = model.ProtoUDP
	protoICMPv6 = model.ProtoICMPv6

	arpRequest = 1
	arpReply   = 2

	// ICMPv6 types: RFC 4861 section 4, RFC 2710 section 3, RFC 3810 section 5.
	mldQuery              = 130
	mldReport             = 131
	mldDone               = 132
	routerSolicitation    = 133
	routerAdvertisement   = 134
	neighborSolicitation  = 135
	neighborAdvertisement = 136
	mldv2Report           = 143

	// UDP ports of RFC 2131 section 4.1 and RFC 8415 section 7.2.
	dhcpServer, dhcpClient = 67, 68
	dhcpv6Client           = 546
	dhcpv6Server           = 547
)

// vlanPresent is the bit of vlan_vid that says that a tag is there.
const vlanPresent = 0x1000

// match makes a match of parts; a part with an empty mask matches everything.
func match(parts ...flows.FieldMatch) flows.Match { return flows.MustMatch(parts...) }

func inPort(n uint32) flows.FieldMatch { return flows.ExactU(flows.InPort, uint64(n)) }

func inNetwork(vlan uint16) flows.FieldMatch { return flows.ExactU(regNetwork, uint64(vlan)) }

func ofPort(n uint32) flows.FieldMatch { return flows.ExactU(regPort, uint64(n)) }

func etherType(t uint64) flows.FieldMatch { return flows.ExactU(flows.EthType, t) }

func ipProto(p uint64) flows.FieldMatch { return flows.ExactU(flows.IPProto, p) }

func from(m model.MAC) flows.FieldMatch { return flows.Exact(flows.EthSrc, macValue(m)) }

func to(m model.MAC) flows.FieldMatch { return flows.Exact(flows.EthDst, macValue(m)) }

// multicast matches broadcast and multicast frames: those with the group bit.
func multicast() flows.FieldMatch { return flows.MaskedU(flows.EthDst, groupBit, groupBit) }

// unicast matches the frames without the group bit.
func unicast() flows.FieldMatch { return flows.MaskedU(flows.EthDst, 0, groupBit) }

const groupBit = 1 << 40

// icmpv6 matches an ICMPv6 message of this type. Neighbour discovery has code 0
// (RFC 4861 section 4).
func icmpv6(typ uint64, more ...flows.FieldMatch) flows.Match {
	return match(append(more, etherType(etherTypeIPv6), ipProto(protoICMPv6), flows.ExactU(flows.ICMPv6Type, typ))...)
}

func macValue(m model.MAC) flows.Value { return flows.MAC(m[:]) }

// setReg writes a register.
func setReg(reg flows.Field, v uint64) flows.Action { return flows.SetU(reg, v) }

// move copies all of a field.
func move(src, dst flows.Field) flows.Action {
	return flows.Move{Src: flows.Whole(src), Dst: flows.Whole(dst)}
}

// tag pushes the local VLAN as tag.
func tag(vlan uint16) []flows.Action {
	return []flows.Action{flows.PushVLAN{EtherType: etherTypeVLAN}, flows.SetU(flows.VLANVID, vlanPresent|uint64(vlan))}
}

// flagged matches a flag that is set, unflagged one that is not.
func flagged(f uint64) flows.FieldMatch { return flows.MaskedU(regFlags, f, f) }

func unflagged(f uint64) flows.FieldMatch { return flows.MaskedU(regFlags, 0, f) }

// raise sets a flag, lower takes it back.
func raise(f uint64) flows.Action {
	return flows.SetMasked(regFlags, flows.U64(f), flows.U64(f))
}

func lower(f uint64) flows.Action {
	return flows.SetMasked(regFlags, flows.U64(0), flows.U64(f))
}

// ctState matches packets whose connection state has all of set and none of
// clear.
func ctState(set, clear uint64) flows.FieldMatch {
	return flows.MaskedU(flows.CTState, set, set|clear)
}

// track has the connection tracker look at the packet, in the zone of its
// network, and goes on with it in table t.
func (t *table) track() flows.Action {
	return flows.CT{Table: t.number, ZoneSrc: zone}
}

// commit has the connection tracker remember the packet's connection. Behind it
// the packet is as if it had never been tracked.
func commit() flows.Action {
	return flows.CT{Commit: true, Table: flows.NoTable, ZoneSrc: zone}
}

// zone is the conntrack zone: the network.
var zone = flows.Bits(regNetwork, 0, 15)

// send is the action that outputs to a port.
func send(n uint32) flows.Action { return flows.Output{Port: n} }
