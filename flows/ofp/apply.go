package ofp

import (
	"context"
	"errors"
	"fmt"

	"github.com/lepton-sdn/lepton/flows"
)

// ErrTooLong is the error of a message over MaxMessage bytes.
var ErrTooLong = errors.New("message over 65535 bytes")

// Changes are what one bundle does, in this order: groups are put, flows
// added, flows deleted, groups deleted.
type Changes struct {
	PutGroups []Group // added, or replaced if they exist
	Add       []flows.Rule
	Delete    []flows.Rule // by table, priority, match and cookie
	// DeleteMask says which bits of a rule's cookie the flow must have that is
	// deleted; 0 means all.
	DeleteMask   uint64
	DeleteGroups []uint32
}

func (ch Changes) len() int {
	return len(ch.PutGroups) + len(ch.Add) + len(ch.Delete) + len(ch.DeleteGroups)
}

// Kind says which part of Changes something is of.
type Kind uint8

// The parts of Changes.
const (
	PutGroup Kind = iota
	AddFlow
	DeleteFlow
	DeleteGroup
)

func (k Kind) String() string {
	return [...]string{"put group", "add flow", "delete flow", "delete group"}[k&3]
}

// Refused is one change that the switch refused.
type Refused struct {
	Kind  Kind
	Index int        // in its part of Changes
	Rule  flows.Rule // for AddFlow and DeleteFlow
	Group uint32     // for PutGroup and DeleteGroup
	Err   error      // an *Error of the switch, or ErrTooLong
}

// BundleError says that a bundle was not applied, and what of it was refused.
// The switch is unchanged. Without the refused changes the bundle may be tried
// again; it may be refused again, because some errors (a group that does not
// exist, for example) Open vSwitch finds only in the commit, and then it names
// the first one alone.
type BundleError struct {
	Refused []Refused
	// Err is the switch's answer to the bundle as a whole; nil if the bundle was
	// discarded because of Refused.
	Err error
}

func (e *BundleError) Error() string {
	switch {
	case len(e.Refused) == 0:
		return fmt.Sprintf("bundle refused: %v", e.Err)
	case len(e.Refused) == 1:
		return "bundle refused: " + e.Refused[0].String()
	}
	return fmt.Sprintf("bundle refused: %s, and %d more", e.Refused[0], len(e.Refused)-1)
}

// Unwrap gives the switch's answer and its errors.
func (e *BundleError) Unwrap() []error {
	var errs []error
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	for _, r := range e.Refused {
		errs = append(errs, r.Err)
	}
	return errs
}

// String names the change and the reason.
func (r Refused) String() string {
	if r.Kind == PutGroup || r.Kind == DeleteGroup {
		return fmt.Sprintf("%s %d: %v", r.Kind, r.Group, r.Err)
	}
	return fmt.Sprintf("%s %v: %v", r.Kind, r.Rule, r.Err)
}

// Apply adds and deletes flows in one atomic bundle, adds first. A flow is
// deleted only if its cookie is the one of the rule too, so that a flow that
// something replaced meanwhile stays. See ApplyChanges.
func (c *Conn) Apply(ctx context.Context, add, del []flows.Rule) error {
	return c.ApplyChanges(ctx, Changes{Add: add, Delete: del})
}

// ApplyChanges does all of ch in one atomic bundle, or nothing. If the switch
// refuses parts the error is a *BundleError. Any other error means that the
// connection or the context ended; if it did during the commit, the changes
// may have been made all the same, and only a dump tells.
func (c *Conn) ApplyChanges(ctx context.Context, ch Changes) error {
	if ch.len() == 0 {
		return nil
	}
	b := newBundle(c, ch)
	if len(b.refused) > 0 {
		return &BundleError{Refused: b.refused}
	}
	return b.run(ctx)
}

// bundle is one bundle on its way. Its transaction ids are in a row: open, one
// for each change, close, commit, discard.
type bundle struct {
	conn    *Conn
	changes Changes
	id      uint32
	open    uint32
	closing uint32
	commit  uint32
	discard uint32
	bytes   []byte
	refused []Refused // too long to be sent
}

func newBundle(c *Conn, ch Changes) *bundle {
	n := ch.len()
	open := c.calls.reserve(n + 4)
	last := open + uint32(n)
	b := &bundle{
		conn: c, changes: ch, id: c.bundles.Add(1),
		open: open, closing: last + 1, commit: last + 2, discard: last + 3,
		bytes: make([]byte, 0, 64+192*n),
	}
	b.bytes = appendBundleControl(b.bytes, open, b.id, bundleOpen)
	b.encode()
	b.bytes = appendBundleControl(b.bytes, b.closing, b.id, bundleClose)
	return b
}

