package e2e

import (
	"testing"

	"github.com/lepton-sdn/lepton/lab"
)

func TestAPortMaySpeakOnlyAsItself(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	n := c.Network(nil)
	// 10.0.0.250 and 10.0.0.251 are nobody's.
	c.create("subnet", Attributes{
		"network_id": n.ID, "cidr": "10.0.0.0/24", "ip_version": 4,
		"allocation_pools": []Attributes{{"start": "10.0.0.2", "end": "10.0.0.199"}},
	}, &Subnet{})
	c.Subnet(n, "fd00:10::/64")
	victim := c.Guest("hv2", "victim", n)
	liar := c.Guest("hv1", "liar", n)
	c.Reaches(liar, victim)

	for _, tc := range []struct {
		name   string
		before []string // typed in the guest
		send   []string
		after  []string
		filter string // what the victim must not see
	}{
		{
			"a foreign IPv4 address",
			[]string{"ip", "address", "add", "10.0.0.250/32", "dev", "lo"},
			[]string{"ping", "-c3", "-i0.1", "-W0.2", "-I", "10.0.0.250", victim.IP(4).String()},
			[]string{"ip", "address", "del", "10.0.0.250/32", "dev", "lo"},
			"src host 10.0.0.250 or arp src host 10.0.0.250",
		},
		{
			"a foreign IPv6 address",
			[]string{"ip", "address", "add", "fd00:10::bad/128", "dev", "lo"},
			[]string{"ping", "-c3", "-i0.1", "-W0.2", "-I", "fd00:10::bad", victim.IP(6).String()},
			[]string{"ip", "address", "del", "fd00:10::bad/128", "dev", "lo"},
			"src host fd00:10::bad",
		},
		{
			"a foreign MAC",
			[]string{"ip", "link", "set", "eth0", "address", "fa:16:3e:00:00:01"},
			[]string{"ping", "-c3", "-i0.1", "-W0.2", victim.IP(4).String()},
			[]string{"ip", "link", "set", "eth0", "address", liar.Port.MAC},
			"ether src fa:16:3e:00:00:01",
		},
		{
			"ARP for a foreign address",
			[]string{"true"},
			[]string{"arping", "-U", "-c", "3", "-S", "10.0.0.251", "-i", "eth0", "10.0.0.251"},
			[]string{"true"},
			"arp src host 10.0.0.251",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := c.in(t)
			c.Exec("liar", tc.before...)
			seen := c.Watch(victim, tc.filter)
			// Nothing answers, so the command fails; what counts is what arrives.
			_, _ = liar.Exec(t.Context(), tc.send...)
			if frames := seen(); len(frames) > 0 {
				t.Errorf("the victim sees:\n%s", frames)
			}
			c.Exec("liar", tc.after...)
		})
	}
	if r := c.Ping(liar, victim.IP(4), lab.Ping{Count: 3}); r.Lost() > 0 {
		t.Errorf("speaking as itself, it is not heard: %s", r)
	}
}
