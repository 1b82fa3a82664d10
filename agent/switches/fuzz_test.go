package switches

import (
	"net/netip"
	"testing"
)

// FuzzConnections reads lists of connections, which have what guests chose in
// them. Only connections of an address that is gone may be found.
func FuzzConnections(f *testing.F) {
	for _, s := range []string{
		"icmp,orig=(src=10.0.0.1,dst=10.0.0.2,id=7,type=8,code=0),reply=(src=10.0.0.2,dst=10.0.0.1,id=7,type=0,code=0),zone=5\n",
		"47,orig=(src=10.0.0.1,dst=10.0.0.2,sport=0,dport=0),reply=(src=10.0.0.2,dst=10.0.0.1,sport=0,dport=0),zone=5\n",
		"icmpv6,orig=(src=fd00::1,dst=fd00::2,id=99999,type=128,code=0),zone=5", "tcp,orig=(", "256,orig=(src=10.0.0.1,dst=fd00::1)", "\n\n",
	} {
		f.Add(s)
	}
	a4, a6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	gone := map[netip.Addr]bool{a4: true, a6: true}
	f.Fuzz(func(t *testing.T, text string) {
		others, queries := readConnections(text, 5, gone)
		for _, c := range others {
			if !gone[c.Address] || c.Zone != 5 || c.Protocol == 1 || c.Protocol == 58 {
				t.Errorf("found %+v in %q", c, text)
			}
		}
		for _, q := range queries {
			if !gone[q.src] && !gone[q.dst] || q.src.Is4() != q.dst.Is4() {
				t.Errorf("found %+v in %q", q, text)
			}
		}
	})
}
