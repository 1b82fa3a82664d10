package dhcp

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/test/golden"
)

func TestServersAreGolden(t *testing.T) {
	for name, change := range map[string]func(*answers.Input, *Options){
		"isolated": func(*answers.Input, *Options) {},
		"routed with resolvers": func(in *answers.Input, o *Options) {
			in.Subnets[0].Gateway = netip.MustParseAddr("10.30.0.254")
			o.Servers = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53"), netip.MustParseAddrPort("[2001:db8::53]:5353")}
			o.LocalResolver, o.LeaseTime, o.IsolatedMetadata = true, -1, false
		},
		"beside a router": func(in *answers.Input, _ *Options) { // which has fe80::a9fe:a9fe
			in.Ports = append(in.Ports, &model.Port{
				Meta: model.Meta{ID: "9f0d5b3a-4c58-4b4e-8f5e-2b1f4f1d2c3b"}, NetworkID: in.Network.ID, DeviceOwner: "network:router_interface",
				FixedIPs: []model.FixedIP{{SubnetID: in.Subnets[0].ID, IP: netip.MustParseAddr("10.30.0.253")}},
			})
		},
		"all of ipv6": func(in *answers.Input, _ *Options) { six(in, "dhcpv6-stateful", "dhcpv6-stateful") },
		"stateless":   func(in *answers.Input, _ *Options) { six(in, "dhcpv6-stateless", "dhcpv6-stateless") },
		"options": func(in *answers.Input, _ *Options) {
			in.Ports[1].DNSName = "web"
			in.Ports[1].ExtraDHCPOpts = []model.DHCPOption{
				{Name: "tag:ipxe,67", Value: "http://192.0.2.9/boot.ipxe", IPVersion: 4},
				{Name: "client-id", Value: "node-7", IPVersion: 4},
				{Name: "66", Value: "192.0.2.9", IPVersion: 4},
				{Name: "root-path", Value: `a "b" c,d`, IPVersion: 4},
				{Name: "224", Value: "x\ny", IPVersion: 4},
				{Name: "router", Value: "", IPVersion: 4},
				{Name: "none", Value: "1", IPVersion: 4},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, o := isolated(), options()
			change(&in, &o)
			got := Desired(in, o).String()
			file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".server")
			golden.Text(t, file, got)
		})
	}
}

// What a guest may be called must not mean anything else to dnsmasq.
func TestNamesWithoutDomainAreNames(t *testing.T) {
	in := isolated()
	in.Settings.Domain = ""
	for name, want := range map[string]string{"ignore": "host-ignore", "1d": "host-1d", "007": "host-007", "infinite": "host-infinite", "web": "web", "d1": "d1"} {
		in.Ports[1].DNSName = name
		if got := Desired(in, options()).Hosts; !strings.Contains(got, ","+want+",10.30.0.120\n") {
			t.Errorf("%s is called:\n%s", name, got)
		}
	}
}

// Subnets of other segments are served by hosts there.
func TestSubnetsOfOtherSegmentsAreNoProblem(t *testing.T) {
	in := isolated()
	in.Subnets[0].SegmentID = "here"
	more := func(id, cidr, segment string) {
		in.Subnets = append(in.Subnets, &model.Subnet{
			Meta: model.Meta{ID: id}, NetworkID: netID, CIDR: netip.MustParsePrefix(cidr), IPVersion: 4, EnableDHCP: true, SegmentID: segment,
		})
	}
	more("far", "10.31.0.0/24", "there")
	if p := Desired(in, options()).Problems; len(p) > 0 {
		t.Errorf("problems %v", p)
	}
	more("near", "10.32.0.0/24", "here")
	more("anywhere", "10.33.0.0/24", "")
	if p := Desired(in, options()).Problems; len(p) != 2 {
		t.Errorf("problems %v", p)
	}
}

// arguments in which we differ from the reference, each with the reason.
var arguments = map[string]struct{ theirs, ours []string }{
	"the most leases are what the hosts file says; a bound that follows the subnets would restart dnsmasq": {
		[]string{"--dhcp-lease-max=256"}, []string{"--dhcp-lease-max=16777216"},
	},
	"it is supervised": {nil, []string{"--keep-in-foreground"}},
	"who is not in the hosts file is not even denied":                                                      {nil, []string{"--dhcp-ignore=tag:!known"}},
	"who is in it is believed, whatever the lease file says: theirs is filled in from the records instead": {nil, []string{"--dhcp-authoritative"}},
	"who asks is known by its MAC, which was checked, and not by what it calls itself":                     {nil, []string{"--dhcp-ignore-clid"}},
	"a guest cannot fill the host's log":                                                                   {nil, []string{"--quiet-dhcp", "--quiet-dhcp6", "--quiet-ra"}},
	"the name that says what was read must not be asked of others":                                         {nil, []string{"--local=/invalid/"}},
	"a name without an address of IPv6 is none that cannot be resolved":                                    {nil, []string{"--domain-needed", "--local=/openstacklocal/"}},
}

