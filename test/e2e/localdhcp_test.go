package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/lab"
)

// local starts a lab whose hosts answer DHCP themselves.
func local(t *testing.T, topology string) *Cloud {
	t.Helper()
	topo, err := lab.LoadTopology(topology)
	if err != nil {
		t.Fatal(err)
	}
	topo.Controller = map[string]any{"dhcp": map[string]any{"mode": "local"}}
	return StartTopology(t, topo)
}

// is compares what a client was told with what it should have been.
func (c *Cloud) is(what string, got Told, want map[string]string) {
	c.Helper()
	for key, value := range want {
		if got[key] != value {
			c.Errorf("%s: %s is %q, want %q, of %v", what, key, got[key], value, got)
		}
	}
}

// TestEveryHostAnswersDHCPOfItsOwnGuests has stock clients ask.
func TestEveryHostAnswersDHCPOfItsOwnGuests(t *testing.T) {
	c := local(t, "two-node")
	hv1, hv2 := c.Lab.Plan().Hosts[0].Name, c.Lab.Plan().Hosts[1].Name
	n := c.Network(Attributes{"dns_domain": "blue.example."})
	var four, six Subnet
	c.create("subnet", Attributes{
		"network_id": n.ID, "cidr": "10.0.0.0/24", "ip_version": 4, "dns_nameservers": []string{"192.0.2.53", "192.0.2.54"},
		"host_routes": []Attributes{{"destination": "192.0.2.128/25", "nexthop": "10.0.0.7"}},
	}, &four)
	c.create("subnet", Attributes{
		"network_id": n.ID, "cidr": "2001:db8::/64", "ip_version": 6, "dns_nameservers": []string{"2001:db8:53::1"},
		"ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful",
	}, &six)
	nobody := c.SecurityGroup("nobody")
	port := c.Port(n, Attributes{"name": "a", "security_groups": []string{nobody}, "extra_dhcp_opts": []Attributes{
		{"opt_name": "tftp-server", "opt_value": "192.0.2.69", "ip_version": 4},
	}})
	a := c.Bare(hv1, "a", port)
	open := c.Port(n, Attributes{"name": "b", "security_groups": []string{}, "port_security_enabled": false})
	b := c.Bare(hv2, "b", open)
	watch := c.Watch(b, "udp port 67 or udp port 547")

	server := map[string]string{
		"subnet": "255.255.255.0", "router": "10.0.0.1", "dns": "192.0.2.53 192.0.2.54", "domain": "blue.example", "mtu": fmt.Sprint(n.MTU),
		"staticroutes": "192.0.2.128/25 10.0.0.7 0.0.0.0/0 10.0.0.1", "serverid": "10.0.0.1", "lease": "86400", "broadcast": "10.0.0.255",
	}
	asks := []string{"-O", "mtu", "-O", "staticroutes", "-O", "tftp"}
	c.is("udhcpc", c.Udhcpc(a, asks...), with(server, "ip", a.Port.FixedIPs[0].IP.String(), "tftp", "192.0.2.69"))
	c.is("udhcpc without port security", c.Udhcpc(b, asks...), with(server, "ip", b.Port.FixedIPs[0].IP.String(), "tftp", ""))
	c.is("a client that was elsewhere before", c.Udhcpc(a, "-r", "192.168.7.7"), map[string]string{"ip": a.Port.FixedIPs[0].IP.String()})
	c.is("dhclient", c.Dhclient(a, 4), map[string]string{
		"new_ip_address": a.Port.FixedIPs[0].IP.String(), "new_subnet_mask": "255.255.255.0", "new_routers": "10.0.0.1",
		"new_domain_name_servers": "192.0.2.53 192.0.2.54", "new_domain_name": "blue.example", "new_interface_mtu": fmt.Sprint(n.MTU),
		"new_dhcp_server_identifier": "10.0.0.1", "new_classless": "25 192 0 2 128 10 0 0 7 0 10 0 0 1",
	})
	for _, g := range []Guest{a, b} {
		c.is("dhclient of IPv6", c.Dhclient(g, 6), map[string]string{
			"new_ip6_address": g.Port.FixedIPs[1].IP.String(), "new_dhcp6_name_servers": "2001:db8:53::1", "new_dhcp6_domain_search": "blue.example.",
		})
	}
	c.is("dhclient of IPv6 without addresses", c.Dhclient(a, 60), map[string]string{"new_dhcp6_name_servers": "2001:db8:53::1"})
	if heard := slices.DeleteFunc(watch(), func(line string) bool { return strings.Contains(line, b.Port.MAC) }); len(heard) > 0 {
		t.Errorf("the guest on %s heard others ask: %q", hv2, heard)
	}
	var ports struct{ Ports []Port }
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/ports?device_owner=network:dhcp", nil, &ports))
	if len(ports.Ports) > 0 {
		t.Errorf("there are ports of DHCP servers: %v", ports.Ports)
	}

	c.autoconfigures(hv1)
	c.flooded(hv2, b)
	c.restartAnswers(hv1, a)
	c.Update("subnet", four.ID, Attributes{"enable_dhcp": false})
	c.Eventually("nobody answers any more", func() error {
		if told := c.Udhcpc(a); told != nil {
			return fmt.Errorf("told %v", told)
		}
		return nil
	})
	c.is("DHCPv6 goes on", c.Dhclient(a, 6), map[string]string{"new_ip6_address": a.Port.FixedIPs[1].IP.String()})
}

