package links_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/linuxtest"
)

func pfx(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func mac(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

func via(dst string, hops ...string) links.Route {
	r := links.Route{Dst: netip.MustParsePrefix(dst)}
	for _, h := range hops {
		addr, link, _ := strings.Cut(h, "@")
		hop := links.NextHop{Link: link}
		if addr != "" {
			hop.Via = netip.MustParseAddr(addr)
		}
		r.NextHops = append(r.NextHops, hop)
	}
	return r
}

// pair makes a namespace with the links in and out.
func pair(t *testing.T) string {
	ns, far := linuxtest.Namespace(t), linuxtest.Namespace(t)
	linuxtest.Run(t, ns, "ip", "link", "add", "in", "type", "veth", "peer", "name", "i", "netns", "/run/netns/"+far)
	linuxtest.Run(t, ns, "ip", "link", "add", "out", "type", "veth", "peer", "name", "o", "netns", "/run/netns/"+far)
	linuxtest.Run(t, far, "ip", "link", "set", "i", "up")
	linuxtest.Run(t, far, "ip", "link", "set", "o", "up")
	return ns
}

func config() links.Config {
	return links.Config{
		Links: []links.Link{
			{Name: "in", MAC: mac("fa:16:3e:00:00:01"), MTU: 1450, Addresses: pfx("10.0.0.1/24", "fd00::1/64")},
			{Name: "out", MAC: mac("fa:16:3e:00:00:02"), MTU: 1500, Addresses: pfx("203.0.113.5/24", "203.0.113.9/32", "2001:db8::5/64")},
		},
		Routes: []links.Route{
			via("0.0.0.0/0", "203.0.113.1@out"),
			via("::/0", "2001:db8::1@out"),
			via("192.0.2.0/24", "10.0.0.8@in", "10.0.0.7@in"),
			via("fd01::/64", "fd00::8@in", "fd00::7@in"),
			via("198.51.100.0/24", "@in"),
		},
		Neighbours: []links.Neighbour{{Link: "in", IP: netip.MustParseAddr("10.0.0.44"), MAC: mac("fa:16:3e:00:00:44")}},
	}
}

func apply(t *testing.T, ns string, want links.Config) string {
	t.Helper()
	done, err := links.Apply(ns, want)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(done)
}

func TestANamespaceBecomesWhatIsDesiredAndIsThenLeftAlone(t *testing.T) {
	ns := pair(t)
	apply(t, ns, config())
	if again := apply(t, ns, config()); again != "[]" {
		t.Fatalf("changed again: %s", again)
	}
	for cmd, parts := range map[string][]string{
		"ip addr": {"mtu 1450", "fa:16:3e:00:00:01", "inet 203.0.113.9/32", "inet6 fd00::1/64"},
		"ip route": {
			"default via 203.0.113.1 dev out proto static",
			"nexthop via 10.0.0.7 dev in", "nexthop via 10.0.0.8 dev in", "198.51.100.0/24 dev in proto static scope link",
		},
		"ip -6 route": {"default via 2001:db8::1 dev out proto static", "nexthop via fd00::7 dev in"},
		"ip neigh":    {"10.0.0.44 dev in lladdr fa:16:3e:00:00:44 PERMANENT"},
	} {
		out := linuxtest.Run(t, ns, strings.Fields(cmd)...)
		for _, part := range parts {
			if !strings.Contains(out, part) {
				t.Errorf("%s does not show %q:\n%s", cmd, part, out)
			}
		}
	}
}

func TestOnlyTheDifferenceIsWritten(t *testing.T) {
	ns := pair(t)
	apply(t, ns, config())
	want := config()
	want.Links[1].Addresses = pfx("203.0.113.6/24", "203.0.113.10/32", "2001:db8::5/64")
	want.Routes[2] = via("192.0.2.0/24", "10.0.0.7@in")
	want.Routes[3] = via("fd01::/64", "fd00::9@in", "fd00::7@in")
	want.Routes = want.Routes[:4]
	want.Neighbours = nil
	done := apply(t, ns, want)
	for _, part := range []string{
		"address add 203.0.113.10/32 dev out", "address del 203.0.113.9/32 dev out", "route del 198.51.100.0/24 dev in",
		"route replace 192.0.2.0/24 via 10.0.0.7 dev in", "route replace fd01::/64 nexthop via fd00::7 dev in nexthop via fd00::9 dev in", "neighbour del",
	} {
		if !strings.Contains(done, part) {
			t.Errorf("not done: %s in %s", part, done)
		}
	}
	if strings.Contains(done, "link set") || strings.Contains(done, "2001:db8::5") {
		t.Errorf("done more than the difference: %s", done)
	}
	if again := apply(t, ns, want); again != "[]" {
		t.Fatalf("changed again: %s", again)
	}
	// The default route has not got lost with the first address of its subnet.
	if out := linuxtest.Run(t, ns, "ip", "route"); !strings.Contains(out, "default via 203.0.113.1") {
		t.Fatalf("the default route is gone:\n%s", out)
	}
}

func TestAnAddressReplacedInItsSubnetSurvivesThePrimary(t *testing.T) {
	ns := pair(t)
	want := links.Config{
		Links:  []links.Link{{Name: "out", Addresses: pfx("203.0.113.5/24")}},
		Routes: []links.Route{via("0.0.0.0/0", "203.0.113.1@out")},
	}
	apply(t, ns, want)
	want.Links[0].Addresses = pfx("203.0.113.6/24")
	apply(t, ns, want)
	out := linuxtest.Run(t, ns, "ip", "-4", "addr", "show", "out") + linuxtest.Run(t, ns, "ip", "route")
	if !strings.Contains(out, "203.0.113.6/24") || strings.Contains(out, "203.0.113.5") || !strings.Contains(out, "default") {
		t.Fatalf("the namespace has:\n%s", out)
	}
}

func TestForeignThingsStay(t *testing.T) {
	ns := pair(t)
	linuxtest.Run(t, ns, "ip", "link", "add", "theirs", "type", "veth", "peer", "name", "theirs2")
	linuxtest.Run(t, ns, "ip", "addr", "add", "172.16.0.1/24", "dev", "theirs")
	linuxtest.Run(t, ns, "ip", "link", "set", "theirs", "up")
	linuxtest.Run(t, ns, "ip", "link", "set", "theirs2", "up")
	linuxtest.Run(t, ns, "ip", "route", "add", "172.17.0.0/16", "via", "172.16.0.2", "proto", "static")
	linuxtest.Run(t, ns, "ip", "neigh", "add", "172.16.0.9", "lladdr", "02:00:00:00:00:09", "dev", "theirs")
	apply(t, ns, config())
	linuxtest.Run(t, ns, "ip", "route", "add", "172.18.0.0/16", "via", "10.0.0.2")
	apply(t, ns, config())
	out := linuxtest.Run(t, ns, "ip", "addr") + linuxtest.Run(t, ns, "ip", "route") + linuxtest.Run(t, ns, "ip", "neigh")
	for _, part := range []string{"172.16.0.1/24", "172.17.0.0/16", "172.18.0.0/16", "172.16.0.9"} {
		if !strings.Contains(out, part) {
			t.Errorf("%s is gone:\n%s", part, out)
		}
	}
}

func TestOneThingThatCannotBeDoneDoesNotStopTheOthers(t *testing.T) {
	ns := pair(t)
	want := config()
	want.Links = append(want.Links, links.Link{Name: "missing", Addresses: pfx("10.9.0.1/24")})
	want.Routes = append(want.Routes, via("100.64.0.0/10", "10.200.0.1@in"))
	_, err := links.Apply(ns, want)
	if err == nil || !strings.Contains(err.Error(), "link missing does not exist") || !strings.Contains(err.Error(), "100.64.0.0/10 via 10.200.0.1") {
		t.Fatalf("error: %v", err)
	}
	if out := linuxtest.Run(t, ns, "ip", "route"); !strings.Contains(out, "default via 203.0.113.1") {
		t.Fatalf("the rest was not done:\n%s", out)
	}
}

func TestAddressesOfSomebodyElseAreNotTouched(t *testing.T) {
	ns := pair(t)
	linuxtest.Run(t, ns, "ip", "addr", "add", "10.0.0.1/24", "dev", "in")
	apply(t, ns, links.Config{Links: []links.Link{{Name: "in", ForeignAddresses: true}}})
	if out := linuxtest.Run(t, ns, "ip", "addr", "show", "in"); !strings.Contains(out, "10.0.0.1/24") || !strings.Contains(out, ",UP") {
		t.Fatalf("the link has:\n%s", out)
	}
}
