package dhcp

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
)

// args are dnsmasq's arguments, but for those that name files. Whoever is not in
// the hosts file is not answered at all, and who is in it is believed when it
// asks for its address again, whatever dnsmasq remembers. Who asks is known by
// its MAC, which guard.go has seen to, and not by an identifier that anybody can
// call himself by.
func args(n *answers.Network, link string, o Options) []string {
	out := []string{"--no-hosts", "--keep-in-foreground", "--conf-file=/dev/null"}
	if !o.LocalResolver {
		out = append(out, "--no-resolv")
	}
	for _, s := range o.Servers {
		out = append(out, fmt.Sprintf("--server=%s#%d", s.Addr(), s.Port()))
	}
	out = append(out,
		"--dhcp-match=set:ipxe,175", "--dhcp-userclass=set:ipxe6,iPXE", "--local-service", "--bind-dynamic",
		"--dhcp-authoritative", "--dhcp-ignore=tag:!known", "--dhcp-ignore-clid", "--local=/"+serialDomain+"/",
		"--quiet-dhcp", "--quiet-dhcp6", "--quiet-ra")
	out = append(out, ownNames(n, o)...)
	enable, advertise := false, false
	for _, s := range n.Subnets {
		if r := dhcpRange(s); r != "" {
			out = append(out, r)
		}
		advertise = advertise || s.Advertise
		enable = enable || s.Advertise && s.Mode == answers.Stateful
	}
	if enable {
		out = append(out, "--enable-ra")
	}
	if advertise { // every ten minutes, as a router that is no way out
		out = append(out, "--ra-param="+link+",0,0")
	}
	if n.MTU > 0 {
		out = append(out, fmt.Sprintf("--dhcp-option-force=option:mtu,%d", n.MTU))
	}
	out = append(out, fmt.Sprintf("--dhcp-lease-max=%d", 1<<24))
	if n.Domain != "" {
		out = append(out, "--domain="+n.Domain)
	}
	return out
}

// ownNames has dnsmasq know all of what it knows a part of: a guest that has an
// address of IPv4 only has none of IPv6, which is no failure. Resolvers that ask
// for both, musl's for one, would take a refusal of the second for one of both.
// The network's own domain may have more names, which others are asked for.
func ownNames(n *answers.Network, o Options) []string {
	out := []string{"--domain-needed"}
	cloud := o.CloudDomain()
	if cloud != "" {
		out = append(out, "--local=/"+cloud+"/")
	}
	if alone := len(o.Servers) == 0 && !o.LocalResolver; alone && n.Domain != "" && n.Domain != cloud {
		out = append(out, "--local=/"+n.Domain+"/")
	}
	return out
}

// dhcpRange has dnsmasq serve a subnet, from which it gives nothing away that is
// not in the hosts file; "" when there is nothing to serve.
func dhcpRange(s *answers.Subnet) string {
	lease := "infinite"
	if s.LeaseTime >= 0 {
		lease = fmt.Sprintf("%ds", s.LeaseTime/time.Second)
	}
	mode := "static"
	switch {
	case s.Mode == answers.V4:
		return fmt.Sprintf("--dhcp-range=set:%s,%s,static,%s,%s", subnetTag(s), s.CIDR.Addr(), option(s, 1).Text, lease)
	case s.Mode == answers.SLAAC && !s.Advertise:
		return ""
	case s.Mode == answers.SLAAC:
		mode = "ra-only"
	case s.Mode == answers.Stateless && s.Advertise:
		mode = "ra-stateless"
	}
	return fmt.Sprintf("--dhcp-range=set:%s,%s,%s,%d,%s", subnetTag(s), s.CIDR.Addr(), mode, s.CIDR.Bits(), lease)
}

func subnetTag(s *answers.Subnet) string { return "subnet-" + s.ID }
func portTag(p *answers.Port) string     { return "port-" + p.ID }

func option(s *answers.Subnet, code uint16) answers.Option {
	for _, o := range s.Options {
		if o.Code == code {
			return o
		}
	}
	return answers.Option{}
}

// addHosts writes the file of --dhcp-hostsfile: who gets which address.
func (s *Server) addHosts(n *answers.Network) {
	var b strings.Builder
	for _, p := range n.Ports {
		lines := linesOf(p)
		for _, leases := range lines {
			s.line(&b, n, p, leases)
		}
		if len(lines) > 0 && !p.Trusted {
			s.Serves = append(s.Serves, p.ID)
		}
	}
	s.Hosts = b.String()
}

// linesOf gives a port's addresses by the lines that they are in. Both families are
// in one where they have one name: of a line with this name and no address of a
// family dnsmasq would look for one among the names, and complain of the other
// line's, at every reload. An identifier is of DHCPv4 only.
func linesOf(p *answers.Port) (lines [][]answers.Lease) {
	if p.V4 != nil && p.V4.Subnet.Server.IsValid() {
		lines = append(lines, []answers.Lease{*p.V4})
	}
	// dnsmasq gives no address of Auto, but has to know who may ask.
	var six []answers.Lease
	for _, l := range slices.Concat(p.V6, p.Auto) {
		if l.Subnet.Server.IsValid() {
			six = append(six, l)
		}
	}
	switch {
	case len(six) == 0:
	case len(lines) > 0 && p.ClientID == "" && six[0].Host == lines[0][0].Host:
		lines[0] = append(lines[0], six...)
	default:
		lines = append(lines, six)
	}
	return lines
}

