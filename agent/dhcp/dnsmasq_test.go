package dhcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/linux/sysctl"
	"github.com/lepton-sdn/lepton/model"
)

// served is a real dnsmasq with the files of a Server, and the other end of its
// link.
type served struct {
	t       *testing.T
	ns, far string
	link    string
	server  *Server
	dir     string
}

func serve(t *testing.T, s *Server) *served {
	t.Helper()
	d := &served{t: t, ns: linuxtest.Namespace(t), far: linuxtest.Namespace(t), link: s.Port.Name, server: s}
	linuxtest.Veth(t, d.ns, d.link, d.far, "guest0")
	linuxtest.Run(t, d.far, "sysctl", "-qw", "net.ipv6.conf.guest0.accept_dad=0")
	if _, err := sysctl.Apply(d.ns, s.Sysctls); err != nil {
		t.Fatal(err)
	}
	if _, err := links.Apply(d.ns, s.Links); err != nil {
		t.Fatal(err)
	}
	if n, err := guard(t.Context(), d.ns); n != 2 || err != nil {
		t.Fatalf("guard: %d, %v", n, err)
	}
	dir := t.TempDir()
	for p := dir; p != "/tmp" && p != "/"; p = p[:strings.LastIndexByte(p, '/')] {
		_ = os.Chmod(p, 0o755)
	}
	if _, err := s.writeFiles(dir); err != nil {
		t.Fatal(err)
	}
	d.dir = dir
	spec := s.spec(dir, d.ns)
	cmd := exec.Command(spec.Path, append(spec.Args, "--log-facility=-", "--log-debug")...)
	var log bytes.Buffer
	cmd.Stderr, cmd.Stdout = &log, &log
	if err := netns.Do(d.ns, cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("dnsmasq: %s", log.String())
		}
	})
	if err := s.awaitReady(context.Background(), d.ns, func() bool { return false }); err != nil {
		t.Fatalf("%v: %s", err, log.String())
	}
	return d
}

// socket opens a client's socket on the far end, with the MAC.
func (d *served) socket(mac model.MAC, network, address string) net.PacketConn {
	d.t.Helper()
	linuxtest.Run(d.t, d.far, "ip", "link", "set", "guest0", "address", mac.String())
	// Another MAC is another guest, with its own link-local address: the server
	// would answer the MAC that it knows the address of.
	linuxtest.Run(d.t, d.far, "ip", "-6", "address", "flush", "dev", "guest0")
	linuxtest.Run(d.t, d.far, "ip", "address", "add", mac.LinkLocal().String()+"/64", "dev", "guest0", "nodad")
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		_ = c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
			if err == nil {
				err = unix.BindToDevice(int(fd), "guest0")
			}
		})
		return err
	}}
	var conn net.PacketConn
	err := netns.Do(d.far, func() (err error) {
		conn, err = lc.ListenPacket(context.Background(), network, address)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	return conn
}

// offer asks for an address with DHCPv4, and for all options; nil for no answer.
func (d *served) offer(mac model.MAC, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	d.t.Helper()
	conn := d.socket(mac, "udp4", "0.0.0.0:68")
	defer conn.Close()
	var all []dhcpv4.OptionCode
	for i := 1; i < 255; i++ {
		if i != 80 { // rapid commit is another conversation
			all = append(all, dhcpv4.GenericOptionCode(i))
		}
	}
	req, err := dhcpv4.NewDiscovery(net.HardwareAddr(mac[:]), append([]dhcpv4.Modifier{
		dhcpv4.WithBroadcast(true), dhcpv4.WithRequestedOptions(all...),
		dhcpv4.WithOption(dhcpv4.OptMaxMessageSize(1400)),
	}, more...)...)
	if err != nil {
		d.t.Fatal(err)
	}
	buf := make([]byte, 2000)
	for range 3 {
		if _, err := conn.WriteTo(req.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: 67}); err != nil {
			d.t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(700 * time.Millisecond))
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				break
			}
			if m, err := dhcpv4.FromBytes(buf[:n]); err == nil && m.TransactionID == req.TransactionID {
				return m
			}
		}
	}
	return nil
}

