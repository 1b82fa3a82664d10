package answers

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/test/golden"
)

const (
	network = "40f78da5-e238-4231-a707-9d8a6c40d937"
	subnetA = "95acb25d-daeb-4499-a60e-979f0d753793"
	subnetB = "0068e773-ddbd-4549-a006-0f185b52e2aa"
	subnet6 = "5ae1ec6d-1f1c-4a40-8a2d-3e3c64d4b0a1"
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// isolated is the isolated network of scenario i_metadata of the reference: no
// gateway, one DHCP server.
func isolated() *Input {
	in := &Input{
		Network:  &model.Network{Meta: model.Meta{ID: network}, MTU: 1450},
		Settings: Settings{Domain: "openstacklocal", LeaseTime: 24 * time.Hour, IsolatedMetadata: true},
	}
	in.subnetOf(subnetA, "10.30.0.0/24", "")
	in.Server = in.port("4b954204-d6c9-4816-ba62-2613c28fdbcf", ownerDHCP, subnetA, "10.30.0.1")
	in.port("66ba06ae-c578-4a55-9447-23576d4135a4", "compute:nova", subnetA, "10.30.0.120")
	in.port("93881ddc-691d-4148-ae78-f15e2fa86544", "compute:nova", subnetA, "10.30.0.44")
	return in
}

func (in *Input) subnetOf(id, cidr, gateway string) *model.Subnet {
	s := &model.Subnet{Meta: model.Meta{ID: id}, NetworkID: network, CIDR: prefix(cidr), IPVersion: 4, EnableDHCP: true}
	if gateway != "" {
		s.Gateway = addr(gateway)
	}
	if s.CIDR.Addr().Is6() {
		s.IPVersion = 6
	}
	in.Subnets = append(in.Subnets, s)
	return s
}

// port adds a port with addresses as subnet, address, ….
func (in *Input) port(id, owner string, fixed ...string) *model.Port {
	mac, err := model.ParseMAC("fa:16:3e:" + id[0:2] + ":" + id[2:4] + ":" + id[4:6])
	if err != nil {
		panic(err)
	}
	p := &model.Port{Meta: model.Meta{ID: id}, NetworkID: network, DeviceOwner: owner, MAC: mac}
	for i := 0; i < len(fixed); i += 2 {
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: fixed[i], IP: addr(fixed[i+1])})
	}
	in.Ports = append(in.Ports, p)
	return p
}

func (in *Input) guest(i int) *model.Port { return in.Ports[1+i] }

func TestAnswersAreGolden(t *testing.T) {
	for name, change := range map[string]func(*Input){
		"isolated": func(*Input) {},
		"routed": func(in *Input) {
			in.Subnets[0].Gateway = addr("10.30.0.254")
			in.port("3987e110-63a9-4bc8-bc8f-cc51daade650", "network:router_interface", subnetA, "10.30.0.254")
		},
		"gateway without router": func(in *Input) { in.Subnets[0].Gateway = addr("10.30.0.254") },
		"two servers and two subnets": func(in *Input) {
			in.subnetOf(subnetB, "10.40.0.0/20", "10.40.0.1").HostRoutes = []model.HostRoute{
				{Destination: prefix("192.0.2.0/25"), NextHop: addr("10.40.0.7")},
				{Destination: prefix("0.0.0.0/0"), NextHop: addr("10.40.0.8")}, // the gateway counts
			}
			in.Server.FixedIPs = append(in.Server.FixedIPs, model.FixedIP{SubnetID: subnetB, IP: addr("10.40.0.2")})
			in.port("00000000-d6c9-4816-ba62-2613c28fdbcf", ownerDHCP, subnetA, "10.30.0.2", subnetB, "10.40.0.3")
			in.port("3355e3ac-6223-4eef-b9fd-0d5288dccaa7", "compute:nova", subnetB, "10.40.0.9", subnetA, "10.30.0.9")
		},
		"own name servers and names": func(in *Input) {
			in.Subnets[0].DNSNameservers = []netip.Addr{addr("192.0.2.53"), addr("192.0.2.54")}
			in.Network.DNSDomain = "red.example."
			in.guest(0).DNSName = "web"
			in.guest(0).DNSDomain = "port.example."
			in.guest(1).DNSName = "a.b.openstacklocal."
		},
		"metadata on the link": func(in *Input) {
			in.Settings.IsolatedMetadata, in.Settings.LinkMetadata, in.Server = false, true, nil
			in.subnetOf(subnetB, "10.40.0.0/24", "10.40.0.1")
			in.port("3987e110-63a9-4bc8-bc8f-cc51daade650", "network:router_interface", subnetB, "10.40.0.1")
		},
		"no name servers at all": func(in *Input) { in.Subnets[0].DNSNameservers = []netip.Addr{addr("0.0.0.0")} },
		"options of a port": func(in *Input) {
			in.guest(0).ExtraDHCPOpts = []model.DHCPOption{
				{Name: "tftp-server", Value: "192.0.2.9", IPVersion: 4},
				{Name: "150", Value: "192.0.2.9", IPVersion: 4},
				{Name: "tag:ipxe,67", Value: "http://192.0.2.9/boot.ipxe", IPVersion: 4},
				{Name: "tag:!ipxe,bootfile-name", Value: "undionly.kpxe", IPVersion: 4},
				{Name: "router", Value: "10.30.0.77", IPVersion: 4},
				{Name: "249", Value: "", IPVersion: 4},
				{Name: "224", Value: "de:ad:be:ef", IPVersion: 4},
				{Name: "225", Value: "a\nb", IPVersion: 4},
				{Name: "client-id", Value: "fixed-7", IPVersion: 4},
				{Name: "nonsense", Value: "x", IPVersion: 4},
				{Name: "54", Value: "10.0.0.1", IPVersion: 4},
				{Name: "ntp-server", Value: "pool", IPVersion: 4},
				{Name: "59", Value: "tftp://[2001:db8::9]/boot", IPVersion: 6},
			}
		},
		"six stateful": func(in *Input) { six(in, "dhcpv6-stateful") },
		"six stateless": func(in *Input) {
			six(in, "dhcpv6-stateless")
			in.port("3987e110-63a9-4bc8-bc8f-cc51daade650", "network:router_interface", subnet6, "2001:db8::1")
		},
		"six slaac": func(in *Input) { six(in, "slaac") },
		"six by another's advertisements": func(in *Input) {
			six(in, "dhcpv6-stateful")
			in.Subnets[1].IPv6RAMode = ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := isolated()
			change(in)
			golden.Text(t, filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt"), Of(*in).String())
		})
	}
}

