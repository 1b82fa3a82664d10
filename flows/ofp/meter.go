package ofp

import (
	"context"
	"errors"
	"fmt"
)

// Meter limits packets: what comes beyond Rate packets a second, after Burst
// packets at once, is dropped (OpenFlow 1.5.1, section 5.11). ID is 1 or more.
type Meter struct {
	ID, Rate, Burst uint32
}

// Meter commands, flags and band types (OpenFlow 1.5.1, section 7.3.4.5).
const (
	meterAdd    = 0
	meterModify = 1

	meterPackets = 1 << 1
	meterBurst   = 1 << 2
	meterStats   = 1 << 3

	meterDrop = 1
)

// append adds the message that makes or changes the meter.
func (m Meter) append(b []byte, xid uint32, command uint16) []byte {
	start := len(b)
	b = appendHeader(b, typeMeterMod, xid)
	b = u32(u16(u16(b, command), meterPackets|meterBurst|meterStats), m.ID)
	b = u32(u32(u32(u16(u16(b, meterDrop), 16), m.Rate), m.Burst), 0)
	setLength(b, start, 2)
	return b
}

// meterAll stands for every meter in a request.
const meterAll = 0xffffffff

// Meters gives the meters of the switch that limit packets as Meter says; others
// with their ID only. A switch that has no meters gives none, or an *Error.
func (c *Conn) Meters(ctx context.Context) ([]Meter, error) {
	list, err := collect(ctx, c, appendMeterRequest, decodeMeterReply)
	if err != nil {
		return nil, fmt.Errorf("dump meters: %w", err)
	}
	return list, nil
}

func appendMeterRequest(xid uint32) []byte {
	b := u32(u32(appendMultipart(nil, mpMeterDesc, xid), meterAll), 0)
	setLength(b, 0, 2)
	return b
}

// decodeMeterReply adds the meters of one part (OpenFlow 1.5.1, section
// 7.3.5.15).
func decodeMeterReply(msg []byte, into []Meter) ([]Meter, error) {
	m, err := decodeMultipart(msg)
	if err != nil {
		return into, err
	}
	if m.kind != mpMeterDesc {
		return into, malformed("meter reply")
	}
	for m.body.len() > 0 {
		r := &reader{b: m.body.take(int((&reader{b: m.body.b}).u16()))}
		r.skip(2)
		flags, d := r.u16(), Meter{ID: r.u32()}
		kind, size := r.u16(), r.u16()
		rate, burst := r.u32(), r.u32()
		r.skip(4)
		if !r.bad && flags == meterPackets|meterBurst|meterStats && kind == meterDrop && size == 16 && r.len() == 0 {
			d.Rate, d.Burst = rate, burst
		}
		if m.body.bad || d.ID == 0 {
			return into, malformed("meter")
		}
		into = append(into, d)
	}
	return into, nil
}

// PutMeter makes the meter, or changes the one with its ID; flows that use it
// stay. A switch that has no meters, or no more, answers with an *Error.
func (c *Conn) PutMeter(ctx context.Context, m Meter) error {
	err := c.meterMod(ctx, m, meterModify)
	if refused := (*Error)(nil); errors.As(err, &refused) && refused.Type == 12 && refused.Code == 3 { // OFPMMFC_UNKNOWN_METER
		err = c.meterMod(ctx, m, meterAdd)
	}
	if err != nil {
		return fmt.Errorf("put meter %d: %w", m.ID, err)
	}
	return nil
}

// meterMod sends one message and waits until the switch has done it.
func (c *Conn) meterMod(ctx context.Context, m Meter, command uint16) error {
	first := c.calls.reserve(2)
	barrier := first + 1
	k := c.calls.expect(first, barrier, func(h Header, _ []byte) bool { return h.XID == barrier })
	if err := c.send(ctx, appendEmpty(m.append(nil, first, command), typeBarrierRequest, barrier)); err != nil {
		c.calls.forget(k)
		return err
	}
	msgs, err := c.wait(ctx, k)
	if err != nil {
		return err
	}
	for _, msg := range msgs {
		if msg[1] == typeError {
			return decodedError(msg)
		}
	}
	return nil
}
