package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/lab"
)

// withDHCP is two hosts that serve DHCP, and a compute node.
const withDHCP = `
physical_networks: [{name: physnet1}]
agent: { dhcp: { lease_duration: 600 } }
hosts:
  - { name: net1, roles: [controller, network], agent: { roles: [l2, l3, dhcp, metadata] } }
  - { name: net2, roles: [network], agent: { roles: [l2, dhcp, metadata] } }
  - { name: hv1, roles: [compute] }
`

func TestAGuestIsToldAllThatTheRecordsSay(t *testing.T) {
	t.Parallel()
	c := Start(t, withDHCP)
	n := c.Network(Attributes{"dns_domain": "red.example."})
	s := c.Subnet(n, "10.0.0.0/24")
	c.Update("subnet", s.ID, Attributes{"host_routes": []Attributes{{"destination": "192.0.2.0/24", "nexthop": "10.0.0.77"}}})
	web := c.Bare("hv1", "web", c.Port(n, Attributes{
		"dns_name": "web", "fixed_ips": []Attributes{{"ip_address": "10.0.0.9"}},
		"extra_dhcp_opts": []Attributes{{"opt_name": "ntp-server", "opt_value": "192.0.2.123"}, {"opt_name": "224", "opt_value": "x \"y"}},
	}))
	other := c.Bare("hv1", "other", c.Port(n, Attributes{"dns_name": "db"}))
	replies := c.verbose(web, "udp and dst port 68")
	told := c.Lease(web, "121", "26", "42", "224")
	for key, want := range map[string]string{
		"ip": "10.0.0.9", "mask": "24", "router": "10.0.0.1", "mtu": fmt.Sprint(n.MTU), "domain": "red.example", "hostname": "web",
		"lease": "600", "ntpsrv": "192.0.2.123", "opt224": "78202279",
	} {
		if told[key] != want {
			t.Errorf("%s is %q, want %q", key, told[key], want)
		}
	}
	servers := strings.Fields(told["dns"])
	if len(servers) != 2 {
		t.Errorf("name servers %q, want both of the hosts'", told["dns"])
	}
	for _, want := range []string{"169.254.169.254/32 " + told["serverid"], "192.0.2.0/24 10.0.0.77", "0.0.0.0/0 10.0.0.1"} {
		if !strings.Contains(told["staticroutes"], want) {
			t.Errorf("routes %q lack %s", told["staticroutes"], want)
		}
	}
	if text := replies(); !strings.Contains(text, "DHCP") || strings.Contains(text, "bad udp cksum") {
		t.Errorf("what came to the guest:\n%s", text)
	}

	c.Takes(web, told)
	c.Takes(other, c.Lease(other, "121"))
	c.Must(c.ping(web, c.fixed(other.Port, 4)))
	self, _ := os.Hostname()
	for _, server := range servers {
		for question, want := range map[string][]string{
			"db.red.example": {c.fixed(other.Port, 4).String()}, "db.openstacklocal": {c.fixed(other.Port, 4).String()},
			"10.0.0.9": {"web.openstacklocal."}, self: nil, "localhost.localdomain": nil, "example.org": nil,
		} {
			if got := c.Resolve(web, server, question); !slices.Equal(got, want) && (len(want) > 0 || len(got) > 0) {
				t.Errorf("%s says %v to %s, want %v", server, got, question, want)
			}
		}
	}
	// ISC's client is told the same, and knows it by other names.
	isc := c.Dhclient(web, 4)
	if isc["new_ip_address"] != "10.0.0.9" || isc["new_domain_name"] != "red.example" {
		t.Errorf("dhclient was told %v", isc)
	}
}

// verbose shows what comes to the guest, with whether checksums are right.
func (c *Cloud) verbose(g Guest, filter string) func() string {
	c.Helper()
	ctx, cancel := context.WithCancel(c.Context())
	cmd := g.Command(ctx, "tcpdump", "-vv", "-n", "-l", "--immediate-mode", "-Q", "in", "-i", g.NICs[0].Link, filter)
	out := &lines{}
	cmd.Stdout, cmd.Stderr = out, out
	c.Must(cmd.Start())
	c.Eventually("tcpdump listens", func() error {
		if !strings.Contains(out.String(), "listening on") {
			return errors.New(out.String())
		}
		return nil
	})
	return func() string {
		time.Sleep(100 * time.Millisecond)
		cancel()
		_ = cmd.Wait() // killed by us
		return out.String()
	}
}

// ping says what is wrong with reaching the address.
func (c *Cloud) ping(g Guest, to netip.Addr) error {
	c.Helper()
	if r := c.Ping(g, to, lab.Ping{Count: 3, Interval: 50 * time.Millisecond}); r.Received == 0 {
		return fmt.Errorf("%s does not reach %s: %s", g.Guest.Name, to, r)
	}
	return nil
}

