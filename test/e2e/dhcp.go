package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Lease has the guest ask until it gets a lease, and demands the port's address;
// options are to be asked for besides the usual ones.
func (c *Cloud) Lease(g Guest, options ...string) Told {
	c.Helper()
	var argv []string
	for _, o := range options {
		argv = append(argv, "-O", o)
	}
	var told Told
	for range 4 {
		if told = c.Udhcpc(g, argv...); told != nil {
			break
		}
	}
	if want := c.fixed(g.Port, 4); told["ip"] != want.String() {
		c.Fatalf("%s was told %v, want the address %s", g.Guest.Name, told, want)
	}
	return told
}

// fixed is the port's address of the family.
func (c *Cloud) fixed(p Port, family int) netip.Addr {
	c.Helper()
	for _, f := range p.FixedIPs {
		if f.IP.Is4() == (family == 4) {
			return f.IP
		}
	}
	c.Fatalf("port %s has no address of IPv%d", p.ID, family)
	return netip.Addr{}
}

// Takes gives the guest the address and the routes that it was told.
func (c *Cloud) Takes(g Guest, told Told) {
	c.Helper()
	link := g.NICs[0].Link
	c.Exec(g.Guest.Name, "ip", "address", "replace", told["ip"]+"/"+told["mask"], "dev", link)
	f := strings.Fields(told["staticroutes"])
	for i := 0; i+1 < len(f); i += 2 {
		c.Exec(g.Guest.Name, "ip", "route", "replace", f[i], "via", f[i+1], "dev", link)
	}
}

// dhcpNamespace is the namespace in which the host serves the network; "" when
// there is none.
func (c *Cloud) dhcpNamespace(n Network, host string) string {
	for _, name := range []string{"qdhcp-" + n.ID + "-" + host, "qdhcp-" + n.ID} {
		if _, err := os.Stat("/run/netns/" + name); err == nil {
			return name
		}
	}
	return ""
}

// dhcpDir holds the files of the host's server for the network.
func (c *Cloud) dhcpDir(n Network, host string) string {
	c.Helper()
	for _, h := range c.Lab.Plan().Hosts {
		if h.Name == host {
			return filepath.Join(h.Dir, "run", "dhcp", n.ID)
		}
	}
	c.Fatalf("no host %s", host)
	return ""
}

// dnsmasq is the process that serves the network on the host; 0 for none.
func (c *Cloud) dnsmasq(n Network, host string) int {
	c.Helper()
	b, err := os.ReadFile(filepath.Join(c.dhcpDir(n, host), "pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || syscall.Kill(pid, 0) != nil {
		return 0
	}
	return pid
}

// Resolve asks a name server from inside the guest for the addresses of a name,
// or for the names of an address. The test's own names play no part in it.
func (c *Cloud) Resolve(g Guest, server, question string) []string {
	c.Helper()
	types := []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA}
	if a, err := netip.ParseAddr(question); err == nil {
		types, question = []dnsmessage.Type{dnsmessage.TypePTR}, reversed(a)
	}
	var out []string
	for _, typ := range types {
		q := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(question + "."), Type: typ, Class: dnsmessage.ClassINET}},
		}
		for _, r := range c.exchange(g, server, q) {
			switch body := r.Body.(type) {
			case *dnsmessage.AResource:
				out = append(out, netip.AddrFrom4(body.A).String())
			case *dnsmessage.AAAAResource:
				out = append(out, netip.AddrFrom16(body.AAAA).String())
			case *dnsmessage.PTRResource:
				out = append(out, body.PTR.String())
			}
		}
	}
	return out
}

// exchange sends a question to the server and gives the answers.
func (c *Cloud) exchange(g Guest, server string, q dnsmessage.Message) []dnsmessage.Resource {
	c.Helper()
	b, err := q.Pack()
	c.Must(err)
	var conn net.Conn
	c.Must(g.Inside(func() (err error) {
		conn, err = net.Dial("udp", net.JoinHostPort(server, "53"))
		return err
	}))
	defer conn.Close()
	buf := make([]byte, 1500)
	for range 5 {
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		if _, err = conn.Write(b); err != nil {
			continue
		}
		n, err := conn.Read(buf)
		var answer dnsmessage.Message
		if err == nil && answer.Unpack(buf[:n]) == nil {
			return answer.Answers
		}
	}
	c.Errorf("%s does not answer %s: %v", server, g.Guest.Name, err)
	return nil
}

// reversed is the name under which the names of an address are (RFC 1035,
// section 3.5).
func reversed(a netip.Addr) string {
	b := a.As4()
	return fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", b[3], b[2], b[1], b[0])
}
