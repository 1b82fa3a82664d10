package ofp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// Subtypes of Nicira's experimenter messages that empty the connection tracker,
// and the parts of the second one (Open vSwitch's nicira-ext.h).
const (
	ctFlushZone = 29 // Open vSwitch 2.6
	ctFlush     = 32 // Open vSwitch 3.1

	ctOriginal = 0
	ctZone     = 2

	ctSource      = 0
	ctDestination = 1
)

// Connections names connections of the switch's connection tracker: those of a
// zone of which one end has the address, or, with the zero Addr, all of the
// zone. Address is an end of the packet that began the connection.
type Connections struct {
	Zone    uint16
	Address netip.Addr
	// Protocol is the IP protocol of the connections with the address; 0 means
	// TCP, UDP and SCTP. Of ICMP (1) and ICMPv6 (58) none are flushed by
	// address: Open vSwitch 3.1 does not find the former, and its userspace
	// datapath dies of the latter.
	Protocol uint8
}

// protocols are those of which connections with the address are flushed, each
// for itself: a flush of all of them would meet ICMPv6.
func (c Connections) protocols() []uint8 {
	switch c.Protocol {
	case 0:
		return []uint8{6, 17, 132}
	case 1, 58:
		return nil
	}
	return []uint8{c.Protocol}
}

// messages gives the number of messages that flush c.
func (c Connections) messages() int {
	if c.Address.IsValid() {
		return 2 * len(c.protocols())
	}
	return 1
}

// append adds the messages that flush c.
func (c Connections) append(b []byte, xid uint32) []byte {
	if !c.Address.IsValid() {
		start := len(b)
		b = appendNicira(b, xid, ctFlushZone)
		b = u16(append(b, make([]byte, 6)...), c.Zone)
		setLength(b, start, 2)
		return b
	}
	for _, protocol := range c.protocols() {
		for _, end := range []uint16{ctSource, ctDestination} {
			b = c.appendFlush(b, xid, protocol, end)
			xid++
		}
	}
	return b
}

// appendFlush adds the message that flushes the connections of a protocol of
// which one end of the first packet has the address.
func (c Connections) appendFlush(b []byte, xid uint32, protocol uint8, end uint16) []byte {
	start := len(b)
	b = appendNicira(b, xid, ctFlush)
	b = append(b, protocol, 0, 0, 0, 0, 0, 0, 0)
	address := c.Address.As16()
	b = u32(u16(u16(b, ctOriginal), 8+24), 0)
	b = append(u16(u16(b, end), 4+16), address[:]...)
	b = u32(b, 0) // to 8 bytes
	b = u16(u16(u16(u16(b, ctZone), 8), c.Zone), 0)
	setLength(b, start, 2)
	return b
}

func appendNicira(b []byte, xid, subtype uint32) []byte {
	return u32(u32(appendHeader(b, typeExperimenter, xid), nicira), subtype)
}

// FlushConnections has the connection tracker forget connections and waits
// until it has. A switch that cannot tell connections by address answers with
// an *Error; all of the list is tried nevertheless.
func (c *Conn) FlushConnections(ctx context.Context, list []Connections) error {
	n := 0
	for _, x := range list {
		n += x.messages()
	}
	if n == 0 {
		return nil
	}
	first := c.calls.reserve(n + 1)
	barrier := first + uint32(n)
	k := c.calls.expect(first, barrier, func(h Header, _ []byte) bool { return h.XID == barrier })
	var b []byte
	xid := first
	for _, x := range list {
		b = x.append(b, xid)
		xid += uint32(x.messages())
	}
	if err := c.send(ctx, appendEmpty(b, typeBarrierRequest, barrier)); err != nil {
		c.calls.forget(k)
		return fmt.Errorf("flush connections: %w", err)
	}
	msgs, err := c.wait(ctx, k)
	if err != nil {
		return fmt.Errorf("flush connections: %w", err)
	}
	var refused []error
	for _, msg := range msgs {
		if msg[1] == typeError {
			refused = append(refused, decodedError(msg))
		}
	}
	if err := errors.Join(refused...); err != nil {
		return fmt.Errorf("flush connections: %w", err)
	}
	return nil
}
