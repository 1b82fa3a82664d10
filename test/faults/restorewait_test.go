package faults

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/agent/switches"
	"github.com/lepton-sdn/lepton/agent/wire"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

// script is a controller that says one thing.
type script struct {
	updates chan rpc.Update
	inSync  atomic.Bool
}

func (s *script) Updates() <-chan rpc.Update    { return s.updates }
func (s *script) Report(...model.PortStatus)    {}
func (s *script) Ack(int64)                     {}
func (s *script) SetProblems([]model.Problem)   {}
func (s *script) SetDevices(_ int, inSync bool) { s.inSync.Store(inSync) }

// waiter is an Open vSwitch of its own with the layer-2 loop on it.
type waiter struct {
	*testing.T
	*ovstest.Switch
	clock atomic.Int64 // how far the loop's clock is ahead, nanoseconds
	said  *script
	stop  func()
}

func newWaiter(t *testing.T) *waiter {
	w := &waiter{T: t, Switch: ovstest.Start(t)}
	w.run()
	t.Cleanup(func() { w.stop() })
	return w
}

// run starts a loop as an agent does.
func (w *waiter) run() {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	db, err := ovsdb.Dial(ctx, w.DB(), zap.NewNop())
	if err != nil {
		w.Fatal(err)
	}
	hub, err := switches.Listen(ctx, switches.Config{
		Address: "127.0.0.1:0", RunDir: w.Dir, Names: func(uint64) string { return "" }, Log: zap.NewNop(),
	})
	if err != nil {
		w.Fatal(err)
	}
	w.said = &script{updates: make(chan rpc.Update, 1)}
	loop := wire.New(wire.Config{
		Host: "hv1", Bridges: bridges.Desired{
			Integration: "br-int", Tunnel: "br-tun", DatapathType: "netdev", Controller: "tcp:127.0.0.1:1",
		},
		DB: db, Controller: w.said, Dial: hub.Dial, Metrics: wire.NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(),
		Now: func() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) },
	})
	w.said.updates <- rpc.Update{Full: true, Revision: 1, Settings: rpc.Settings{L2Population: true}}
	done := make(chan struct{}, 2)
	go func() { _ = hub.Run(ctx); done <- struct{}{} }()
	go func() { _ = loop.Run(ctx); done <- struct{}{} }()
	w.stop = func() {
		cancel()
		<-done
		<-done
		db.Close()
	}
}

// flag reads what a starting ovs-vswitchd would find.
func (w *waiter) flag() (flag, mark string) {
	w.Helper()
	get := func(column string) string {
		return strings.Trim(strings.TrimSpace(w.Vsctl("--no-wait", "--if-exists", "get", "Open_vSwitch", ".", column)), `"`)
	}
	return get("other_config:flow-restore-wait"), get("external_ids:" + ovsdb.RestoreKey)
}

func (w *waiter) await(what string, cond func() error) time.Duration {
	w.Helper()
	began := time.Now()
	for {
		err := cond()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > 15*time.Second {
			w.Fatalf("%s: %v", what, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *waiter) awaitFlag(want string) {
	w.Helper()
	w.await("flow-restore-wait is "+want, func() error {
		if flag, mark := w.flag(); flag != want || (mark != "") != (want == "true") {
			return fmt.Errorf("flow-restore-wait is %q, the mark %q", flag, mark)
		}
		return nil
	})
}

func (w *waiter) awaitFlows() {
	w.Helper()
	w.await("br-int has its flows", func() error {
		out, err := w.TryOfctl("dump-flows", "br-int")
		if err == nil && !strings.Contains(out, "cookie=0x1e") {
			err = fmt.Errorf("it has none")
		}
		return err
	})
}

func TestASwitchThatDiesIsToWaitForItsFlows(t *testing.T) {
	w := newWaiter(t)
	w.awaitFlows()
	w.await("in sync", func() error {
		if !w.said.inSync.Load() {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	w.StopDaemon()
	w.awaitFlag("true")
	w.StartDaemon()
	w.awaitFlows()
	w.awaitFlag("")

	t.Run("an agent that died after setting the flag takes it away when it is back", func(t *testing.T) {
		w.StopDaemon()
		w.awaitFlag("true")
		w.stop()
		w.StartDaemon()
		if flag, _ := w.flag(); flag != "true" {
			t.Fatal("the flag is gone without the agent")
		}
		w.run()
		w.awaitFlag("")
		w.awaitFlows()
	})
	t.Run("somebody else's flag is left for a while, and not for ever", func(t *testing.T) {
		w.Vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true")
		time.Sleep(300 * time.Millisecond)
		if flag, _ := w.flag(); flag != "true" {
			t.Fatal("ovs-ctl's flag was taken away at once")
		}
		w.clock.Store(int64(11 * time.Second))
		w.Vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:touched=1") // wakes the loop
		w.awaitFlag("")
	})
	t.Run("not where others' bridges would wait too", func(t *testing.T) {
		w.Vsctl("add-br", "br-other", "--", "set", "Bridge", "br-other", "datapath_type=netdev")
		w.StopDaemon()
		time.Sleep(500 * time.Millisecond)
		if flag, _ := w.flag(); flag != "" {
			t.Errorf("flow-restore-wait is %q beside a foreign bridge", flag)
		}
		w.StartDaemon()
		w.awaitFlows()
	})
}
