package ofp

import (
	"bytes"
	"net"

	"github.com/lepton-sdn/lepton/flows"
)

// Port is a port of the switch (OpenFlow 1.5.1, section 7.2.1).
type Port struct {
	No     uint32
	Name   string // at most 15 bytes; Open vSwitch cuts longer names
	HWAddr net.HardwareAddr
	Config PortConfig
	State  PortState
}

// PortConfig is what was asked of a port.
type PortConfig uint32

// The bits of PortConfig.
const (
	PortDown       PortConfig = 1 << 0
	PortNoReceive  PortConfig = 1 << 2
	PortNoForward  PortConfig = 1 << 5
	PortNoPacketIn PortConfig = 1 << 6
)

// PortState is what a port is like.
type PortState uint32

// The bits of PortState.
const (
	PortLinkDown PortState = 1 << 0
	PortBlocked  PortState = 1 << 1
	PortLive     PortState = 1 << 2
)

// PortReason says what happened to a port (OpenFlow 1.5.1, section 7.4.3).
type PortReason uint8

// The reasons of a PortStatus.
const (
	PortAdded    PortReason = 0
	PortDeleted  PortReason = 1
	PortModified PortReason = 2
)

// PortStatus tells of a port that came, went or changed.
type PortStatus struct {
	Reason PortReason
	Port   Port
}

// AppendPortRequest adds a request for the description of all ports.
func AppendPortRequest(b []byte, xid uint32) []byte {
	start := len(b)
	b = appendMultipart(b, mpPortDesc, xid)
	b = u64(b, uint64(flows.PortAny)<<32)
	setLength(b, start, 2)
	return b
}

// DecodePortReply adds the ports of one part of the answer to into.
func DecodePortReply(msg []byte, into []Port) ([]Port, error) {
	m, err := decodeMultipart(msg)
	if err != nil {
		return into, err
	}
	if m.kind != mpPortDesc {
		return into, malformed("port reply")
	}
	for m.body.len() > 0 {
		p, err := decodePort(m.body)
		if err != nil {
			return into, err
		}
		into = append(into, p)
	}
	return into, nil
}

// DecodePortStatus decodes a port status message.
func DecodePortStatus(msg []byte) (PortStatus, error) {
	_, r, err := body(msg, typePortStatus)
	if err != nil {
		return PortStatus{}, err
	}
	s := PortStatus{Reason: PortReason(r.u8())}
	r.skip(7)
	s.Port, err = decodePort(r)
	return s, err
}

// decodePort decodes one ofp_port; its properties, speeds that a virtual port
// makes up, are skipped.
func decodePort(all *reader) (Port, error) {
	head := &reader{b: all.b}
	head.skip(4)
	r := &reader{b: all.take(int(head.u16()))}
	p := Port{No: r.u32()}
	r.skip(4)
	p.HWAddr = clone(r.take(6))
	r.skip(2)
	name, _, _ := bytes.Cut(r.take(16), []byte{0})
	p.Name = string(name)
	p.Config, p.State = PortConfig(r.u32()), PortState(r.u32())
	if r.bad || head.bad || all.bad {
		return Port{}, malformed("port")
	}
	return p, nil
}