func TestFilesAndArgumentsAreThoseOfTheReference(t *testing.T) {
	s := Desired(isolated(), options())
	lines := func(text string) []string {
		out := strings.Split(strings.TrimSpace(text), "\n")
		slices.Sort(out) // the reference has them in the order of the ports' creation
		return out
	}
	for name, ours := range map[string]string{"host": s.Hosts, "addn_hosts": s.Names, "opts": s.Options} {
		theirs, err := os.ReadFile(filepath.Join("testdata", "reference-"+name))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(lines(string(theirs)), lines(ours)); d != "" {
			t.Errorf("%s (- reference, + ours):\n%s", name, d)
		}
	}
	text, err := os.ReadFile("testdata/reference-args")
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := lines(string(text)), slices.Clone(s.Args)
	for _, d := range arguments {
		theirs = slices.DeleteFunc(theirs, func(a string) bool { return slices.Contains(d.theirs, a) })
		ours = slices.DeleteFunc(ours, func(a string) bool { return slices.Contains(d.ours, a) })
	}
	slices.Sort(ours)
	if d := cmp.Diff(theirs, ours); d != "" {
		t.Errorf("arguments (- reference, + ours):\n%s", d)
	}
}

func TestTheOrderOfEventsMakesNoDifference(t *testing.T) {
	in := isolated()
	six(&in, "dhcpv6-stateful", "dhcpv6-stateful")
	want := Desired(in, options()).String()
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var events []rpc.Update
		for _, s := range in.Subnets {
			events = append(events, rpc.Update{Subnets: []*model.Subnet{s}})
		}
		for _, p := range in.Ports {
			events = append(events, rpc.Update{Ports: []*model.Port{p}})
		}
		gone := *in.Ports[1]
		gone.ID, gone.MAC = "00000000-0000-4000-8000-000000000001", mac("fa:16:3e:00:00:01")
		events = append(events, rpc.Update{Networks: []*model.Network{in.Network}}, rpc.Update{Ports: []*model.Port{&gone}},
			rpc.Update{DHCPBindings: []*model.DHCPBinding{{NetworkID: netID, Hosts: []model.DHCPHost{{Host: "h", PortID: serverID}}}}})
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		v := NewView()
		v.apply(&rpc.Update{Full: true, Settings: rpc.Settings{DNSDomain: "openstacklocal"}})
		for _, e := range events {
			e.Settings.DNSDomain = "openstacklocal"
			v.apply(&e)
		}
		end := rpc.Update{Settings: rpc.Settings{DNSDomain: "openstacklocal"}}
		end.Delete(rpc.KindPort, gone.ID)
		if touched := v.apply(&end); !touched[netID] {
			t.Fatal("the end of a port touches nothing")
		}
		got, ok := v.Input(netID)
		if !ok {
			t.Fatal("not served")
		}
		if s := Desired(got, options()).String(); s != want {
			t.Fatalf("differs:\n%s", cmp.Diff(want, s))
		}
	})
}

var (
	hostLine = regexp.MustCompile(`^[0-9a-f:]{17}(,id:[A-Za-z0-9._:-]+)?,[A-Za-z0-9._-]+(,[0-9.]+(,\[[0-9a-f:.]+\])*|(,\[[0-9a-f:.]+\])+)(,set:port-[0-9a-f-]+)?$`)
	nameLine = regexp.MustCompile(`^[0-9a-f:.]+\t[A-Za-z0-9._-]+( [A-Za-z0-9._-]+)*$`)
	optsLine = regexp.MustCompile(`^tag:[a-z]+-[0-9a-f-]+,(tag:!?ipxe6?,)?((option6?:)?[A-Za-z0-9+-]+)(,([A-Za-z0-9./:@+=_~,\[\]-]*|"([ !#-\[\]-~]|\\["\\])*"(,("([ !#-\[\]-~]|\\["\\])*"|[A-Za-z0-9./:@+=_~-]*))*)*)?$`)
)

// FuzzNothingThatAUserWritesBreaksOutOfItsLine gives dnsmasq's files whatever a
// user may write.
func FuzzNothingThatAUserWritesBreaksOutOfItsLine(f *testing.F) {
	f.Add("67", "a\ntag:x,3,1.2.3.4", "web\n1.2.3.4 bank", "evil.\nname", 4)
	f.Add("tftp-server", `"; rm -rf / #\`, "$(id)", "a b", 4)
	f.Add("60", "a\",b\\", "`id`", "x,y", 6)
	f.Add("domain-search", "a.example,\n3,10.0.0.66", "x", "y", 4) // a router for everybody
	f.Add("client-id", "x,10.0.0.9", "x", "y", 4)
	f.Fuzz(func(t *testing.T, name, value, dnsName, domain string, version int) {
		in := isolated()
		six(&in, "dhcpv6-stateful", "dhcpv6-stateful")
		p := in.Ports[1]
		p.ExtraDHCPOpts = []model.DHCPOption{{Name: name, Value: value, IPVersion: version}}
		p.DNSName, p.DNSDomain, in.Network.DNSDomain, in.Settings.Domain = dnsName, domain, domain, domain
		s := Desired(in, options())
		for text, line := range map[string]*regexp.Regexp{s.Hosts: hostLine, s.Names + s.serialLine(): nameLine, s.Options: optsLine} {
			for l := range strings.Lines(text) {
				if !line.MatchString(strings.TrimSuffix(l, "\n")) {
					t.Errorf("%q", l)
				}
			}
		}
		if n := strings.Count(s.Hosts, "\n"); n != 4 && n != 3 { // a port with a name has one line
			t.Errorf("%d lines of hosts", n)
		}
		for _, a := range s.Args {
			if strings.ContainsAny(a, " \n\t'\"") {
				t.Errorf("argument %q", a)
			}
		}
	})
}