func TestGuestsGetIPv6AsTheirSubnetSays(t *testing.T) {
	t.Parallel()
	c := Start(t, withDHCP)
	for _, mode := range []string{"dhcpv6-stateful", "dhcpv6-stateless"} {
		n := c.Network(nil)
		var s Subnet
		c.create("subnet", Attributes{
			"network_id": n.ID, "cidr": "2001:db8:1::/64", "ip_version": 6, "ipv6_ra_mode": mode, "ipv6_address_mode": mode,
		}, &s)
		p := c.Port(n, Attributes{"dns_name": "six"})
		g := c.Bare("hv1", "g-"+mode, p)
		link := g.NICs[0].Link
		c.Exec(g.Guest.Name, "sysctl", "-qw", "net.ipv6.conf."+link+".accept_ra=1")
		if mode == "dhcpv6-stateful" {
			told := c.Dhclient(g, 6)
			if told["new_ip6_address"] != c.fixed(p, 6).String() || told["new_dhcp6_domain_search"] == "" {
				t.Errorf("%s: dhclient was told %v, want %s", mode, told, c.fixed(p, 6))
			}
			for _, host := range []string{"net1", "net2"} { // either may be asked to renew
				c.Eventually(host+" to have the lease", func() error {
					text, err := os.ReadFile(c.dhcpDir(n, host) + "/leases")
					if !strings.Contains(string(text), c.fixed(p, 6).String()) {
						return errors.Join(errors.New(string(text)), err)
					}
					return nil
				})
			}
			continue
		}
		// No router is there, so the DHCP hosts advertise the prefix.
		c.Eventually("autoconfiguration", func() error {
			if out := c.Exec(g.Guest.Name, "ip", "-6", "address", "show", "dev", link); !strings.Contains(out, c.fixed(p, 6).String()) {
				c.Exec(g.Guest.Name, "ip", "link", "set", link, "down")
				c.Exec(g.Guest.Name, "ip", "link", "set", link, "up")
				time.Sleep(1500 * time.Millisecond)
				return errors.New(out)
			}
			return nil
		})
		if out := c.Exec(g.Guest.Name, "ip", "-6", "route", "show", "default"); strings.TrimSpace(out) != "" {
			t.Errorf("a DHCP host made itself a way out: %s", out)
		}
		told := c.Dhclient(g, 60)
		servers := strings.Fields(told["new_dhcp6_name_servers"])
		if len(servers) != 2 {
			t.Fatalf("%s: dhclient was told %v", mode, told)
		}
		for _, server := range servers {
			if got := c.Resolve(g, server, "six.openstacklocal"); len(got) != 1 || got[0] != c.fixed(p, 6).String() {
				t.Errorf("%s says %v", server, got)
			}
		}
	}
}

func TestLeasesOutliveServersAndAgents(t *testing.T) {
	t.Parallel()
	c := Start(t, withDHCP)
	n := c.Network(nil)
	c.Subnet(n, "10.0.0.0/24")
	g := c.Bare("hv1", "g", c.Port(n, nil))
	told := c.Lease(g)
	hosts := []string{"net1", "net2"}
	for _, host := range hosts {
		if c.dnsmasq(n, host) == 0 {
			t.Fatalf("%s does not serve: %v", host, c.dhcpNamespace(n, host))
		}
	}

	// One host is gone with everything on it: the other one answers.
	c.Must(c.Lab.Stop(c.Context(), "net2", "agent", true))
	c.Must(syscall.Kill(c.dnsmasq(n, "net2"), syscall.SIGKILL))
	if again := c.Lease(g); again["ip"] != told["ip"] || again["serverid"] == "" {
		t.Errorf("told %v", again)
	}

	// A dnsmasq that is killed comes back, and gives the same addresses.
	old := c.dnsmasq(n, "net1")
	c.Must(syscall.Kill(old, syscall.SIGKILL))
	c.Lease(g)
	before := c.dnsmasq(n, "net1")
	if before == old || before == 0 {
		t.Errorf("dnsmasq is %d, was %d", before, old)
	}

	// An agent that was killed finds everything as it should be.
	state := func() string {
		return c.Exec("net1", "sh", "-c", "ls -l --time-style=full-iso "+c.dhcpDir(n, "net1")+"/host "+c.dhcpDir(n, "net1")+"/opts "+c.dhcpDir(n, "net1")+"/addn_hosts; ip -n "+c.dhcpNamespace(n, "net1")+" address; ovs-vsctl --columns=_uuid,name list interface")
	}
	files := state()
	c.Must(c.Lab.Stop(c.Context(), "net1", "agent", true))
	if !c.leases(g) {
		t.Error("nothing is served while no agent runs")
	}
	c.Must(c.Lab.Start(c.Context(), "net1", "agent"))
	var log []byte
	c.Eventually("the agent to have looked at everything", func() error {
		log, _ = os.ReadFile(c.logOf("net1", "agent"))
		if i := bytes.LastIndex(log, []byte(" ready: host net1")); bytes.Count(log, []byte(" ready: ")) < 2 || !bytes.Contains(log[i:], []byte("child adopted")) {
			return errors.New("no child adopted")
		}
		return nil
	})
	time.Sleep(time.Second)
	log, _ = os.ReadFile(c.logOf("net1", "agent"))
	log = log[bytes.LastIndex(log, []byte(" ready: ")):]
	if after := c.dnsmasq(n, "net1"); after != before {
		t.Errorf("dnsmasq was %d and is %d", before, after)
	}
	if now := state(); now != files {
		t.Errorf("was\n%s\nis\n%s", files, now)
	}
	for _, wrote := range []string{"dhcp server changed", "child started", "child reloaded"} {
		if bytes.Contains(log, []byte(wrote)) {
			t.Errorf("the agent wrote something:\n%s", log)
		}
	}
	c.Lease(g)

	// Open vSwitch makes its links anew, outside the namespace.
	c.Restart("net1", "ovs-vswitchd", true)
	c.Eventually("a lease after the switch was restarted", func() error {
		if c.Udhcpc(g)["ip"] != told["ip"] {
			return errors.New("no lease")
		}
		return nil
	})
}