// ask6 sends a message of DHCPv6 and gives the answer; nil for none.
func (d *served) ask6(mac model.MAC, m *dhcpv6.Message) *dhcpv6.Message {
	d.t.Helper()
	conn := d.socket(mac, "udp6", "[::]:546")
	defer conn.Close()
	buf := make([]byte, 4000)
	for range 8 {
		_, err := conn.WriteTo(m.ToBytes(), &net.UDPAddr{IP: net.ParseIP("ff02::1:2"), Port: 547, Zone: "guest0"})
		if err != nil { // there is no link-local address yet
			time.Sleep(200 * time.Millisecond)
			continue
		}
		_ = conn.SetReadDeadline(time.Now().Add(700 * time.Millisecond))
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				break
			}
			if a, err := dhcpv6.MessageFromBytes(buf[:n]); err == nil && a.TransactionID == m.TransactionID {
				return a
			}
		}
	}
	return nil
}

const (
	netID    = "40f78da5-e238-4231-a707-9d8a6c40d937"
	subID    = "95acb25d-daeb-4499-a60e-979f0d753793"
	sub6ID   = "5ae1ec6d-1f1c-4a40-8a2d-3e3c64d4b0a1"
	serverID = "4b954204-d6c9-4816-ba62-2613c28fdbcf"
	portA    = "66ba06ae-c578-4a55-9447-23576d4135a4"
	portB    = "93881ddc-691d-4148-ae78-f15e2fa86544"
)

func mac(s string) model.MAC {
	m, err := model.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

var (
	macA = mac("fa:16:3e:84:47:34")
	macB = mac("fa:16:3e:92:74:39")
)

// isolated is the isolated network of scenario i_metadata of the reference.
func isolated() answers.Input {
	in := answers.Input{Network: &model.Network{Meta: model.Meta{ID: netID}, MTU: 1450, AdminStateUp: true}}
	in.Settings.Domain = "openstacklocal"
	in.Subnets = []*model.Subnet{{
		Meta: model.Meta{ID: subID}, NetworkID: netID, CIDR: netip.MustParsePrefix("10.30.0.0/24"), IPVersion: 4, EnableDHCP: true,
	}}
	at := func(id, owner string, m model.MAC, ip string) *model.Port {
		return &model.Port{
			Meta: model.Meta{ID: id}, NetworkID: netID, MAC: m, DeviceOwner: owner, AdminStateUp: true,
			FixedIPs: []model.FixedIP{{SubnetID: subID, IP: netip.MustParseAddr(ip)}},
		}
	}
	in.Server = at(serverID, "network:dhcp", mac("fa:16:3e:8d:c9:55"), "10.30.0.1")
	in.Ports = []*model.Port{in.Server, at(portA, "compute:nova", macA, "10.30.0.120"), at(portB, "compute:nova", macB, "10.30.0.44")}
	return in
}

// six adds a subnet of IPv6 with addresses for all.
func six(in *answers.Input, addressMode, raMode string) {
	s := &model.Subnet{
		Meta: model.Meta{ID: sub6ID}, NetworkID: netID, CIDR: netip.MustParsePrefix("2001:db8::/64"), IPVersion: 6, EnableDHCP: true,
		Gateway: netip.MustParseAddr("2001:db8::1"), IPv6AddressMode: addressMode, IPv6RAMode: raMode,
	}
	in.Subnets = append(in.Subnets, s)
	for i, p := range in.Ports {
		ip := netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", 0x100+i))
		if addressMode == "slaac" || addressMode == "dhcpv6-stateless" {
			ip = p.MAC.EUI64(s.CIDR)
		}
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: sub6ID, IP: ip})
	}
}

