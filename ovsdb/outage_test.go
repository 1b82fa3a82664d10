package ovsdb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/ovsdb/ovsdbtest"
)

func TestAfterAReconnectTheCopyIsCompleteAndFullIsSignalled(t *testing.T) {
	srv := ovsdbtest.Start(t)
	c := connect(t, srv.Endpoint())
	commit(t, c, brInt(), tap(1), tap(2))
	c.TakeDirty()
	srv.Stop()
	eventually(t, "the loss is noticed", func() bool { return !c.Connected() })
	if s := c.State(); s.Connected || len(s.Ports) != 3 {
		t.Errorf("while away the copy is %+v", s)
	}
	if err := c.Commit(testContext(t), tap(3)); !errors.Is(err, ovsdb.ErrNotConnected) {
		t.Errorf("commit without a connection: %v", err)
	}
	if _, err := c.PortsOf(testContext(t), "br-int"); !errors.Is(err, ovsdb.ErrNotConnected) {
		t.Errorf("ports of a bridge without a connection: %v", err)
	}
	srv.Resume()
	other := connect(t, srv.Endpoint())
	commit(t, other, ovsdb.DeletePort{Name: "tap0001"}, tap(4))
	eventually(t, "Full", func() bool { return c.TakeDirty().Full })
	eventually(t, "the change made while away", func() bool {
		_, gone := c.Port("tap0001")
		_, fresh := c.Port("tap0004")
		return !gone && fresh && c.Connected()
	})
	commit(t, c, tap(5))
}

func TestAHangingServerIsNoticed(t *testing.T) {
	srv := ovsdbtest.Start(t)
	c, err := ovsdb.DialImpatient(testContext(t), srv.Endpoint(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	srv.Freeze()
	began := time.Now()
	errs := make(chan error, 1)
	go func() { errs <- c.Commit(context.Background(), tap(1)) }()
	eventually(t, "the hang is noticed", func() bool { return !c.Connected() })
	// A machine under load stands still for a second or two.
	if d := time.Since(began); d > 4*time.Second {
		t.Errorf("noticed after %v, want about 300 ms", d)
	}
	if err := <-errs; !errors.Is(err, ovsdb.ErrNotConnected) {
		t.Errorf("a commit under way ended with %v", err)
	}
	srv.Resume()
	eventually(t, "the connection is back", func() bool {
		return c.Connected() && c.Commit(testContext(t), brInt(), tap(2)) == nil
	})
}

func TestCommitEndsWithItsContext(t *testing.T) {
	srv := ovsdbtest.Start(t)
	c, err := ovsdb.Dial(testContext(t), srv.Endpoint(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	srv.Freeze()
	defer srv.Resume()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Commit(ctx, brInt()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

func TestTheDefaultPatienceNoticesADeadServerWithinTenSeconds(t *testing.T) {
	srv := ovsdbtest.Start(t)
	c, err := ovsdb.Dial(testContext(t), srv.Endpoint(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	srv.Freeze()
	defer srv.Resume()
	began := time.Now()
	for c.Connected() && time.Since(began) < 20*time.Second {
		time.Sleep(5 * time.Millisecond)
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Fatalf("noticed after %v", d)
	}
}

func TestCloseEndsEverythingWhileTheServerIsAway(t *testing.T) {
	srv := ovsdbtest.Start(t)
	c, err := ovsdb.DialQuick(testContext(t), srv.Endpoint(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	done := make(chan struct{})
	go func() { c.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		t.Fatal("Close does not return")
	}
	if err := c.Commit(testContext(t), brInt()); !errors.Is(err, ovsdb.ErrNotConnected) {
		t.Errorf("commit after Close: %v", err)
	}
}
