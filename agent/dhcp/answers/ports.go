package answers

import (
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/model"
)

// addPort adds what a port is offered, and the names of its addresses.
func (n *Network) addPort(p *model.Port, subnets map[string]*Subnet, set Settings) {
	out := &Port{ID: p.ID, MAC: p.MAC, Trusted: p.Trusted()}
	label := n.label(p, set)
	offered := false
	for _, f := range p.FixedIPs {
		host := label
		if host == "" {
			host = "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(f.IP.String())
		}
		n.Names = append(n.Names, n.names(f, host, p, set))
		first, _, _ := strings.Cut(host, ".")
		l := Lease{IP: f.IP, Subnet: subnets[f.SubnetID], Host: first}
		if l.Subnet == nil || f.IP.Is4() != (l.Subnet.Mode == V4) {
			continue
		}
		offered = true
		switch {
		case l.Subnet.Mode == V4 && out.V4 == nil:
			out.V4 = &l
		case l.Subnet.Mode == Stateful:
			out.V6 = append(out.V6, l)
		case l.Subnet.Mode != V4:
			out.Auto = append(out.Auto, l)
		}
	}
	if !offered {
		return
	}
	n.own(out, p)
	n.Ports = append(n.Ports, out)
}

// label is the name that the port asks for, without the cloud's domain; "" when
// it asks for none.
func (n *Network) label(p *model.Port, set Settings) string {
	name := strings.ToLower(strings.TrimSuffix(p.DNSName, "."))
	if name == "" {
		return ""
	}
	if !validName(name) {
		n.problem(p.ID, "dns_name %q is no host name", p.DNSName)
		return ""
	}
	if d := strings.TrimSuffix(set.Domain, "."); d != "" {
		name = strings.TrimSuffix(name, "."+d)
	}
	return name
}

// names gives the full names of an address: in the cloud's domain, which is what
// dns_assignment shows, in the network's, and in the port's own. That may be
// anybody's, so it counts for ports of the network's project only: on a shared
// network a guest must not become www.example.com for the others. For the same
// reason a name of several labels is none without a domain.
func (n *Network) names(f model.FixedIP, host string, p *model.Port, set Settings) Name {
	out := Name{IP: f.IP}
	domains := []string{set.Domain, n.Domain}
	if p.ProjectID == n.project {
		domains = append(domains, p.DNSDomain)
	}
	for _, d := range domains {
		d = strings.TrimSuffix(d, ".")
		if full := host + "." + d; d != "" && validName(full) && !slices.Contains(out.Names, full) {
			out.Names = append(out.Names, full)
		}
	}
	if label, _, several := strings.Cut(host, "."); !several || len(out.Names) == 0 {
		out.Names = append(out.Names, label)
	}
	return out
}

// validName reports whether the name is made of letters, digits, hyphens and
// underscores, in labels of up to 63 (RFC 1035, section 2.3.1, and what is in
// use).
func validName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// own adds the port's extra_dhcp_opts.
func (n *Network) own(out *Port, p *model.Port) {
	for _, o := range p.ExtraDHCPOpts {
		if name := strings.TrimSpace(o.Name); o.IPVersion != 6 && (name == "client-id" || name == "61") {
			if !validClientID(o.Value) {
				n.problem(p.ID, "extra DHCP option client-id: %q is no identifier (letters, digits and . _ : -, up to 128)", clip(o.Value))
				continue
			}
			out.ClientID = o.Value
			continue
		}
		opt, err := Encode(o)
		switch {
		case err != nil:
			n.problem(p.ID, "extra DHCP option %q: %v", clip(o.Name), err)
		case o.IPVersion == 6:
			out.Own6 = append(out.Own6, opt)
		default:
			out.Own4 = append(out.Own4, opt)
		}
	}
	slices.SortStableFunc(out.Own4, byCode)
	slices.SortStableFunc(out.Own6, byCode)
}

func validClientID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._:-", c) >= 0) {
			return false
		}
	}
	return true
}

func clip(s string) string { return s[:min(len(s), 80)] }