func options() Options {
	return Options{Settings: answers.Settings{LeaseTime: 24 * time.Hour, IsolatedMetadata: true}}
}

// values are one for every option that a port may have by name, and some that
// have none.
var values4 = map[string]string{
	"time-offset": "-3600", "router": "10.30.0.7,10.30.0.8", "dns-server": "10.30.0.9", "log-server": "10.30.0.9",
	"boot-file-size": "300", "root-path": "/nfs/root:1,2", "ip-forward-enable": "1", "policy-filter": "10.0.0.0,255.0.0.0",
	"default-ttl": "61", "mtu": "1400", "static-route": "10.9.0.0,10.30.0.7", "arp-timeout": "70000", "tcp-ttl": "64",
	"nis-domain": "nis.example", "ntp-server": "192.0.2.1, 192.0.2.2", "netbios-nodetype": "8", "T1": "1000", "T2": "2000",
	"vendor-class": "PXEClient", "tftp-server": "192.0.2.9", "bootfile-name": "http://192.0.2.9/boot.ipxe", "smtp-server": "192.0.2.3",
	"client-arch": "7", "posix-timezone": "EST5EDT4,M3.2.0/02:00,M11.1.0/02:00", "ipv6-only": "1800",
	"domain-search": "a.example,b.test", "classless-static-route": "10.0.0.0/8,10.30.0.7,0.0.0.0/0,10.30.0.1", "249": "10.0.0.0/8, 10.30.0.7",
	"150": "192.0.2.4", "224": "de:ad:be:ef", "225": "a", "226": "7", "227": "a\nb\"c\\d#e`f`$(g),h", "228": "10.30.0.99",
	"229": "300", "230": "x y", "231": "dead", "232": "ab", "233": "-1", "234": "é", "sip-server": "192.0.2.5, 192.0.2.6", "hostname": "other", "43": "300", "56": "*", "netmask": "255.255.0.0", "broadcast": "10.30.0.200", "vendor-id-encap": "00:00:0d:e9:01:00", "18": "\"quoted\" \\ #x `id` $(id)", "101": "a:b", "235": "0x10", "236": "1,2",
}

