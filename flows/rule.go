package flows

// FieldMatch requires (packet.Field & Mask) == Value. An exact match has a mask
// of all the field's bits. Bits of Value outside Mask are zero.
type FieldMatch struct {
	Field Field
	Value Value
	Mask  Value
}

// Match is a conjunction of field matches, sorted by Field, each field at most
// once. Build it with the constructors, or call Normalize.
type Match []FieldMatch

// Flags are the flow-mod flags of OpenFlow 1.5 that Open vSwitch keeps and
// prints.
type Flags uint16

// The flags, by their OpenFlow bits (OpenFlow 1.5.1, section 7.3.4.1).
const (
	SendFlowRem  Flags = 1 << 0
	CheckOverlap Flags = 1 << 1
	ResetCounts  Flags = 1 << 2
	NoPktCounts  Flags = 1 << 3
	NoBytCounts  Flags = 1 << 4
)

// Rule is one flow: where it stands, what it matches, what it does, and whose
// it is.
type Rule struct {
	Table    uint8
	Priority uint16
	Cookie   uint64
	Match    Match
	// Actions are applied in order. GotoTable, if there is one, comes last. No
	// actions means drop.
	Actions     []Action
	IdleTimeout uint16 // seconds, 0: never
	HardTimeout uint16 // seconds, 0: never
	Flags       Flags
}

// Subfield names the bits [Start, Start+Bits) of a field, Start 0 being the
// least significant.
type Subfield struct {
	Field Field
	Start int
	Bits  int
}

// Reserved OpenFlow port numbers as used in actions (32-bit form, OpenFlow 1.1
// and later).
const (
	PortInPort     uint32 = 0xfffffff8
	PortTable      uint32 = 0xfffffff9
	PortNormal     uint32 = 0xfffffffa
	PortFlood      uint32 = 0xfffffffb
	PortAll        uint32 = 0xfffffffc
	PortController uint32 = 0xfffffffd
	PortLocal      uint32 = 0xfffffffe
	PortAny        uint32 = 0xffffffff
)

// Action is one of the action types of this package.
type Action interface{ isAction() }

// The actions. Names in comments are those of ovs-actions(7).
type (
	// Output sends the packet to a port: output:N, NORMAL, IN_PORT, LOCAL, …
	Output struct{ Port uint32 }
	// OutputReg sends the packet to the port whose number a field holds:
	// output:NXM_NX_REG5[].
	OutputReg struct {
		Src    Subfield
		MaxLen uint16
	}
	// Controller sends the packet to the controller: CONTROLLER:maxlen or
	// controller(...).
	Controller struct {
		MaxLen   uint16 // bytes of the packet to send, 65535: all
		ID       uint16
		Reason   uint8 // ReasonAction; 0 means the same
		Userdata []byte
		Pause    bool
		MeterID  uint32 // 0: none
	}
	// Resubmit looks the packet up again: resubmit(port,table) or
	// resubmit(port,table,ct). InPort 0 and PortInPort both mean unchanged;
	// Table 255 means the current one.
	Resubmit struct {
		InPort uint32
		Table  uint8
		CT     bool
	}
	// GotoTable goes on in a later table: goto_table:N.
	GotoTable struct{ Table uint8 }
	// SetField writes bits of a field: set_field:value[/mask]->field. Mask with
	// all the field's bits set means the whole field.
	SetField struct {
		Field Field
		Value Value
		Mask  Value
	}
	// Load writes bits of a field: load:value->dst (NXAST_REG_LOAD).
	Load struct {
		Dst   Subfield
		Value Value
	}
	// Move copies bits: move:src->dst.
	Move struct{ Src, Dst Subfield }
	// PushVLAN pushes a VLAN tag: push_vlan:0x8100.
	PushVLAN struct{ EtherType uint16 }
	// PopVLAN removes the outermost VLAN tag: pop_vlan (strip_vlan).
	PopVLAN struct{}
	// DecTTL decrements the IP TTL: dec_ttl.
	DecTTL struct{}
	// Group hands the packet to a group: group:N.
	Group struct{ ID uint32 }
	// Meter applies a meter: meter:N.
	Meter struct{ ID uint32 }
	// Conjunction is a clause of a conjunctive match: conjunction(id,k/n). K
	// counts from 1.
	Conjunction struct {
		ID   uint32
		K, N uint8
	}
	// CT sends the packet through the connection tracker: ct(...).
	CT struct {
		Commit bool
		Force  bool
		// Table to resume in; NoTable when the packet is only committed.
		Table uint8
		// Zone is a number, or taken from ZoneSrc when its Bits are not 0.
		Zone    uint16
		ZoneSrc Subfield
		// Exec holds the actions of exec(...), SetField or Load or Move on ct_mark and ct_label.
		Exec []Action
		NAT  *NAT
		ALG  uint16 // 21 ftp, 69 tftp, 0 none
	}
	// CTClear forgets the packet's connection-tracking state: ct_clear.
	CTClear struct{}
	// Learn installs a flow from the packet: learn(...).
	Learn struct {
		IdleTimeout, HardTimeout, Priority uint16
		Cookie                             uint64
		Flags                              uint16
		Table                              uint8
		FinIdle, FinHard                   uint16
		Limit                              uint32
		ResultDst                          Subfield // Bits 0: none
		Specs                              []LearnSpec
	}
	// Note keeps bytes that mean nothing to the switch: note:….
	Note struct{ Data []byte }
	// Raw is an action that this package does not know, kept as it came from
	// the wire, header and padding included, so that it can be shown and
	// compared.
	Raw struct{ Bytes []byte }
)