func (s *Server) line(b *strings.Builder, n *answers.Network, p *answers.Port, leases []answers.Lease) {
	b.WriteString(p.MAC.String())
	if p.ClientID != "" && leases[0].IP.Is4() {
		b.WriteString(",id:" + p.ClientID)
	}
	b.WriteString("," + hostName(n, leases[0]))
	own := false
	for _, l := range leases {
		s.Leases[l.IP] = p.MAC
		if l.IP.Is4() {
			b.WriteString("," + l.IP.String())
			own = own || len(p.Own4) > 0
		} else {
			b.WriteString(",[" + l.IP.String() + "]")
			own = own || len(p.Own6) > 0
		}
	}
	if own {
		b.WriteString(",set:" + portTag(p))
	}
	b.WriteString("\n")
}

// notNames are names that dnsmasq takes for something else in a hosts file: for the
// time of a lease, or for a wish that a guest get none.
var notNames = regexp.MustCompile(`(?i)^([0-9]+[wdhms]?|infinite|ignore)$`)

// hostName is how a guest is called in the hosts file.
func hostName(n *answers.Network, l answers.Lease) string {
	switch {
	case n.Domain != "":
		return l.Host + "." + n.Domain
	case notNames.MatchString(l.Host):
		return "host-" + l.Host
	}
	return l.Host
}

// namesFile is the file of --addn-hosts: what DNS answers.
func namesFile(n *answers.Network) string {
	var b strings.Builder
	for _, name := range n.Names {
		fmt.Fprintf(&b, "%s\t%s\n", name.IP, strings.Join(name.Names, " "))
	}
	return b.String()
}

// optsFile is the file of --dhcp-optsfile. Of two lines that apply to a client
// the later one counts.
func optsFile(n *answers.Network) string {
	var b strings.Builder
	for _, s := range n.Subnets {
		for _, o := range s.Options {
			switch {
			case s.Mode == answers.V4 && (o.Code == 1 || o.Code == 15 || o.Code == 26 || o.Code == 28):
				continue // it sends them by itself, or an argument says so
			case (o.Name == "dns-server") && len(s.Servers) == 1 && o.Text == s.Server.String():
				continue // that is what it does by itself
			}
			b.WriteString(optionLine(subnetTag(s), o, s.Mode != answers.V4))
		}
	}
	for _, p := range n.Ports {
		for _, o := range p.Own4 {
			b.WriteString(optionLine(portTag(p), o, false))
		}
		for _, o := range p.Own6 {
			b.WriteString(optionLine(portTag(p), o, true))
		}
	}
	return b.String()
}

// numbered4 are options of DHCPv4 whose names dnsmasq takes from nobody: it has
// them by number only.
var numbered4 = []uint16{12, 28}

// numberless4 are options of DHCPv4 that dnsmasq takes no decimal number for.
var numberless4 = []uint16{43, 56}

// optionLine is a line of --dhcp-optsfile.
func optionLine(tag string, o answers.Option, v6 bool) string {
	line := "tag:" + tag + ","
	if o.Client != answers.Any {
		line += "tag:" + string(o.Client) + ","
	}
	switch {
	case o.Name != "" && v6:
		line += "option6:" + o.Name
	case o.Name != "" && !slices.Contains(numbered4, o.Code):
		line += "option:" + o.Name
	case v6:
		line += fmt.Sprintf("option6:%d", o.Code)
	default:
		line += fmt.Sprint(o.Code)
	}
	if o.Data != nil {
		line += "," + optionValue(o, v6)
	}
	return line + "\n"
}

// lists are options whose values, which answers has checked, are lists of names
// or routes; by whether they are of DHCPv6.
var lists = map[bool][]uint16{false: {119, 120, 121, 249}, true: {21, 24, 29, 30}}

// optionValue writes a value so that dnsmasq reads it as what it is: as people
// write it where that is beyond doubt, in quotes where it is always a text, and
// as bytes elsewhere. Outside quotes it holds no character that means something
// to dnsmasq but the commas of a list.
func optionValue(o answers.Option, v6 bool) string {
	switch {
	case !v6 && slices.Contains(numberless4, o.Code) && len(o.Data) > 1:
		return colons(o.Data)
	case !v6 && slices.Contains(numberless4, o.Code) && o.Data[0] >= ' ' && o.Data[0] <= '~':
		return quoted(string(o.Data))
	case addressList(o.Text, v6) && !(v6 && o.Characters): // in brackets it would be an address
		if v6 {
			return "[" + strings.Join(strings.Split(o.Text, ","), "],[") + "]"
		}
		return o.Text
	case plain(o.Text), slices.Contains(lists[v6], o.Code):
		return o.Text
	case v6 && o.Code == 60:
		var parts []string
		for p := range strings.SplitSeq(o.Text, ",") {
			parts = append(parts, quoted(p))
		}
		return strings.Join(parts, ",")
	case o.Characters:
		return quoted(o.Text)
	case len(o.Data) == 1: // a byte alone would be taken for a decimal number
		return fmt.Sprint(o.Data[0])
	}
	return colons(o.Data)
}

// colons writes bytes as dnsmasq does: 00:1a:ff.
func colons(data []byte) string {
	words := make([]string, len(data))
	for i, b := range data {
		words[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(words, ":")
}

// quoted writes printable ASCII in quotes.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func addressList(text string, v6 bool) bool {
	for s := range strings.SplitSeq(text, ",") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Is4() == v6 || a.Zone() != "" {
			return false
		}
	}
	return true
}

// plain reports whether the text is one word that dnsmasq takes for nothing but
// characters, or a number for a number.
func plain(text string) bool {
	letter := false
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'g' && c <= 'z' || c >= 'G' && c <= 'Z':
			letter = true // no hexadecimal digit
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
		case i > 0 && strings.IndexByte("./:@+=_~-", c) >= 0:
		default:
			return false
		}
	}
	digits := strings.Trim(text, "0123456789") == ""
	return text != "" && (letter || digits)
}
