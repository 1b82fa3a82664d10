package internalport_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/internalport"
	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

// bench is a switch with a bridge and a port on it.
type bench struct {
	*testing.T
	sw   *ovstest.Switch
	db   *ovsdb.Client
	from string // where the switch makes its links
	port ovsdb.EnsurePort
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, sw: ovstest.Start(t), from: linuxtest.Name(t)}
	pid := strings.Split(b.sw.NetnsPath(), "/")[2]
	if out, err := linuxtest.Local("ip", "netns", "attach", b.from, pid); err != nil {
		t.Fatalf("attach: %v: %s", err, out)
	}
	linuxtest.Run(t, b.from, "ip", "link", "set", "lo", "alias", linuxtest.Owner)
	b.sw.AddBridge("br-int")
	db, err := ovsdb.Dial(context.Background(), b.sw.DB(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b.db = db
	b.port = ovsdb.EnsurePort{Bridge: "br-int", Name: "qr-0", Type: "internal", ExternalIDs: map[string]string{"lepton-router": "r"}}
	b.commit()
	return b
}

func (b *bench) commit() {
	b.Helper()
	if err := b.db.Commit(b.Context(), b.port); err != nil {
		b.Fatal(err)
	}
}

// fetch demands that the link comes into the namespace, and says how long it took.
func (b *bench) fetch(to string) time.Duration {
	b.Helper()
	began := time.Now()
	if moved, err := internalport.Fetch(b.Context(), b.db, b.port, b.from, to); err != nil || !moved {
		b.Fatalf("moved %v, %v", moved, err)
	}
	if inside, err := netns.HasLink(to, b.port.Name); err != nil || !inside {
		b.Fatalf("link inside: %v, %v", inside, err)
	}
	return time.Since(began)
}

func (b *bench) space(name string) {
	b.Helper()
	if _, err := netns.Ensure(name, linuxtest.Owner); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = netns.Delete(name, linuxtest.Owner) })
}

func TestALinkThatWentWithItsNamespaceIsMadeAnew(t *testing.T) {
	b := newBench(t)
	to := linuxtest.Name(t)
	b.space(to)
	b.fetch(to)
	if err := netns.Delete(to, linuxtest.Owner); err != nil {
		t.Fatal(err)
	}
	b.space(to)
	if took := b.fetch(to); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// A router that goes and comes back in a moment has the same ports: the switch
// may not have looked between.
func TestAPortThatWasDroppedHasNoLinkLeft(t *testing.T) {
	b := newBench(t)
	to := linuxtest.Name(t)
	for range 20 {
		b.space(to)
		if took := b.fetch(to); took > time.Second {
			t.Errorf("it took %s: the switch still had the last one", took)
		}
		if err := internalport.Drop(t.Context(), b.db, ovsdb.DeletePort{Bridge: "br-int", Name: b.port.Name}); err != nil {
			t.Fatal(err)
		}
		if inside, err := netns.HasLink(to, b.port.Name); err != nil || inside {
			t.Fatalf("after the port was dropped its link is there: %v, %v", inside, err)
		}
		if err := netns.Delete(to, linuxtest.Owner); err != nil {
			t.Fatal(err)
		}
		b.commit()
	}
}

func TestASwitchThatDoesNotRunHoldsNoRemovalUp(t *testing.T) {
	b := newBench(t)
	b.sw.StopDaemon()
	began := time.Now()
	if err := internalport.Drop(t.Context(), b.db, ovsdb.DeletePort{Bridge: "br-int", Name: b.port.Name}); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestALinkThatTheSwitchCannotMakeHasItsReason(t *testing.T) {
	b := newBench(t)
	to := linuxtest.Name(t)
	b.space(to)
	b.port.Name, b.port.Type = "qr-1", "nonesuch"
	b.commit()
	_, err := internalport.Fetch(t.Context(), b.db, b.port, b.from, to)
	if !errors.Is(err, netns.ErrNotMade) || !strings.Contains(err.Error(), "could not") {
		t.Errorf("%v", err)
	}
}
