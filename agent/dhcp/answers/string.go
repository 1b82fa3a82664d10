package answers

import (
	"fmt"
	"strings"
)

// String is all that is offered, for people and golden files.
func (n *Network) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# network %s mtu %d domain %q\n", n.ID, n.MTU, n.Domain)
	for _, p := range n.Problems {
		fmt.Fprintf(&b, "# problem: port %q: %s\n", p.PortID, p.Text)
	}
	for _, s := range n.Subnets {
		fmt.Fprintf(&b, "\n## subnet %s %s %s lease %s\n", s.ID, s.CIDR, s.Mode, s.LeaseTime)
		fmt.Fprintf(&b, "isolated %t, advertise %t, servers %s\n", s.Isolated, s.Advertise, join(s.Servers))
		writeOptions(&b, s.Options)
	}
	for _, p := range n.Ports {
		fmt.Fprintf(&b, "\n## port %s %s\n", p.ID, p.MAC)
		if p.ClientID != "" {
			fmt.Fprintf(&b, "client id %s\n", p.ClientID)
		}
		if a, ok := n.Answer4(p); ok {
			fmt.Fprintf(&b, "v4 %s\n", a.Leases[0].Prefix())
			writeOptions(&b, a.Options)
		}
		if a, ok := n.Answer6(p); ok {
			for _, l := range a.Leases {
				fmt.Fprintf(&b, "v6 %s host %s\n", l.Prefix(), l.Host)
			}
			fmt.Fprintf(&b, "v6 options\n")
			writeOptions(&b, a.Options)
		}
	}
	b.WriteString("\n## names\n")
	for _, name := range n.Names {
		fmt.Fprintf(&b, "%s %s\n", name.IP, strings.Join(name.Names, " "))
	}
	return b.String()
}

func writeOptions(b *strings.Builder, list []Option) {
	for _, o := range list {
		fmt.Fprintf(b, "    %d %s", o.Code, o.Name)
		if o.Client != Any {
			fmt.Fprintf(b, " (%s)", o.Client)
		}
		switch {
		case o.Data == nil:
			b.WriteString(" not sent\n")
		default:
			fmt.Fprintf(b, " %q = %x\n", o.Text, o.Data)
		}
	}
}
