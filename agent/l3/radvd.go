package l3

import (
	"fmt"
	"slices"
	"strings"
)

// Modes of ipv6_ra_mode.
const (
	slaac     = "slaac"
	stateless = "dhcpv6-stateless"
	stateful  = "dhcpv6-stateful"
)

// radvd writes radvd.conf(5) for the interfaces that have subnets on which the
// router is to advertise itself.
func radvd(in Input) string {
	var b strings.Builder
	for _, f := range in.faces() {
		if f.external {
			continue
		}
		var prefixes, dns []string
		managed, other := false, false
		for _, a := range f.Addresses {
			mode := a.Subnet.IPv6RAMode
			if !a.IP.Is6() || mode != slaac && mode != stateless && mode != stateful {
				continue
			}
			managed = managed || mode == stateful
			other = other || mode == stateless
			autonomous := "on"
			if mode == stateful {
				autonomous = "off"
			}
			prefixes = append(prefixes, fmt.Sprintf("    prefix %s\n    {\n        AdvOnLink on;\n        AdvAutonomous %s;\n    };\n", a.Subnet.CIDR, autonomous))
			for _, d := range a.Subnet.DNSNameservers {
				if d.Is6() && !slices.Contains(dns, d.String()) {
					dns = append(dns, d.String())
				}
			}
		}
		if len(prefixes) == 0 {
			continue
		}
		fmt.Fprintf(&b, "interface %s\n{\n    AdvSendAdvert on;\n    MinRtrAdvInterval 30;\n    MaxRtrAdvInterval 100;\n    AdvLinkMTU %d;\n", f.link, f.Network.MTU)
		if managed {
			b.WriteString("    AdvManagedFlag on;\n")
		}
		if other {
			b.WriteString("    AdvOtherConfigFlag on;\n")
		}
		if len(dns) > 0 {
			// radvd takes three servers in one option.
			fmt.Fprintf(&b, "    RDNSS %s {};\n", strings.Join(dns[:min(3, len(dns))], " "))
		}
		b.WriteString(strings.Join(prefixes, "") + "};\n")
	}
	return b.String()
}