// with gives a copy with more pairs.
func with(m map[string]string, more ...string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = v
	}
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// restartAnswers takes the agent and the controller away: nobody answers. When the
// agent is back, alone, it answers as before, and no flow has changed.
func (c *Cloud) restartAnswers(host string, g Guest) {
	c.Helper()
	before := c.Flows(host, "br-int")
	c.Must(c.Lab.Stop(c.Context(), host, "agent", true))
	if told := c.Udhcpc(g); told != nil {
		c.Errorf("without an agent the guest is told %v", told)
	}
	controller := c.Lab.Plan().Hosts[0].Name
	c.Must(c.Lab.Stop(c.Context(), controller, "controller", false))
	c.Must(c.Lab.Start(c.Context(), host, "agent"))
	c.Eventually("answers after a restart", func() error {
		if told := c.Udhcpc(g); told["ip"] != g.Port.FixedIPs[0].IP.String() {
			return fmt.Errorf("told %v", told)
		}
		return nil
	})
	if after := c.Flows(host, "br-int"); !slices.Equal(before, after) {
		c.Errorf("flows differ after a restart:\n%s", strings.Join(after, "\n"))
	}
	c.Must(c.Lab.Start(c.Context(), controller, "controller"))
}

// autoconfigures has a guest make its own address of what the host advertises.
func (c *Cloud) autoconfigures(host string) {
	c.Helper()
	n := c.Network(nil)
	var s Subnet
	c.create("subnet", Attributes{
		"network_id": n.ID, "cidr": "2001:db8:2::/64", "ip_version": 6, "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac",
	}, &s)
	g := c.Bare(host, "auto", c.Port(n, Attributes{"name": "auto"}))
	for _, set := range []string{"accept_ra=2", "autoconf=1", "addr_gen_mode=0", "disable_ipv6=0"} {
		c.Exec("auto", "sysctl", "-qw", "net.ipv6.conf.eth0."+set)
	}
	c.Exec("auto", "ip", "link", "set", "eth0", "down")
	c.Exec("auto", "ip", "link", "set", "eth0", "up")
	c.Eventually("the guest has its address", func() error {
		out := c.Exec("auto", "ip", "-6", "addr", "show", "dev", "eth0", "scope", "global")
		if !strings.Contains(out, g.Port.FixedIPs[0].IP.String()+"/64") || strings.Contains(out, "tentative") {
			return fmt.Errorf("want %s, has %s", g.Port.FixedIPs[0].IP, out)
		}
		return nil
	})
	if out := c.Exec("auto", "ip", "-6", "route"); strings.Contains(out, "default") {
		c.Errorf("the host is no way out:\n%s", out)
	}
	c.Update("network", n.ID, Attributes{"mtu": 1312})
	c.Eventually("the guest hears of a change without asking", func() error {
		if out := c.Exec("auto", "sysctl", "-n", "net.ipv6.conf.eth0.mtu"); strings.TrimSpace(out) != "1312" {
			return fmt.Errorf("the MTU is %s", out)
		}
		return nil
	})
}

