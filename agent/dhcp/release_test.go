package dhcp

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestTheLeaseFileIsReadAsFarAsItMakesSense(t *testing.T) {
	file := filepath.Join(t.TempDir(), "leases")
	if got, _, err := readLeases(file); err != nil || got != nil {
		t.Fatalf("no file: %v, %v", got, err)
	}
	text := "1795275657 fa:16:3e:84:47:34 10.30.0.120 web 01:fa:16:3e:84:47:34\n" +
		"0 fa:16:3e:92:74:39 10.30.0.44 * *\n" +
		"1795275657 nonsense 10.30.0.45 * *\n1795275657 fa:16:3e:92:74:39 10.30.0\n" +
		"duid 00:03:00:01:fa:16:3e:8d:c9:55\n" +
		"1795275657 1234567 2001:db8::101 * 00:01:00:01:aa\n" +
		"1795275657 T7 2001:db8::102 * 00:03:00:01:bb\n1795275657 99999999999 2001:db8::103 * 00:bb\n1795275657 fa:16"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, server, err := readLeases(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []lease{
		{IP: netip.MustParseAddr("10.30.0.120"), MAC: macA, Client: []byte{1, 0xfa, 0x16, 0x3e, 0x84, 0x47, 0x34}},
		{IP: netip.MustParseAddr("10.30.0.44"), MAC: macB},
		{IP: netip.MustParseAddr("2001:db8::101"), Client: []byte{0, 1, 0, 1, 0xaa}, IAID: 1234567},
		{IP: netip.MustParseAddr("2001:db8::102"), Client: []byte{0, 3, 0, 1, 0xbb}, IAID: 7},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Error(d)
	}
	if want := []byte{0, 3, 0, 1, 0xfa, 0x16, 0x3e, 0x8d, 0xc9, 0x55}; !slices.Equal(server, want) {
		t.Errorf("the server is %x, want %x", server, want)
	}
}

func TestWhoseAddressesWereIsReadFromTheHostsFile(t *testing.T) {
	in := isolated()
	six(&in, "dhcpv6-stateful", "")
	in.Ports[1].ExtraDHCPOpts = nil
	s := Desired(in, options())
	dir := t.TempDir()
	if _, err := s.writeFiles(dir); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s.Leases, readHosts(filepath.Join(dir, hostsName)), cmpopts.EquateComparable(netip.Addr{})); d != "" || len(s.Leases) != 4 {
		t.Errorf("of %v:\n%s", s.Leases, d)
	}
	if written, err := s.writeFiles(dir); err != nil || written != 0 {
		t.Errorf("written again: %d, %v", written, err)
	}
}

func TestAnAddressThatChangesHandsIsGivenBack(t *testing.T) {
	in := isolated()
	d := serve(t, Desired(in, options()))
	// B has had A's address before.
	old := lease{IP: netip.MustParseAddr("10.30.0.120"), MAC: macB, Client: []byte{1, 2, 3}}
	line := "2000000000 " + macB.String() + " 10.30.0.120 * 01:02:03\n"
	if err := os.WriteFile(filepath.Join(d.dir, leasesName), []byte(line), 0o644); err != nil {
		t.Fatal(err)
	}
	n, err := d.server.release(d.ns, d.dir, nil)
	if n != 1 || err != nil {
		t.Errorf("released %d, %v, want that of %v", n, err, old)
	}
	if m := d.offer(macA); m == nil || m.YourIPAddr.String() != "10.30.0.120" {
		t.Errorf("offered %v", m)
	}
}