// leases reports whether the guest gets a lease.
func (c *Cloud) leases(g Guest) bool {
	c.Helper()
	return c.Udhcpc(g)["ip"] == c.fixed(g.Port, 4).String()
}

func (c *Cloud) logOf(host, program string) string {
	for _, h := range c.Lab.Plan().Hosts {
		if h.Name == host {
			return h.Dir + "/" + program + ".log"
		}
	}
	return ""
}

func TestAPortIsActiveOnlyWhenDHCPHasIt(t *testing.T) {
	t.Parallel()
	c := Start(t, strings.Replace(withDHCP, "  - { name: net2, roles: [network], agent: { roles: [l2, dhcp, metadata] } }\n", "", 1))
	n := c.Network(nil)
	c.Subnet(n, "10.0.0.0/24")
	c.Bare("hv1", "first", c.Port(n, nil)) // ACTIVE once the server is there
	c.Eventually("the server", func() error {
		if c.dnsmasq(n, "net1") == 0 {
			return errors.New("no dnsmasq")
		}
		return nil
	})
	c.AwaitInSync("net1")
	time.Sleep(time.Second) // its report is stored
	c.Must(c.Lab.Stop(c.Context(), "net1", "agent", true))
	p := c.Port(n, nil)
	_, err := c.Lab.Plug(c.Context(), lab.PlugRequest{Host: "hv1", Port: p.ID, Guest: "late", NoAddress: true})
	c.Must(err)
	time.Sleep(2 * time.Second)
	if got := c.ShowPort(p.ID).Status; got != "DOWN" {
		t.Errorf("the port is %s while no DHCP server has it", got)
	}
	c.Must(c.Lab.Start(c.Context(), "net1", "agent"))
	c.Must(c.Lab.AwaitPort(c.Context(), p.ID, "ACTIVE"))
	g, err := c.Lab.Guest("late")
	c.Must(err)
	c.Lease(c.guest(g, p))
}

func TestAnAddressGoesToItsNextPort(t *testing.T) {
	t.Parallel()
	c := Start(t, withDHCP)
	n := c.Network(nil)
	c.Subnet(n, "10.0.0.0/24")
	c.create("subnet", Attributes{
		"network_id": n.ID, "cidr": "2001:db8:1::/64", "ip_version": 6, "ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful",
	}, &Subnet{})
	at := Attributes{"fixed_ips": []Attributes{{"ip_address": "10.0.0.9"}, {"ip_address": "2001:db8:1::9"}}}
	for i := range 2 {
		p := c.Port(n, at)
		g := c.Bare("hv1", fmt.Sprintf("g%d", i), p)
		c.Lease(g)
		if told := c.Dhclient(g, 6); told["new_ip6_address"] != "2001:db8:1::9" {
			t.Errorf("port %d was told %v", i+1, told)
		}
		c.Must(c.Lab.Unplug(c.Context(), p.ID))
		c.Delete("port", p.ID)
	}
	c.Eventually("the network to be forgotten", func() error { return c.dropNetwork(n) })
}

