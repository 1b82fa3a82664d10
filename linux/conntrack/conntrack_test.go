package conntrack_test

import (
	"net/netip"
	"testing"

	"github.com/lepton-sdn/lepton/linux/conntrack"
	"github.com/lepton-sdn/lepton/linux/linuxtest"
)

func TestEntriesAreListedAndDeletedByWhatTheyAre(t *testing.T) {
	ns := linuxtest.Namespace(t)
	for _, args := range [][]string{
		{"-s", "10.0.0.5", "-d", "198.51.100.7", "-p", "tcp", "--sport", "1024", "--dport", "80", "--state", "ESTABLISHED", "-u", "ASSURED", "--src-nat", "203.0.113.9"},
		{"-s", "10.0.0.6", "-d", "198.51.100.7", "-p", "udp", "--sport", "1024", "--dport", "53"},
		{"-s", "fd00::5", "-d", "2001:db8::7", "-p", "udp", "--sport", "1024", "--dport", "53"},
	} {
		linuxtest.Run(t, ns, append([]string{"conntrack", "-I", "-t", "600"}, args...)...)
	}
	if n, err := conntrack.Count(ns); err != nil || n != 3 {
		t.Fatalf("counted %d, %v", n, err)
	}
	all, err := conntrack.List(ns)
	if err != nil || len(all) != 3 {
		t.Fatalf("listed %+v, %v", all, err)
	}
	floating := netip.MustParseAddr("203.0.113.9")
	n, err := conntrack.Delete(ns, conntrack.IPv4, func(e conntrack.Entry) bool { return e.Reply.Dst == floating })
	if err != nil || n != 1 {
		t.Fatalf("deleted %d, %v", n, err)
	}
	if all, err = conntrack.List(ns); err != nil || len(all) != 2 {
		t.Fatalf("left %+v, %v", all, err)
	}
	for _, e := range all {
		if e.Proto != 17 || e.Original.DstPort != 53 || e.Original.Src != e.Reply.Dst {
			t.Errorf("left %+v", e)
		}
	}
	if n, err = conntrack.Delete(ns, conntrack.IPv6, func(conntrack.Entry) bool { return true }); err != nil || n != 1 {
		t.Fatalf("deleted %d of IPv6, %v", n, err)
	}
}