// six adds a subnet of IPv6 and addresses in it.
func six(in *Input, mode string) {
	s := in.subnetOf(subnet6, "2001:db8::/64", "2001:db8::1")
	s.IPv6AddressMode, s.IPv6RAMode = mode, mode
	for i, p := range in.Ports {
		ip := addr([]string{"2001:db8::2", "2001:db8::78", "2001:db8::2c"}[i])
		if mode != "dhcpv6-stateful" {
			ip = p.MAC.EUI64(s.CIDR)
		}
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: subnet6, IP: ip})
	}
}

// Guests of a shared network believe its DNS server: a port of another project
// must not take a name outside of the network's domains.
func TestNobodyTakesNamesOutsideOfTheNetworksDomains(t *testing.T) {
	in := isolated()
	in.Network.ProjectID, in.Network.DNSDomain = "owner", "red.example."
	in.guest(0).ProjectID, in.guest(0).DNSName, in.guest(0).DNSDomain = "other", "www", "bank.example."
	in.guest(1).ProjectID, in.guest(1).DNSName, in.guest(1).DNSDomain = "owner", "www.bank.example", "own.example."
	var got []string
	for _, n := range Of(*in).Names {
		got = append(got, n.Names...)
	}
	want := "www.bank.example.openstacklocal www.bank.example.red.example www.bank.example.own.example www.openstacklocal www.red.example www"
	if text := strings.Join(got, " "); text != want {
		t.Errorf("names %s, want %s", text, want)
	}
	in.Settings.Domain, in.Network.DNSDomain, in.guest(1).DNSDomain = "", "", ""
	if got := Of(*in).Names[0].Names; len(got) != 1 || got[0] != "www" {
		t.Errorf("without domains a name of several labels is %q", got)
	}
}

func TestTheOrderOfTheRecordsDoesNotMatter(t *testing.T) {
	in := isolated()
	six(in, "dhcpv6-stateful")
	in.port("00000000-d6c9-4816-ba62-2613c28fdbcf", ownerDHCP, subnetA, "10.30.0.2")
	want := Of(*in).String()
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		shuffled := *in
		shuffled.Ports, shuffled.Subnets = slices.Clone(in.Ports), slices.Clone(in.Subnets)
		r.Shuffle(len(shuffled.Ports), func(i, j int) {
			shuffled.Ports[i], shuffled.Ports[j] = shuffled.Ports[j], shuffled.Ports[i]
		})
		r.Shuffle(len(shuffled.Subnets), func(i, j int) {
			shuffled.Subnets[i], shuffled.Subnets[j] = shuffled.Subnets[j], shuffled.Subnets[i]
		})
		if got := Of(shuffled).String(); got != want {
			t.Fatalf("differs:\n%s", cmp.Diff(want, got))
		}
	})
}

