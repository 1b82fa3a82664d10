package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestAConntrackHelperFollowsFTP has a guest with a floating address speak as
// much FTP (RFC 959) as it takes: it names its own address in an answer to PASV.
// With the helper the client reads the floating address there, and the port that
// is named is open to it.
func TestAConntrackHelperFollowsFTP(t *testing.T) {
	t.Parallel()
	c := Start(t, "three-node")
	ext, outside := c.external()
	blue := c.Network(nil)
	blue4 := c.Subnet(blue, "10.1.0.0/24")
	server := c.open("hv1", "server", blue)
	r := c.Router(&ext, blue4)
	fip := c.FloatingIP(ext, &server.Port)
	own := strings.ReplaceAll(server.IP(4).String(), ".", ",")
	c.say(server, 21, fmt.Sprintf("227 Entering Passive Mode (%s,31,64)\r\n", own))
	c.say(server, 31<<8+64, "the file\r\n")

	hears := func(port int, want string) func() error {
		return func() error {
			got, err := c.listen(outside, fip.Address, port)
			if err == nil && !strings.Contains(got, want) {
				err = fmt.Errorf("the server says %q, not %q", got, want)
			}
			return err
		}
	}
	c.Eventually("the guest's own address, without a helper", hears(21, own))
	c.Must(c.Lab.API().Call(t.Context(), "POST", "/v2.0/routers/"+r.ID+"/conntrack_helpers", map[string]any{
		"conntrack_helper": Attributes{"protocol": "tcp", "port": 21, "helper": "ftp"},
	}, nil))
	c.Eventually("the floating address", hears(21, strings.ReplaceAll(fip.Address.String(), ".", ",")))
	c.Eventually("the file", hears(31<<8+64, "the file"))
}

// say has a guest greet every connection to a TCP port, and answer what it is
// asked with the line. The kernel takes lines for FTP that follow another one.
func (c *Cloud) say(g Guest, port int, line string) {
	c.Helper()
	l, err := g.Listen(fmt.Sprintf(":%d", port))
	c.Must(err)
	c.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 64)
				_ = conn.SetDeadline(time.Now().Add(impatience))
				_, _ = conn.Write([]byte("220 ready\r\n"))
				_, _ = conn.Read(buf) // what the client asks
				_, _ = conn.Write([]byte(line))
				_, _ = conn.Read(buf) // until it has read the answer
			}()
		}
	}()
}

// listen connects, waits for the greeting, asks, and gives the answer.
func (c *Cloud) listen(from Guest, to netip.Addr, port int) (string, error) {
	var conn net.Conn
	err := from.Inside(func() (err error) {
		conn, err = net.DialTimeout("tcp", netip.AddrPortFrom(to, uint16(port)).String(), impatience)
		return err
	})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(impatience))
	answers := bufio.NewReader(conn)
	if _, err := answers.ReadString('\n'); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte("PASV\r\n")); err != nil {
		return "", err
	}
	return answers.ReadString('\n')
}
