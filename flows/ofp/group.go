package ofp

import "github.com/lepton-sdn/lepton/flows"

// GroupType says which buckets of a group a packet goes through (OpenFlow
// 1.5.1, section 5.10).
type GroupType uint8

// The group types.
const (
	GroupAll      GroupType = 0 // every bucket
	GroupSelect   GroupType = 1 // one bucket, by hash and weight
	GroupIndirect GroupType = 2 // the only bucket
	GroupFailover GroupType = 3 // the first bucket that is alive
)

// Group is a group of the switch.
type Group struct {
	ID      uint32
	Type    GroupType
	Buckets []Bucket
	// Properties are the group's properties as they are on the wire, such as
	// the selection method of a select group; empty for none.
	Properties []byte
}

// Bucket is one bucket of a group.
type Bucket struct {
	ID     uint32
	Weight uint16 // of a select group; 0 elsewhere
	// WatchPort and WatchGroup say what a failover bucket depends on; 0 is
	// nothing.
	WatchPort, WatchGroup uint32
	Actions               []flows.Action
}

// GroupCommand says what a group-mod does (OpenFlow 1.5.1, section 7.3.4.3).
type GroupCommand uint16

// The group commands.
const (
	GroupAdd    GroupCommand = 0
	GroupModify GroupCommand = 1
	GroupDelete GroupCommand = 2
	// GroupPut adds the group or replaces it; Open vSwitch only.
	GroupPut GroupCommand = 0x8000
)

// GroupMod is an OFPT_GROUP_MOD message. To delete, only the group's ID counts.
type GroupMod struct {
	XID     uint32
	Command GroupCommand
	Group   Group
}

// Bucket property types (OpenFlow 1.5.1, section 7.3.4.3).
const (
	bucketWeight     = 0
	bucketWatchPort  = 1
	bucketWatchGroup = 2
)

// Append adds the message to b.
func (m GroupMod) Append(b []byte) []byte {
	start := len(b)
	b = appendHeader(b, typeGroupMod, m.XID)
	b = u16(b, uint16(m.Command))
	if m.Command == GroupDelete {
		b = u32(append(b, 0, 0), m.Group.ID)
		b = u32(u32(b, 0), noBucket)
		setLength(b, start, 2)
		return b
	}
	b = u32(append(b, byte(m.Group.Type), 0), m.Group.ID)
	length := len(b)
	b = u32(appendZeros(b, 4), noBucket)
	buckets := len(b)
	for _, k := range m.Group.Buckets {
		b = appendBucket(b, m.Group.Type, k)
	}
	n := len(b) - buckets
	b[length], b[length+1] = byte(n>>8), byte(n)
	b = append(b, m.Group.Properties...)
	setLength(b, start, 2)
	return b
}

func appendBucket(b []byte, typ GroupType, k Bucket) []byte {
	start := len(b)
	b = u32(appendZeros(b, 4), k.ID)
	b = appendActions(b, k.Actions)
	actions := len(b) - start - 8
	b[start+2], b[start+3] = byte(actions>>8), byte(actions)
	if typ == GroupSelect || k.Weight != 0 {
		b = appendProperty(b, bucketWeight, []byte{byte(k.Weight >> 8), byte(k.Weight), 0, 0})
	}
	if k.WatchPort != 0 {
		b = appendProperty(b, bucketWatchPort, u32(nil, k.WatchPort))
	}
	if k.WatchGroup != 0 {
		b = appendProperty(b, bucketWatchGroup, u32(nil, k.WatchGroup))
	}
	setLength(b, start, 0)
	return b
}

// AppendGroupRequest adds a request for the description of all groups.
func AppendGroupRequest(b []byte, xid uint32) []byte {
	start := len(b)
	b = u64(appendMultipart(b, mpGroupDesc, xid), uint64(groupAll)<<32)
	setLength(b, start, 2)
	return b
}

// DecodeGroupReply adds the groups of one part of the answer to into.
func DecodeGroupReply(msg []byte, into []Group) ([]Group, error) {
	m, err := decodeMultipart(msg)
	if err != nil {
		return into, err
	}
	if m.kind != mpGroupDesc {
		return into, malformed("group reply")
	}
	for m.body.len() > 0 {
		g, err := decodeGroup(m.body)
		if err != nil {
			return into, err
		}
		into = append(into, g)
	}
	return into, nil
}

// decodeGroup decodes one ofp_group_desc (OpenFlow 1.5.1, section 7.3.5.11).
func decodeGroup(all *reader) (Group, error) {
	r := &reader{b: all.take(int((&reader{b: all.b}).u16()))}
	r.skip(2)
	g := Group{Type: GroupType(r.u8())}
	r.skip(1)
	g.ID = r.u32()
	buckets := int(r.u16())
	r.skip(6)
	in := &reader{b: r.take(buckets)}
	if r.bad || all.bad {
		return g, malformed("group")
	}
	g.Properties = clone(r.b)
	for in.len() > 0 {
		k, err := decodeBucket(in)
		if err != nil {
			return g, err
		}
		g.Buckets = append(g.Buckets, k)
	}
	return g, nil
}

func decodeBucket(all *reader) (k Bucket, err error) {
	r := &reader{b: all.take(int((&reader{b: all.b}).u16()))}
	r.skip(2)
	actions := int(r.u16())
	k.ID = r.u32()
	in := &reader{b: r.take(actions)}
	if r.bad || all.bad {
		return k, malformed("bucket")
	}
	if k.Actions, err = decodeActions(in, nil); err != nil {
		return k, err
	}
	for r.len() > 0 && !r.bad {
		typ, p := r.property()
		switch typ {
		case bucketWeight:
			k.Weight = p.u16()
		case bucketWatchPort:
			k.WatchPort = p.u32()
		case bucketWatchGroup:
			k.WatchGroup = p.u32()
		}
		r.bad = r.bad || p.bad
	}
	if r.bad {
		return k, malformed("bucket")
	}
	return k, nil
}
