package ofp

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/lepton-sdn/lepton/test/ovstest"
)

func TestABridgeConnectsToTheListener(t *testing.T) {
	s := ovstest.Start(t)
	l := listenWithin(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	got := make(chan uint64, 2)
	go func() {
		served <- l.Serve(ctx, func(ctx context.Context, dpid uint64, c *Conn) {
			if _, err := c.DumpFlows(ctx, AllFlows); err != nil {
				t.Errorf("dump: %v", err)
			}
			got <- dpid
			<-c.Done()
		})
	}()
	for i := range 2 {
		bridge := fmt.Sprint("br", i)
		s.AddBridge(bridge, "other_config:datapath-id="+fmt.Sprintf("%016x", 0xa0+i))
		s.Vsctl("set-controller", bridge, "tcp:"+l.Addr().String())
	}
	dpids := map[uint64]bool{}
	for range 2 {
		select {
		case id := <-got:
			dpids[id] = true
		case <-time.After(10 * time.Second):
			t.Fatal("a bridge did not connect")
		}
	}
	if !dpids[0xa0] || !dpids[0xa1] {
		t.Errorf("datapath ids are %v", dpids)
	}
	s.StopDaemon()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// listenWithin makes a listener inside the switch's network namespace.
func listenWithin(t *testing.T, s *ovstest.Switch) *Listener {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := netns.GetFromPath(s.NetnsPath())
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(err) // the thread would run other tests in the wrong namespace
		}
	}()
	l, err := Listen(t.Context(), "127.0.0.1:0", zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAMisbehavingPeerDoesNotBlockOthers(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	dpids := make(chan uint64)
	var running atomic.Int32
	go func() {
		served <- l.Serve(ctx, func(ctx context.Context, dpid uint64, _ *Conn) {
			running.Add(1)
			defer running.Add(-1)
			dpids <- dpid
			<-ctx.Done()
		})
	}()
	connect := func() net.Conn {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
	newFake(t, connect())                              // silent
	newFake(t, connect()).send([]byte("GET / HTTP\n")) // no OpenFlow
	newFake(t, connect()).send(appendHello(nil, 1))    // stops halfway
	newFake(t, connect()).nc.Close()
	for _, dpid := range []uint64{5, 6} {
		newFake(t, connect()).shake(dpid)
		select {
		case got := <-dpids:
			if got != dpid {
				t.Errorf("datapath id is %#x", got)
			}
		case <-time.After(3 * time.Second):
			t.Fatal("a good switch is not served")
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if running.Load() != 0 {
		t.Error("Serve returned before its handlers")
	}
}