// encode adds the changes in their order.
func (b *bundle) encode() {
	i := 0
	for _, g := range b.changes.PutGroups {
		i = b.add(i, func(to []byte, xid uint32) []byte { return GroupMod{XID: xid, Command: GroupPut, Group: g}.Append(to) })
	}
	for _, r := range b.changes.Add {
		i = b.add(i, func(to []byte, xid uint32) []byte { return FlowMod{XID: xid, Command: Add, Rule: r}.Append(to) })
	}
	mask := b.changes.DeleteMask
	if mask == 0 {
		mask = ^uint64(0)
	}
	for _, r := range b.changes.Delete {
		i = b.add(i, func(to []byte, xid uint32) []byte {
			return FlowMod{XID: xid, Command: DeleteStrict, Rule: r, CookieMask: mask}.Append(to)
		})
	}
	for _, id := range b.changes.DeleteGroups {
		i = b.add(i, func(to []byte, xid uint32) []byte {
			return GroupMod{XID: xid, Command: GroupDelete, Group: Group{ID: id}}.Append(to)
		})
	}
}

// add adds the change of position i and gives the next position.
func (b *bundle) add(i int, inner func(to []byte, xid uint32) []byte) int {
	xid, start := b.open+1+uint32(i), len(b.bytes)
	b.bytes = appendBundleAdd(b.bytes, xid, b.id, func(to []byte) []byte { return inner(to, xid) })
	if len(b.bytes)-start > MaxMessage {
		b.bytes = b.bytes[:start]
		b.refused = append(b.refused, b.refusal(i, ErrTooLong))
	}
	return i + 1
}

// refusal describes the change of position i.
func (b *bundle) refusal(i int, err error) Refused {
	ch := b.changes
	switch n := len(ch.PutGroups); {
	case i < n:
		return Refused{Kind: PutGroup, Index: i, Group: ch.PutGroups[i].ID, Err: err}
	default:
		i -= n
	}
	switch n := len(ch.Add); {
	case i < n:
		return Refused{Kind: AddFlow, Index: i, Rule: ch.Add[i], Err: err}
	default:
		i -= n
	}
	switch n := len(ch.Delete); {
	case i < n:
		return Refused{Kind: DeleteFlow, Index: i, Rule: ch.Delete[i], Err: err}
	default:
		i -= n
	}
	return Refused{Kind: DeleteGroup, Index: i, Group: ch.DeleteGroups[i], Err: err}
}

// run sends the bundle, and commits it only when nothing in it was refused: in
// Open vSwitch a refused message does not spoil its bundle.
func (b *bundle) run(ctx context.Context) error {
	err := b.phase(ctx, b.bytes, b.closing)
	b.bytes = nil
	if err == nil {
		err = b.phase(ctx, appendBundleControl(nil, b.commit, b.id, bundleCommit), b.commit)
		if refused := (*BundleError)(nil); err == nil || errors.As(err, &refused) {
			return err // a bundle whose commit failed is gone already
		}
		return fmt.Errorf("commit bundle: %w", err)
	}
	b.abandon(ctx)
	if refused := (*BundleError)(nil); errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("fill bundle: %w", err)
}

// phase sends messages and waits for the answer to the one with the id last;
// errors that came for any part of the bundle make a *BundleError.
func (b *bundle) phase(ctx context.Context, messages []byte, last uint32) error {
	k := b.conn.calls.expect(b.open, last, func(h Header, _ []byte) bool { return h.XID == last })
	if err := b.conn.send(ctx, messages); err != nil {
		b.conn.calls.forget(k)
		return err
	}
	msgs, err := b.conn.wait(ctx, k)
	if err != nil {
		return err
	}
	return b.judge(msgs)
}

// judge turns the error messages among the answers into a *BundleError.
func (b *bundle) judge(msgs [][]byte) error {
	var failed BundleError
	for _, msg := range msgs {
		if msg[1] != typeError {
			continue
		}
		e, err := DecodeError(msg)
		if err != nil {
			return err
		}
		if i := e.XID - b.open - 1; e.XID > b.open && e.XID < b.closing {
			failed.Refused = append(failed.Refused, b.refusal(int(i), e))
		} else if failed.Err == nil {
			failed.Err = e
		}
	}
	if failed.Err == nil && len(failed.Refused) == 0 {
		return nil
	}
	return &failed
}

// abandon tells the switch to forget the bundle. The answer is of no interest:
// the switch forgets an idle bundle by itself after some seconds.
func (b *bundle) abandon(ctx context.Context) {
	msg := appendBundleControl(nil, b.discard, b.id, bundleDiscard)
	select {
	case b.conn.out <- msg:
	case <-b.conn.done:
	case <-ctx.Done():
		select {
		case b.conn.out <- msg:
		default:
		}
	}
}