func TestDnsmasqSendsEveryOptionAsItIsMeant(t *testing.T) {
	in := isolated()
	want := map[uint16][]byte{}
	for name, value := range values4 {
		o := model.DHCPOption{Name: name, Value: value, IPVersion: 4}
		enc, err := answers.Encode(o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		in.Ports[1].ExtraDHCPOpts = append(in.Ports[1].ExtraDHCPOpts, o)
		want[enc.Code] = enc.Data
	}
	d := serve(t, Desired(in, options()))
	m := d.offer(macA)
	if m == nil || m.YourIPAddr.String() != "10.30.0.120" {
		t.Fatalf("offered %v", m)
	}
	for code, data := range want {
		if got := m.Options.Get(dhcpv4.GenericOptionCode(code)); !bytes.Equal(got, data) && code != 119 && code != 67 && code != 66 {
			t.Errorf("option %d: %x, want %x", code, got, data)
		}
	}
}

func TestDnsmasqSendsOptionsOfDHCPv6AsTheyAreMeant(t *testing.T) {
	in := isolated()
	six(&in, "dhcpv6-stateful", "")
	want := map[uint16][]byte{}
	for name, value := range map[string]string{
		"ntp-server": "2001:db8::5, [2001:db8::6]", "sip-server": "2001:db8::9", "dns-server": "[2001:db8::7],[2001:db8::8]", "domain-search": "a.example,b.test",
		"information-refresh-time": "4000", "posix-timezone": "EST5EDT4,M3.2.0/02:00", "bootfile-url": "http://[2001:db8::9]/x?a=b,c",
		"tzdb-timezone":  "2001:db8::9", // a text, whatever it looks like
		"bootfile-param": "2001:db8::9,c", "100": "de:ad", "101": "x\ny", "102": "7", "103": "2001:db8::77", "104": "word", "105": "300",
	} {
		o := model.DHCPOption{Name: name, Value: value, IPVersion: 6}
		enc, err := answers.Encode(o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		in.Ports[1].ExtraDHCPOpts = append(in.Ports[1].ExtraDHCPOpts, o)
		want[enc.Code] = enc.Data
	}
	d := serve(t, Desired(in, options()))
	a := d.solicit(macA)
	if a == nil {
		t.Fatal("no answer")
	}
	if ip := a.Options.OneIANA().Options.OneAddress(); ip == nil || ip.IPv6Addr.String() != "2001:db8::101" {
		t.Errorf("told %s", a.Summary())
	}
	for code, data := range want {
		o := a.GetOneOption(dhcpv6.OptionCode(code))
		if o == nil || !bytes.Equal(o.ToBytes(), data) {
			t.Errorf("option %d: %v, want %x", code, o, data)
		}
	}
	if d.solicit(mac("fa:16:3e:00:00:99")) != nil {
		t.Error("a stranger is answered")
	}
}

// solicit asks for an address with DHCPv6, and for all options.
func (d *served) solicit(m model.MAC) *dhcpv6.Message {
	var all []dhcpv6.OptionCode
	for i := 20; i < 120; i++ {
		all = append(all, dhcpv6.OptionCode(i))
	}
	req, err := dhcpv6.NewSolicit(net.HardwareAddr(m[:]), dhcpv6.WithRequestedOptions(all...))
	if err != nil {
		d.t.Fatal(err)
	}
	return d.ask6(m, req)
}

func TestStatelessGuestsGetOptionsAndNoAddress(t *testing.T) {
	in := isolated()
	six(&in, "dhcpv6-stateless", "dhcpv6-stateless")
	d := serve(t, Desired(in, options()))
	req, err := dhcpv6.NewMessage(dhcpv6.WithClientID(&dhcpv6.DUIDLL{HWType: 1, LinkLayerAddr: net.HardwareAddr(macA[:])}),
		dhcpv6.WithRequestedOptions(dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionDomainSearchList))
	if err != nil {
		t.Fatal(err)
	}
	req.MessageType = dhcpv6.MessageTypeInformationRequest
	a := d.ask6(macA, req)
	if a == nil || a.Options.DomainSearchList().String() != "[openstacklocal]" || len(a.Options.DNS()) != 1 {
		t.Fatalf("told %v", a)
	}
	// Advertised with the flag O and autoconfiguration, and as no way out.
	ra := d.advertised()
	if lifetime := binary.BigEndian.Uint16(ra[6:]); ra[5]&0xc0 != 0x40 || lifetime != 0 {
		t.Errorf("flags %#x, lifetime %d", ra[5], lifetime)
	}
	if p := prefixInfo(ra); p == nil || p[3]&0x40 == 0 || p[2] != 64 {
		t.Errorf("prefix %x", p)
	}
}

func TestAdvertisementsSayWhatTheModeIs(t *testing.T) {
	for _, tc := range []struct {
		mode       string
		flags      byte // M 0x80, O 0x40
		autonomous bool
	}{{"slaac", 0, true}, {"dhcpv6-stateful", 0xc0, false}} {
		t.Run(tc.mode, func(t *testing.T) {
			in := isolated()
			six(&in, tc.mode, tc.mode)
			d := serve(t, Desired(in, options()))
			ra := d.advertised()
			p := prefixInfo(ra)
			if ra[5]&0xc0 != tc.flags || p == nil || (p[3]&0x40 != 0) != tc.autonomous {
				t.Errorf("flags %#x, prefix %x", ra[5], p)
			}
			if !bytes.Contains(ra, []byte("openstacklocal")) {
				t.Errorf("no domain in %x", ra)
			}
		})
	}
}

// advertised asks for a router advertisement (RFC 4861, section 4.2).
func (d *served) advertised() []byte {
	d.t.Helper()
	var conn net.PacketConn
	err := netns.Do(d.far, func() (err error) {
		conn, err = net.ListenPacket("ip6:ipv6-icmp", "::")
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 2000)
	for range 20 {
		_, _ = conn.WriteTo([]byte{133, 0, 0, 0, 0, 0, 0, 0}, &net.IPAddr{IP: net.ParseIP("ff02::2"), Zone: "guest0"})
		_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				break
			}
			if n > 16 && buf[0] == 134 {
				return buf[:n]
			}
		}
	}
	d.t.Fatal("nothing advertised")
	return nil
}

// prefixInfo is the option of a prefix (RFC 4861, section 4.6.2).
func prefixInfo(ra []byte) []byte {
	for o := ra[16:]; len(o) > 8 && o[1] > 0 && len(o) >= int(o[1])*8; o = o[int(o[1])*8:] {
		if o[0] == 3 {
			return o[:int(o[1])*8]
		}
	}
	return nil
}

func TestStrangersAreNotAnswered(t *testing.T) {
	d := serve(t, Desired(isolated(), options()))
	if m := d.offer(mac("fa:16:3e:00:00:99")); m != nil {
		t.Errorf("a stranger was told %s", m.Summary())
	}
	// A guest that claims another one's address or identity gets its own.
	m := d.offer(macB, dhcpv4.WithOption(dhcpv4.OptClientIdentifier(append([]byte{1}, macA[:]...))),
		dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP("10.30.0.120"))), dhcpv4.WithOption(dhcpv4.OptHostName("web")))
	if m == nil || m.YourIPAddr.String() != "10.30.0.44" {
		t.Errorf("offered %v", m)
	}
}

