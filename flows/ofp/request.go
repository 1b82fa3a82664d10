package ofp

import (
	"context"
	"fmt"

	"github.com/lepton-sdn/lepton/flows"
)

// request sends the message that build makes for a transaction id and waits
// for the answer, which final ends. An error message is an answer as well.
func (c *Conn) request(ctx context.Context, build func(xid uint32) []byte, final func([]byte) bool) ([][]byte, error) {
	xid := c.calls.reserve(1)
	k := c.calls.expect(xid, xid, func(h Header, msg []byte) bool { return h.Type == typeError || final(msg) })
	if err := c.send(ctx, build(xid)); err != nil {
		c.calls.forget(k)
		return nil, err
	}
	msgs, err := c.wait(ctx, k)
	if err != nil {
		return nil, err
	}
	if last := msgs[len(msgs)-1]; last[1] == typeError {
		return nil, decodedError(last)
	}
	return msgs, nil
}

// decodedError is the error that an error message tells, or says that it is
// malformed.
func decodedError(msg []byte) error {
	e, err := DecodeError(msg)
	if err != nil {
		return err
	}
	return e
}

// collect requests and joins the parts of a multipart answer.
func collect[T any](ctx context.Context, c *Conn, build func(uint32) []byte, decode func([]byte, []T) ([]T, error)) ([]T, error) {
	msgs, err := c.request(ctx, build, lastPart)
	if err != nil {
		return nil, err
	}
	var all []T
	for _, msg := range msgs {
		if all, err = decode(msg, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// DumpStats gives the flows that f chooses with their counters, complete
// however many parts the switch sends them in.
func (c *Conn) DumpStats(ctx context.Context, f Filter) ([]FlowStat, error) {
	s, err := collect(ctx, c, func(xid uint32) []byte { return AppendFlowRequest(nil, xid, f) }, DecodeFlowReply)
	if err != nil {
		return nil, fmt.Errorf("dump flows: %w", err)
	}
	return s, nil
}

// DumpFlows gives the flows that f chooses, in the switch's order. Flows that
// match fields flows has no name for are left out: they cannot be Lepton's, and
// a Rule cannot describe them. DumpStats has them.
func (c *Conn) DumpFlows(ctx context.Context, f Filter) ([]flows.Rule, error) {
	stats, err := c.DumpStats(ctx, f)
	if err != nil {
		return nil, err
	}
	rules := make([]flows.Rule, 0, len(stats))
	for _, s := range stats {
		if len(s.Unknown) == 0 {
			rules = append(rules, s.Rule)
		}
	}
	return rules, nil
}

// Groups gives all groups of the switch.
func (c *Conn) Groups(ctx context.Context) ([]Group, error) {
	g, err := collect(ctx, c, func(xid uint32) []byte { return AppendGroupRequest(nil, xid) }, DecodeGroupReply)
	if err != nil {
		return nil, fmt.Errorf("dump groups: %w", err)
	}
	return g, nil
}

// Ports gives all ports of the switch.
func (c *Conn) Ports(ctx context.Context) ([]Port, error) {
	p, err := collect(ctx, c, func(xid uint32) []byte { return AppendPortRequest(nil, xid) }, DecodePortReply)
	if err != nil {
		return nil, fmt.Errorf("list ports: %w", err)
	}
	return p, nil
}

// Monitor asks to be told of every change of the flow table, as FlowUpdates
// among the Events, and gives the flows that are there when this begins. Of
// changes that this connection makes only the transaction ids are told.
func (c *Conn) Monitor(ctx context.Context) ([]FlowUpdate, error) {
	u, err := collect(ctx, c, func(xid uint32) []byte { return appendMonitorRequest(nil, xid, xid, true) }, DecodeFlowUpdates)
	if err != nil {
		return nil, fmt.Errorf("monitor flows: %w", err)
	}
	return u, nil
}

// Watch asks to be told of every change of the flow table from now on, as Monitor
// does, without the flows that are there.
func (c *Conn) Watch(ctx context.Context) error {
	_, err := collect(ctx, c, func(xid uint32) []byte { return appendMonitorRequest(nil, xid, xid, false) }, DecodeFlowUpdates)
	if err != nil {
		return fmt.Errorf("monitor flows: %w", err)
	}
	return nil
}

// Barrier waits until the switch has done all that was sent before.
func (c *Conn) Barrier(ctx context.Context) error {
	_, err := c.request(ctx, func(xid uint32) []byte { return appendEmpty(nil, typeBarrierRequest, xid) },
		func(msg []byte) bool { return msg[1] == typeBarrierReply })
	if err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	return nil
}

// PacketOut queues a packet for the switch to send. If the switch refuses it,
// an *Error comes among the Events.
func (c *Conn) PacketOut(ctx context.Context, p PacketOut) error {
	p.XID = c.calls.reserve(1)
	b := p.Append(nil)
	if len(b) > MaxMessage {
		return fmt.Errorf("send packet of %d bytes: %w", len(p.Data), ErrTooLong)
	}
	if err := c.send(ctx, b); err != nil {
		return fmt.Errorf("send packet: %w", err)
	}
	return nil
}