// dropNetwork deletes the network and says what is left of its servers.
func (c *Cloud) dropNetwork(n Network) error {
	_ = c.Lab.API().Call(c.Context(), "DELETE", "/v2.0/networks/"+n.ID, nil, nil)
	for _, host := range []string{"net1", "net2"} {
		if _, err := os.Stat(c.dhcpDir(n, host)); err == nil || c.dhcpNamespace(n, host) != "" {
			return fmt.Errorf("%s still has it", host)
		}
		if out := c.Exec(host, "ovs-vsctl", "list-ports", "br-int"); strings.Contains(out, "tap") {
			return fmt.Errorf("%s has ports %s", host, out)
		}
	}
	return nil
}

func TestAStormOfOneGuestDoesNotKeepOthersFromTheirLeases(t *testing.T) {
	c := Start(t, withDHCP)
	n := c.Network(nil)
	c.Subnet(n, "10.0.0.0/24")
	bad := c.Bare("hv1", "bad", c.Port(n, nil))
	good := c.Bare("hv1", "good", c.Port(n, nil))
	c.Lease(bad)
	storm := time.Now()
	stop := c.storm(bad)
	time.Sleep(time.Second)
	for range 3 {
		began := time.Now()
		c.Lease(good)
		t.Logf("a lease in the storm took %s", time.Since(began))
	}
	sent, lasted := stop(), time.Since(storm)
	came, lost := c.paced("hv1", bad)
	t.Logf("%d packets sent in %s, %d came to the meter, %d were too many", sent, lasted, came, lost)
	// 20 a second and 40 at once, and what the guest asked before.
	if most := 40 + 20*int(lasted.Seconds()+3); came < 1000 || came-lost > most {
		t.Errorf("%d of %d packets passed, want %d at most of thousands", came-lost, came, most)
	}
	c.Lease(bad)

	c.Exec("hv1", "ovs-ofctl", "-O", "OpenFlow15", "del-meters", "br-int")
	c.Eventually("meters that somebody deleted are there again", func() error {
		flow := fmt.Sprintf("actions=meter:%d,", 256+c.ofport("hv1", bad)%256)
		if list := c.Exec("hv1", "ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "br-int", "table=60"); !strings.Contains(list, flow) {
			return errors.New(list)
		}
		return nil
	})
	c.Lease(bad)
}

// ofport is the guest's OpenFlow port on br-int.
func (c *Cloud) ofport(host string, g Guest) int {
	c.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(c.Exec(host, "ovs-vsctl", "--bare", "--columns=ofport", "find", "interface", "external_ids:iface-id="+g.Port.ID)))
	c.Must(err)
	return n
}

// paced reads how many packets have come to the guest's meter, and how many of
// them it took.
func (c *Cloud) paced(host string, g Guest) (came, lost int) {
	c.Helper()
	text := c.Exec(host, "ovs-ofctl", "-O", "OpenFlow15", "meter-stats", "br-int", fmt.Sprintf("meter=%d", 256+c.ofport(host, g)%256))
	m := regexp.MustCompile(`(?s)packet_in_count:(\d+).*0: packet_count:(\d+)`).FindStringSubmatch(text)
	if m == nil {
		c.Fatalf("the guest has no meter:\n%s", text)
	}
	came, _ = strconv.Atoi(m[1])
	lost, _ = strconv.Atoi(m[2])
	return came, lost
}

// storm has the guest send as many DHCP packets as it can, well-formed and broken;
// the function that it gives ends that.
func (c *Cloud) storm(g Guest) (stop func() int) {
	c.Helper()
	var conn net.PacketConn
	c.Must(g.Inside(func() error {
		lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
			_ = raw.Control(func(fd uintptr) {
				err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1), unix.BindToDevice(int(fd), g.NICs[0].Link))
			})
			return err
		}}
		var err error
		conn, err = lc.ListenPacket(c.Context(), "udp4", "0.0.0.0:68")
		return err
	}))
	mac, err := net.ParseMAC(g.Port.MAC)
	c.Must(err)
	packet := make([]byte, 300)
	copy(packet, []byte{1, 1, 6})
	copy(packet[28:], mac)
	copy(packet[236:], []byte{99, 130, 83, 99, 53, 1, 1, 255})
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		sent := 0
		for {
			select {
			case <-done:
				ended <- sent
				return
			default:
			}
			p := slices.Clone(packet)
			p[4], p[5], p[6] = byte(sent), byte(sent>>8), byte(sent>>16)
			switch sent % 4 {
			case 1:
				p = p[:100] // cut off
			case 2:
				copy(p[240:], []byte{53, 200, 1, 61, 255}) // lengths that lie
			case 3:
				copy(p[28:], []byte{0xfa, 0x16, 0x3e, byte(sent), byte(sent >> 8), 1}) // a stranger
			}
			_, _ = conn.WriteTo(p, &net.UDPAddr{IP: net.IPv4bcast, Port: 67})
			sent++
		}
	}()
	return func() int {
		close(done)
		n := <-ended
		_ = conn.Close()
		return n
	}
}