// flooded has a guest send as many questions, whole and broken, as it can; the
// guest beside it gets its answers meanwhile.
func (c *Cloud) flooded(host string, beside Guest) {
	c.Helper()
	n := c.Network(nil)
	c.Subnet(n, "10.0.0.0/24")
	bad := c.Bare(host, "bad", c.Port(n, Attributes{"name": "bad"}))
	ctx, cancel := context.WithCancel(c.Context())
	sent := make(chan int)
	go func() { sent <- c.askForEver(ctx, bad) }()
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		c.is("beside a flood", c.Udhcpc(beside), map[string]string{"ip": beside.Port.FixedIPs[0].IP.String()})
	}
	cancel()
	count := <-sent
	if count < 200 {
		c.Fatalf("only %d questions were sent", count)
	}
	meter := c.Exec(host, "ovs-ofctl", "-O", "OpenFlow15", "meter-stats", "br-int")
	if !regexp.MustCompile(`bands:\s*0: packet_count:[1-9]`).MatchString(meter) {
		c.Errorf("the switch has not limited %d questions:\n%s", count, meter)
	}
	c.Eventually("a guest that stops flooding gets its own", func() error {
		if told := c.Udhcpc(bad); told["ip"] != bad.Port.FixedIPs[0].IP.String() {
			return fmt.Errorf("told %v", told)
		}
		return nil
	})
}

// askForEver sends questions of DHCP until ctx is done, every second one cut or
// changed somewhere, and gives how many.
func (c *Cloud) askForEver(ctx context.Context, g Guest) (sent int) {
	own := hardware(g.Port.MAC)
	message := slices.Concat([]byte{1, 1, 6, 0, 1, 2, 3, 4}, make([]byte, 20), own, make([]byte, 202), []byte{99, 130, 83, 99, 53, 1, 1, 255})
	random := rand.New(rand.NewPCG(3, 4))
	err := g.Inside(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
			return err
		}
		for ctx.Err() == nil {
			body := slices.Clone(message)
			if sent%2 == 1 {
				body[random.IntN(len(body))] = byte(random.Uint32())
				body = body[:1+random.IntN(len(body))]
			}
			datagram := binary.BigEndian.AppendUint16([]byte{0, 68, 0, 67}, uint16(8+len(body)))
			ip := ipv4(netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255}), 17, 0, slices.Concat(datagram, []byte{0, 0}, body))
			if _, err := unix.Write(fd, ethernet(bytes.Repeat([]byte{0xff}, 6), own, 0x0800, ip)); err == nil {
				sent++
			}
			time.Sleep(50 * time.Microsecond)
		}
		return nil
	})
	if err != nil {
		c.Error(err)
	}
	return sent
}

// TestAGuestOnAnIsolatedNetworkLeasesARouteToItsMetadata has neither router, DHCP
// server nor metadata server anywhere: the guest's host is all of them.
func TestAGuestOnAnIsolatedNetworkLeasesARouteToItsMetadata(t *testing.T) {
	t.Parallel()
	c := Start(t, `
controller: { dhcp: { mode: local } }
agent: { metadata: { mode: local } }
hosts:
  - { name: all, roles: [controller, compute], agent: { roles: [l2, metadata] } }
`)
	n := c.Network(nil)
	c.Subnet(n, "10.0.0.0/24")
	g := c.Bare("all", "alone", c.Port(n, Attributes{"name": "alone"}))
	c.Instance(Attributes{"name": "alone"}, g)
	told := c.Lease(g, "121")
	c.is("a guest on its own", told, map[string]string{"staticroutes": "169.254.169.254/32 0.0.0.0 0.0.0.0/0 10.0.0.1"})
	c.Exec("alone", "ip", "address", "add", told["ip"]+"/"+told["mask"], "dev", "eth0")
	c.Exec("alone", "ip", "route", "add", "169.254.169.254/32", "dev", "eth0")
	c.Told(g, metadata4+"/latest/meta-data/hostname", "alone.openstacklocal")
}
