package dhcp

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/model"
)

// TestAGuestThatCallsItselfOtherwiseGetsItsAddressAgain has a guest come back with
// another DUID, with and without somebody who watches.
func TestAGuestThatCallsItselfOtherwiseGetsItsAddressAgain(t *testing.T) {
	in := isolated()
	six(&in, "dhcpv6-stateful", "")
	d := serve(t, Desired(in, options()))
	// leased gives the address that the guest gets as a client of its own.
	leased := func(m model.MAC, self string) string {
		duid := &dhcpv6.DUIDOpaque{Type: 2, Data: []byte(self)}
		req, err := dhcpv6.NewSolicit(net.HardwareAddr(m[:]), dhcpv6.WithClientID(duid), dhcpv6.WithRapidCommit)
		if err != nil {
			t.Fatal(err)
		}
		if a := d.ask6(m, req); a != nil && a.Options.OneIANA() != nil && a.Options.OneIANA().Options.OneAddress() != nil {
			return a.Options.OneIANA().Options.OneAddress().IPv6Addr.String()
		}
		return ""
	}
	if a, b := leased(macA, "first"), leased(macB, "other"); a != "2001:db8::101" || b != "2001:db8::102" {
		t.Fatalf("leases %q, %q", a, b)
	}
	if got := leased(macA, "second"); got != "" {
		t.Fatalf("dnsmasq gives %s to another client: nobody need watch", got)
	}
	w := &newcomers{ns: d.ns, dir: d.dir, log: zap.NewNop(), looked: map[model.MAC]time.Time{}}
	w.server.Store(d.server)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.run(ctx) })
	defer running.Wait()
	defer cancel()
	for end := time.Now().Add(10 * time.Second); leased(macA, "second") != "2001:db8::101"; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the guest gets nothing")
		}
	}
	// The neighbour's lease is as it was, also when the guest says that it is the neighbour.
	_ = leased(macA, "other")
	leases, _, err := readLeases(d.dir + "/" + leasesName)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leases {
		if l.IP.String() == "2001:db8::102" && string(l.Client[2:]) == "other" {
			return
		}
	}
	t.Errorf("the neighbour has lost its lease: %v", leases)
}

func FuzzReadClient(f *testing.F) {
	f.Add([]byte("\x01abc\x00\x01\x00\x03\x00\x02x\x00\x03\x00\x0c\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x01abc\x00\x01\xff\xff"))
	f.Fuzz(func(t *testing.T, m []byte) {
		c, ok := readClient(m)
		if ok && (len(c.duid) == 0 || len(c.iaids) == 0 || len(c.duid)+16*len(c.iaids) > len(m)) {
			t.Errorf("%x is of %v", m, c)
		}
	})
}
