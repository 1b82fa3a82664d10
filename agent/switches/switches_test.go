package switches_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/switches"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

func TestABridgeIsReachedByItsManagementSocket(t *testing.T) {
	sw := ovstest.Start(t)
	sw.AddBridge("br0")
	hub, err := switches.Listen(t.Context(), switches.Config{
		Address: "127.0.0.1:0", RunDir: sw.Dir, Log: zap.NewNop(),
		Names: func(uint64) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := hub.Dial(ctx, "br0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ours := flows.Rule{Priority: 7, Cookie: pipeline.Cookie(pipeline.FeatureBase, ""), Actions: []flows.Action{flows.Output{Port: flows.PortNormal}}}
	if err := c.Apply(ctx, []flows.Rule{ours}, nil); err != nil {
		t.Fatal(err)
	}
	sw.Ofctl("add-flow", "br0", "cookie=0x1,priority=9,actions=drop")
	got, err := c.Flows(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Priority != 7 {
		t.Fatalf("flows of ours: %v", got)
	}
}

func TestABridgeWithoutASocketIsWaitedForAndNamed(t *testing.T) {
	dir := t.TempDir()
	hub, err := switches.Listen(t.Context(), switches.Config{
		Address: "127.0.0.1:0", RunDir: filepath.Join(dir, "none"), Log: zap.NewNop(),
		Names: func(uint64) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := hub.Dial(ctx, "br0"); err == nil || !strings.Contains(err.Error(), "br0") {
		t.Fatalf("error %v does not name the bridge", err)
	}
}

// pretend connects as a switch and shakes hands; the answer is closed when the
// other end has closed the connection.
func pretend(t *testing.T, address string, dpid uint64) <-chan struct{} {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	hello := []byte{6, 0, 0, 8, 0, 0, 0, 1}
	features := binary.BigEndian.AppendUint64([]byte{6, 6, 0, 32, 0, 0, 0, 0}, dpid)
	features = append(features, make([]byte, 16)...)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = nc.Write(hello) // what fails shows in the reading
		head := make([]byte, 8)
		for {
			if _, err := io.ReadFull(nc, head); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint16(head[2:]))-8); err != nil {
				return
			}
			if head[1] == 5 { // asks for the features
				copy(features[4:], head[4:8])
				_, _ = nc.Write(features)
			}
		}
	}()
	return gone
}

func TestWhoPretendsToBeSwitchesIsBounded(t *testing.T) {
	address := "127.0.0.1:" + strconv.Itoa(freePort(t))
	hub, err := switches.Listen(t.Context(), switches.Config{
		Address: address, RunDir: t.TempDir(), Log: zap.NewNop(), Names: func(uint64) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	var all []<-chan struct{}
	for n := range uint64(100) {
		all = append(all, pretend(t, address, n+1))
	}
	open := func() (n int) {
		for _, gone := range all {
			select {
			case <-gone:
			default:
				n++
			}
		}
		return n
	}
	const most = 64
	await := func(what string, ready func() bool) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); !ready(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d of %d connections are open", what, open(), len(all))
			}
		}
	}
	await("those beyond the bound are closed", func() bool { return open() == most })
	for range 20 { // the same one, again and again: any of those that are there
		for n, gone := range all {
			select {
			case <-gone:
				continue
			default:
			}
			all = append(all, pretend(t, address, uint64(n)+1))
			await("the connection before is closed", func() bool {
				select {
				case <-gone:
					return true
				default:
					return false
				}
			})
			all[n] = all[len(all)-1]
			all = all[:len(all)-1]
			break
		}
	}
	if n := open(); n != most {
		t.Errorf("%d connections are open, want %d", n, most)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
