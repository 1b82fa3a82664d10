package localdhcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// listener is a server with a clock of its own, and what it sends.
type listener struct {
	*Server
	t    *testing.T
	now  time.Time
	sent []ofp.PacketOut
	fail error
}

func listen(t *testing.T, w *world) *listener {
	l := &listener{Server: w.server(), t: t, now: time.Unix(1e9, 0)}
	l.cfg.Now = func() time.Time { return l.now }
	l.Connected(func(_ context.Context, p ofp.PacketOut) error {
		l.sent = append(l.sent, p)
		return l.fail
	})
	return l
}

// pass lets time pass and gives how many advertisements went to an OpenFlow port
// meanwhile, and the last of them.
func (l *listener) pass(d time.Duration, at uint32) (n int, last []byte) {
	l.t.Helper()
	l.sent = nil
	for range int(d / time.Second) {
		l.now = l.now.Add(time.Second)
		l.announce(context.Background())
	}
	for _, p := range l.sent {
		if !checksums(p.Data) || p.Data[54] != layers.ICMPv6TypeRouterAdvertisement || !bytes.Equal(p.Data[:6], []byte{0x33, 0x33, 0, 0, 0, 1}) {
			l.t.Errorf("the guest hears %x", p.Data)
		}
		if slices.Equal(p.Actions, []flows.Action{flows.Output{Port: at}}) {
			n, last = n+1, p.Data
		}
	}
	return n, last
}

func TestGuestsAreToldWithoutAskingFromTimeToTime(t *testing.T) {
	w := newWorld()
	l := listen(t, w)
	if n, _ := l.pass(time.Hour, 7); n > 0 || len(l.sent) > 0 {
		t.Errorf("%d advertisements go to ports that are nowhere", len(l.sent))
	}
	l.Plugged(guest1, 7)
	if n, _ := l.pass(firstAnnounce+time.Second, 7); n != 1 {
		t.Errorf("a port that was plugged hears %d, want 1", n)
	}
	if n, _ := l.pass(time.Hour, 7); n < 6 || n > 18 {
		t.Errorf("in an hour it hears %d, want 6 to 18", n)
	}
	if len(l.sent) > 18 {
		t.Errorf("others hear: %v", l.sent)
	}
	l.Plugged(guest1, 8)
	if n, _ := l.pass(firstAnnounce+time.Second, 8); n != 1 {
		t.Errorf("a port that was plugged elsewhere hears %d, want 1", n)
	}
	l.Plugged(guest1, 0)
	if l.pass(time.Hour, 8); len(l.sent) > 0 {
		t.Errorf("a port that is nowhere any more hears %v", l.sent)
	}
}

func TestChangesAreToldSoon(t *testing.T) {
	w := newWorld()
	l := listen(t, w)
	l.Plugged(guest1, 7)
	l.pass(firstAnnounce+time.Second, 7)
	n := *w.network
	n.MTU = 1312
	l.Apply(&rpc.Update{Revision: 2, Settings: w.Settings, Networks: []*model.Network{&n}})
	count, frame := l.pass(changeAnnounce+time.Second, 7)
	if count != 1 || !bytes.Contains(frame, binary.BigEndian.AppendUint32([]byte{optMTU, 1, 0, 0}, 1312)) {
		t.Errorf("%d advertisements, %x", count, frame)
	}
	w.router(subnet6, "2001:db8::1")
	l.Apply(&rpc.Update{Revision: 3, Settings: w.Settings, Ports: []*model.Port{w.Ports[len(w.Ports)-1]}})
	if count, _ := l.pass(time.Hour, 7); count > 0 {
		t.Errorf("%d advertisements beside those of a router", count)
	}
}

func TestASwitchThatTakesNothingIsNotAskedForEachPort(t *testing.T) {
	w := newWorld()
	l := listen(t, w)
	l.Plugged(guest1, 7)
	l.Plugged(guest2, 8)
	l.now = l.now.Add(firstAnnounce)
	l.fail = errors.New("no")
	if l.announce(context.Background()); len(l.sent) != 1 {
		t.Errorf("tried %d times", len(l.sent))
	}
	l.fail = nil
	if n, _ := l.pass(announceMax, 7); n == 0 {
		t.Error("its turn never comes again")
	}
	l.Connected(nil)
	if l.pass(time.Hour, 7); len(l.sent) > 0 {
		t.Error("sent without a switch")
	}
}
