package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// ErrNoRow says that the row which an Op changes does not exist.
var ErrNoRow = errors.New("no such row")

// OpError is an Op that failed and why.
type OpError struct {
	Op  Op
	Err error
}

func (e OpError) Error() string { return e.Op.String() + ": " + e.Err.Error() }
func (e OpError) Unwrap() error { return e.Err }

// CommitError tells which Ops failed. With Applied the transaction was carried
// out, except for those whose row was gone in the meantime (ErrNoRow); without
// it nothing was changed, and a caller may go on without the failed ones.
type CommitError struct {
	Applied bool
	Failed  []OpError
}

func (e *CommitError) Error() string {
	var b strings.Builder
	for i, f := range e.Failed {
		if i > 0 {
			b.WriteString("; ")
		}
		if i == 3 && len(e.Failed) > 4 {
			fmt.Fprintf(&b, "and %d more", len(e.Failed)-i)
			break
		}
		b.WriteString(f.Error())
	}
	return b.String()
}

// Unwrap gives the errors of the Ops.
func (e *CommitError) Unwrap() []error {
	out := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		out[i] = f
	}
	return out
}

// DatabaseError is the error of one operation (RFC 7047, section 3.1): the
// code, such as "constraint violation", and the server's explanation, which
// names the row.
type DatabaseError struct{ Code, Details string }

func (e *DatabaseError) Error() string {
	if e.Details == "" {
		return e.Code
	}
	return e.Code + ": " + e.Details
}

// Commit carries out ops as one transaction: all or nothing. What the copy
// shows to be so already is not sent, and if nothing is left nothing is sent
// at all. When Commit returns nil the copy contains the change. Without a
// deadline in ctx it waits ten seconds.
//
// Errors are ErrNotConnected, a *CommitError, or the context's.
func (c *Client) Commit(ctx context.Context, ops ...Op) error {
	_, err := c.commit(ctx, ops, false)
	return err
}

// CommitAndWait is Commit, and waits until ovs-vswitchd has realised the
// change, as ovs-vsctl does. It waits too when there was nothing to send.
func (c *Client) CommitAndWait(ctx context.Context, ops ...Op) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timing.transact)
		defer cancel()
	}
	want, err := c.commit(ctx, ops, true)
	if err != nil {
		return err
	}
	for {
		root, connected, moved := c.copy.config()
		if root.CurCfg >= want {
			return nil
		}
		if !connected {
			return fmt.Errorf("wait for ovs-vswitchd: %w", ErrNotConnected)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("wait for ovs-vswitchd to realise configuration %d: %w", want, ctx.Err())
		}
	}
}

// commit gives, with wait, the number of the configuration that contains the
// change.
func (c *Client) commit(ctx context.Context, ops []Op, wait bool) (int, error) {
	have := c.copy.state()
	if !have.Connected {
		return 0, ErrNotConnected
	}
	e, err := encode(have, ops)
	if err != nil {
		return 0, err
	}
	if len(e.wire) == 0 && !wait {
		return 0, nil
	}
	if wait {
		e.wire = append(e.wire, wire.Operation{
			Op: wire.OperationMutate, Table: "Open_vSwitch", Where: byUUID(have.OpenVSwitch.UUID),
			Mutations: []wire.Mutation{{Column: "next_cfg", Mutator: wire.MutateOperationAdd, Value: 1}},
		}, wire.Operation{
			Op: wire.OperationSelect, Table: "Open_vSwitch", Where: byUUID(have.OpenVSwitch.UUID),
			Columns: []string{"next_cfg"},
		})
	}
	results, err := c.transact(ctx, e.wire)
	if err != nil {
		return 0, err
	}
	if err := e.judge(ops, results); err != nil {
		return 0, err
	}
	if !wait {
		return 0, nil
	}
	row := rowReader{}
	if rows := results[len(e.wire)-1].Rows; len(rows) == 1 {
		row.row = rows[0]
	}
	return row.integer("next_cfg", 0), row.err
}

// opResult is the result of one operation (RFC 7047, section 5.2).
type opResult struct {
	Count          int
	Error, Details string
	Rows           []map[string]any
}

// transact sends operations and gives a result for each. It fails when the
// answer is not one.
func (c *Client) transact(ctx context.Context, ops []wire.Operation) ([]opResult, error) {
	answer, err := c.call(ctx, "transact", wire.NewTransactArgs(database, ops...))
	if err != nil {
		return nil, err
	}
	list, ok := answer.([]any)
	if !ok {
		return nil, fmt.Errorf("decode answer to transact: %T is no array", answer)
	}
	out := make([]opResult, len(list))
	failed := false
	for i, v := range list {
		if out[i], err = decodeResult(v); err != nil {
			return nil, fmt.Errorf("decode answer to transact, operation %d: %w", i, err)
		}
		failed = failed || out[i].Error != ""
	}
	if len(out) < len(ops) && !failed {
		return nil, fmt.Errorf("decode answer to transact: %d results for %d operations", len(out), len(ops))
	}
	return out, nil
}

