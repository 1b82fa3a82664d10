package ovsdb

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// DialQuick is Dial that reconnects at once.
func DialQuick(ctx context.Context, endpoint string, log *zap.Logger) (*Client, error) {
	t := defaultTiming()
	t.backoffMin, t.backoffMax = 5*time.Millisecond, 20*time.Millisecond
	return dial(ctx, endpoint, nil, log, t)
}

// DialImpatient is DialQuick that gives a server up after 300 ms of silence.
func DialImpatient(ctx context.Context, endpoint string, log *zap.Logger) (*Client, error) {
	t := defaultTiming()
	t.backoffMin, t.backoffMax = 5*time.Millisecond, 20*time.Millisecond
	t.echoEvery, t.echoWait = 150*time.Millisecond, 150*time.Millisecond
	return dial(ctx, endpoint, nil, log, t)
}

// WireOperations counts the operations that Commit would send.
func WireOperations(have State, ops ...Op) (int, error) {
	e, err := encode(have, ops)
	if err != nil {
		return 0, err
	}
	return len(e.wire), nil
}

// CommitFrom is Commit by a client that knows no more than have.
func (c *Client) CommitFrom(ctx context.Context, have State, ops ...Op) error {
	e, err := encode(have, ops)
	if err != nil {
		return err
	}
	results, err := c.transact(ctx, e.wire)
	if err != nil {
		return err
	}
	return e.judge(ops, results)
}