// NoTable is the table of a CT action that does not recirculate.
const NoTable = 0xff

// currentTable is the table of a Resubmit that stays in the current one.
const currentTable = 0xff

// ReasonAction is the usual reason of a packet sent to the controller,
// OFPR_ACTION. Open vSwitch uses the numbers of OpenFlow 1.4 (section 7.4.1).
const ReasonAction = 1

// The flags of a Learn action (ovs-actions(7), "learn"). That there is a
// ResultDst needs no flag here.
const (
	LearnSendFlowRem   uint16 = 1 << 0
	LearnDeleteLearned uint16 = 1 << 1
)

// NAT is the nat(...) part of a CT action.
type NAT struct {
	Src, Dst                 bool
	Persistent, Hash, Random bool
	MinIP, MaxIP             Value
	IPv6                     bool
	HasIP                    bool
	MinPort, MaxPort         uint16 // 0: none
}

// LearnKind says what a learn specification does with its destination.
type LearnKind uint8

// The kinds of learn specification.
const (
	LearnMatch  LearnKind = iota // the new flow matches Dst
	LearnLoad                    // the new flow loads into Dst
	LearnOutput                  // the new flow outputs to the port in Src
)

// LearnSpec is one part of a Learn action. The source is the field Src of the
// packet, or the constant Value of Bits bits when Src.Bits is 0.
type LearnSpec struct {
	Kind  LearnKind
	Src   Subfield
	Value Value
	Bits  int
	Dst   Subfield
}

func (Output) isAction()      {}
func (OutputReg) isAction()   {}
func (Controller) isAction()  {}
func (Resubmit) isAction()    {}
func (GotoTable) isAction()   {}
func (SetField) isAction()    {}
func (Load) isAction()        {}
func (Move) isAction()        {}
func (PushVLAN) isAction()    {}
func (PopVLAN) isAction()     {}
func (DecTTL) isAction()      {}
func (Group) isAction()       {}
func (Meter) isAction()       {}
func (Conjunction) isAction() {}
func (CT) isAction()          {}
func (CTClear) isAction()     {}
func (Learn) isAction()       {}
func (Note) isAction()        {}
func (Raw) isAction()         {}