// decodeResult reads the result of one operation. After a failed operation the
// others are null; an error of the whole transaction comes after all of them.
func decodeResult(v any) (opResult, error) {
	if v == nil {
		return opResult{}, nil
	}
	object, ok := v.(map[string]any)
	if !ok {
		return opResult{}, fmt.Errorf("%T is no object", v)
	}
	r := rowReader{row: object}
	out := opResult{Count: r.integer("count", 0), Error: r.str("error"), Details: r.str("details")}
	rows, _ := object["rows"].([]any)
	for _, v := range rows {
		row, ok := v.(map[string]any)
		if !ok {
			return opResult{}, fmt.Errorf("%T is no row", v)
		}
		out.Rows = append(out.Rows, row)
	}
	return out, r.err
}

// judge finds the Ops that failed.
func (e *encoder) judge(ops []Op, results []opResult) error {
	for i, r := range results {
		if r.Error == "" {
			continue
		}
		err := error(&DatabaseError{Code: r.Error, Details: r.Details})
		op := e.culprit(ops, i, r.Details)
		if i < len(e.wire) && e.wire[i].Op == wire.OperationWait {
			err = fmt.Errorf("bridge %v: %w", e.wire[i].Where[0].Value, ErrNoRow)
		}
		return &CommitError{Failed: []OpError{{Op: op, Err: err}}}
	}
	failed := &CommitError{Applied: true}
	seen := map[int]bool{}
	for _, i := range e.must {
		if results[i].Count == 0 && !seen[e.owner[i]] {
			seen[e.owner[i]] = true
			failed.Failed = append(failed.Failed, OpError{Op: ops[e.owner[i]], Err: ErrNoRow})
		}
	}
	if len(failed.Failed) > 0 {
		return failed
	}
	return nil
}

// culprit gives the Op whose operation failed. An error of the whole
// transaction has no index; the server's text then names the row, in
// parentheses or quotes.
func (e *encoder) culprit(ops []Op, index int, details string) Op {
	if index < len(e.owner) {
		return ops[e.owner[index]]
	}
	named := func(op Op) bool {
		switch o := op.(type) {
		case EnsurePort:
			return mentions(details, o.Name)
		case EnsureBridge:
			return mentions(details, o.Name)
		}
		return false
	}
	if i := slices.IndexFunc(ops, named); i >= 0 {
		return ops[i]
	}
	return transaction(len(ops))
}

func mentions(details, name string) bool {
	return strings.Contains(details, "("+name+")") || strings.Contains(details, `"`+name+`"`)
}

// transaction stands for all Ops of a transaction in an error.
type transaction int

func (t transaction) String() string        { return fmt.Sprintf("transaction of %d changes", int(t)) }
func (t transaction) encode(*encoder) error { return nil }

// PortsOf gives the names of a bridge's ports, its local port included. It
// asks the database, once: the ports of bridges are not watched.
func (c *Client) PortsOf(ctx context.Context, bridge string) (map[string]bool, error) {
	members, err := c.members(ctx, byName(bridge))
	if err != nil {
		return nil, fmt.Errorf("ports of bridge %s: %w", bridge, err)
	}
	ports, ok := members[bridge]
	if !ok {
		return nil, fmt.Errorf("ports of bridge %s: %w", bridge, ErrNoRow)
	}
	out := make(map[string]bool, len(ports))
	for _, name := range ports {
		out[name] = true
	}
	return out, nil
}

// StateWithPorts is State with BridgePorts, for which it asks the database.
func (c *Client) StateWithPorts(ctx context.Context) (State, error) {
	members, err := c.members(ctx, []wire.Condition{{Column: "name", Function: wire.ConditionNotEqual, Value: ""}})
	if err != nil {
		return State{}, fmt.Errorf("ports of all bridges: %w", err)
	}
	s := c.copy.state()
	s.BridgePorts = members
	return s, nil
}

// members asks for the ports of bridges.
func (c *Client) members(ctx context.Context, where []wire.Condition) (map[string][]string, error) {
	results, err := c.transact(ctx, []wire.Operation{
		{Op: wire.OperationSelect, Table: "Bridge", Where: where, Columns: []string{"name", "ports"}},
		// The copy may be older than the answer: names of ports come with it.
		{Op: wire.OperationSelect, Table: "Port", Columns: []string{"_uuid", "name"}},
	})
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, r := range results {
		if r.Error != "" {
			return nil, &DatabaseError{Code: r.Error, Details: r.Details}
		}
	}
	for _, row := range results[1].Rows {
		r := rowReader{row: row}
		if ids := r.uuids("_uuid"); len(ids) == 1 {
			names[ids[0]] = r.str("name")
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	out := map[string][]string{}
	for _, row := range results[0].Rows {
		r := rowReader{row: row}
		bridge := r.str("name")
		ports := []string{}
		for _, id := range r.uuids("ports") {
			if name, ok := names[id]; ok {
				ports = append(ports, name)
			}
		}
		if r.err != nil {
			return nil, r.err
		}
		slices.Sort(ports)
		out[bridge] = ports
	}
	return out, nil
}