// A network may have more subnets than an option has room for routes.
func TestRoutesThatDoNotFitAreLeftOutAndToldOf(t *testing.T) {
	in := isolated()
	in.Subnets[0].Gateway = addr("10.30.0.254")
	in.Subnets[0].HostRoutes = []model.HostRoute{{Destination: prefix("192.0.2.0/24"), NextHop: addr("10.30.0.7")}}
	for n := range 60 {
		in.subnetOf(fmt.Sprintf("%08d-ddbd-4549-a006-0f185b52e2aa", n), fmt.Sprintf("10.40.%d.0/24", n), "").EnableDHCP = false
	}
	got := Of(*in)
	for _, o := range got.Subnets[0].Options {
		if o.Code != 121 && o.Code != 249 {
			continue
		}
		if len(o.Data) > 255 || len(o.Text) > 940 || !strings.HasPrefix(o.Text, "169.254.169.254/32,10.30.0.1,192.0.2.0/24,10.30.0.7,10.40.0.0/24,0.0.0.0,") || !strings.HasSuffix(o.Text, ",0.0.0.0/0,10.30.0.254") {
			t.Errorf("option %d has %d bytes: %s", o.Code, len(o.Data), o.Text)
		}
	}
	if len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Text, "routes are not told") {
		t.Errorf("problems %v", got.Problems)
	}
}

func TestOptionsAreEncodedAsTheirTypeSays(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		version     int
		want        string // data, or the error
	}{
		{"mtu", "1400", 4, "\x05\x78"},
		{"26", "70000", 4, "error: it is no number of 2 bytes"},
		{"time-offset", "-3600", 4, "\xff\xff\xf1\xf0"},
		{"ntp-server", "192.0.2.1, 192.0.2.2", 4, "\xc0\x00\x02\x01\xc0\x00\x02\x02"},
		{"ntp-server", "2001:db8::1", 4, "error: it is no list of addresses of IPv4"},
		{"dns-server", "[2001:db8::1]", 6, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"},
		{"domain-search", "a.example,b.", 4, "\x01a\x07example\x00\x01b\x00"},
		{"121", "10.0.0.0/8,192.0.2.1,0.0.0.0/0,192.0.2.2", 4, "\x08\x0a\xc0\x00\x02\x01\x00\xc0\x00\x02\x02"},
		{"66", "10.0.0.1", 4, "10.0.0.1"},
		{"224", "10.0.0.1", 4, "\x0a\x00\x00\x01"},
		{"224", "01:02:ff", 4, "\x01\x02\xff"},
		{"224", "300", 4, "\x01\x2c"},
		{"224", "`id`\n$(x)", 4, "`id`\n$(x)"},
		{"256", "x", 4, "error: option 256 is not for a port to set"},
		{"51", "1", 4, "error: option 51 is not for a port to set"},
		{"tag:ipxe,67", "x", 4, "x"},
		{"tag:other,67", "x", 4, "error: the tag is neither"},
		{"no such", "x", 4, "error: there is no option of that name"},
		{"67", strings.Repeat("x", 256), 4, "error: value has 256 characters"},
		{"sip-server", "192.0.2.5, 192.0.2.6", 4, "\x01\xc0\x00\x02\x05\xc0\x00\x02\x06"},
		{"120", "sip.example", 4, "\x00\x03sip\x07example\x00"},
		{"120", "sip example", 4, "error: it is neither a list of addresses of IPv4 nor one of domain names"},
		{"ntp-server", "ff02::101", 6, "\x00\x02\x00\x10\xff\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01"},
		{"ntp-server", "pool.example", 6, "error: it is no list of addresses of IPv6"},
		{"120", "172", 4, "error: it is neither a list"},
		{"60", "a,,bc", 6, "error: a parameter in it is empty"},
		{"60", "a,bc", 6, "\x00\x01a\x00\x02bc"},
	} {
		t.Run(tc.name+" "+clip(tc.value), func(t *testing.T) {
			o, err := Encode(model.DHCPOption{Name: tc.name, Value: tc.value, IPVersion: tc.version})
			if text, fails := strings.CutPrefix(tc.want, "error: "); fails {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Fatalf("error %v, want %q", err, text)
				}
				return
			}
			if err != nil || string(o.Data) != tc.want {
				t.Fatalf("%x, %v, want %x", o.Data, err, tc.want)
			}
		})
	}
}

func FuzzOptionsOfPorts(f *testing.F) {
	f.Add("67", "pxelinux.0", 4)
	f.Add("tag:!ipxe6,59", "x\ny", 6)
	f.Add("119", "a.example,\n3,10.0.0.66", 4)
	f.Add("121", "10.0.0.0/8\t,\v10.0.0.1", 4)
	f.Add("120", "\u0085a", 4)
	f.Fuzz(func(t *testing.T, name, value string, version int) {
		o, err := Encode(model.DHCPOption{Name: name, Value: value, IPVersion: version})
		if err != nil {
			return
		}
		if len(o.Data) > maxOption || !printable(o.Text) || o.Code == 0 || (o.Data == nil) != (value == "") {
			t.Fatalf("%q=%q gives %+v", name, value, o)
		}
	})
}
