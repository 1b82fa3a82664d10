package lab

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

func TestStreamCountsWhatArrives(t *testing.T) {
	needRoot(t)
	a, b := unique("labt5a"), unique("labt5b")
	for _, ns := range []string{a, b} {
		if err := createNetns(ns, "m", guestSysctls()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := deleteNetns(ns, "m"); err != nil {
				t.Error(err)
			}
		})
	}
	if err := createVeth(end{netns: a, name: "eth0", up: true}, end{netns: b, name: "eth0", mac: net.HardwareAddr{2, 0, 0, 0, 0, 2}, up: true}, 1500); err != nil {
		t.Fatal(err)
	}
	for ns, addr := range map[string]string{a: "192.0.2.1/24", b: "192.0.2.2/24"} {
		if err := withLinks(ns, func(h *links) error { return h.addAddress("eth0", netip.MustParsePrefix(addr)) }); err != nil {
			t.Fatal(err)
		}
	}
	// Without it, the sender asks for the address in vain while the link is down,
	// and only once a second.
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 2}
	err := withLinks(a, func(h *links) error {
		l, err := h.LinkByName("eth0")
		if err != nil {
			return err
		}
		return h.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: net.IPv4(192, 0, 2, 2), HardwareAddr: mac, State: netlink.NUD_PERMANENT})
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := StartStream(t.Context(), Flow{
		From: &Place{Name: "a", Namespace: a}, To: &Place{Name: "b", Namespace: b},
		Address: netip.MustParseAddrPort("192.0.2.2:5001"),
	})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	// The link is down for a while: what is sent then is lost.
	err = withLinks(b, func(h *links) error {
		l, err := h.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := h.LinkSetDown(l); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
		return h.LinkSetUp(l)
	})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	r, err := s.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if r.Received < 100 || r.Lost() < 20 || r.LongestGap < 80*time.Millisecond || r.Duplicates > 0 {
		t.Fatalf("%+v, lost %d", r, r.Lost())
	}
}