func TestAGuestWithAnOddNameIsAnswered(t *testing.T) {
	in := isolated()
	in.Settings.Domain = ""
	in.Ports[1].DNSName, in.Ports[2].DNSName = "ignore", "1d"
	d := serve(t, Desired(in, options()))
	for m, name := range map[model.MAC]string{macA: "host-ignore", macB: "host-1d"} {
		if got := d.offer(m); got == nil || string(got.Options.Get(dhcpv4.OptionHostName)) != name {
			t.Errorf("%s is told %v", m, got)
		}
	}
}

// One line tells of both families where they have one name.
func TestAGuestWithANameIsInOneLineAndAnsweredInBothFamilies(t *testing.T) {
	in := isolated()
	six(&in, "dhcpv6-stateful", "")
	in.Ports[1].DNSName, in.Ports[2].DNSName = "web", "db"
	in.Ports[1].ExtraDHCPOpts = []model.DHCPOption{{Name: "224", Value: "four", IPVersion: 4}, {Name: "224", Value: "six", IPVersion: 6}}
	in.Ports[2].ExtraDHCPOpts = []model.DHCPOption{{Name: "client-id", Value: "node-7", IPVersion: 4}} // nobody's DUID
	s := Desired(in, options())
	want := macA.String() + ",web.openstacklocal,10.30.0.120,[2001:db8::101],set:port-" + portA + "\n" +
		macB.String() + ",id:node-7,db.openstacklocal,10.30.0.44\n" + macB.String() + ",db.openstacklocal,[2001:db8::102]\n"
	if s.Hosts != want {
		t.Errorf("hosts:\n%s\nwant:\n%s", s.Hosts, want)
	}
	d := serve(t, s)
	for m, ip := range map[model.MAC]string{macA: "10.30.0.120", macB: "10.30.0.44"} {
		if got := d.offer(m); got == nil || got.YourIPAddr.String() != ip || m == macA && string(got.Options.Get(dhcpv4.GenericOptionCode(224))) != "four" {
			t.Errorf("%s is offered %v", m, got)
		}
	}
	a := d.solicit(macA)
	if a == nil || a.Options.OneIANA().Options.OneAddress().IPv6Addr.String() != "2001:db8::101" {
		t.Fatalf("%s is told %v", macA, a)
	}
}
