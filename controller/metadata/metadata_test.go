package metadata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/test/golden"
)

func uuid(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n) }

func subnet(id string, cidr string, change func(*model.Subnet)) *model.Subnet {
	p := netip.MustParsePrefix(cidr)
	s := &model.Subnet{Meta: model.Meta{ID: id}, CIDR: p, IPVersion: 4, EnableDHCP: true, Gateway: p.Addr().Next()}
	if p.Addr().Is6() {
		s.IPVersion = 6
	}
	if change != nil {
		change(s)
	}
	return s
}

func nic(n, mtu int, subnets map[string]*model.Subnet, addresses ...string) NIC {
	port := &model.Port{Meta: model.Meta{ID: uuid(n)}, MAC: model.MAC{0xfa, 0x16, 0x3e, 0, 0, byte(n)}}
	for _, a := range addresses {
		ip := netip.MustParseAddr(a)
		for id, s := range subnets {
			if s.CIDR.Contains(ip) {
				port.FixedIPs = append(port.FixedIPs, model.FixedIP{SubnetID: id, IP: ip})
			}
		}
	}
	return NIC{Port: port, Network: &model.Network{Meta: model.Meta{ID: uuid(n + 0x100)}, MTU: mtu}, Subnets: subnets}
}

func guests() map[string]*Guest {
	dns := func(addresses ...string) func(*model.Subnet) {
		return func(s *model.Subnet) {
			for _, a := range addresses {
				s.DNSNameservers = append(s.DNSNameservers, netip.MustParseAddr(a))
			}
		}
	}
	mode := func(m string) func(*model.Subnet) {
		return func(s *model.Subnet) { s.IPv6AddressMode, s.IPv6RAMode = m, m }
	}
	static := func(s *model.Subnet) {
		s.EnableDHCP = false
		s.HostRoutes = []model.HostRoute{{Destination: netip.MustParsePrefix("192.0.2.0/25"), NextHop: netip.MustParseAddr("10.3.0.254")}}
		dns("9.9.9.9", "10.3.0.2")(s)
	}
	first := nic(1, 1450, map[string]*model.Subnet{
		"a": subnet("a", "10.1.0.0/24", dns("9.9.9.9")), "b": subnet("b", "fd00:1::/64", mode("slaac")),
	}, "10.1.0.5", "10.1.0.6", "fd00:1::f816:3eff:fe00:1")
	first.Floating = map[netip.Addr]netip.Addr{netip.MustParseAddr("10.1.0.5"): netip.MustParseAddr("203.0.113.7")}
	first.Groups = []string{"default", "web"}
	second := nic(2, 9000, map[string]*model.Subnet{
		"c": subnet("c", "10.3.0.0/22", static),
		"d": subnet("d", "fd00:2::/64", mode("dhcpv6-stateful")),
		"e": subnet("e", "fd00:3::/64", mode("dhcpv6-stateless")),
		"f": subnet("f", "fd00:4::/60", func(s *model.Subnet) { s.Gateway = netip.Addr{} }),
	}, "10.3.0.5", "10.3.0.6", "fd00:2::5", "fd00:3::f816:3eff:fe00:2", "fd00:4::5")
	second.VLANs = []VLAN{{nic(3, 1400, map[string]*model.Subnet{"g": subnet("g", "10.4.0.0/24", nil)}, "10.4.0.5"), 30}}
	return map[string]*Guest{
		"full": {
			Instance: &model.Instance{
				Meta:     model.Meta{ID: "a1b2c3d4-1111-4222-8333-444455556666", Name: "Web 1", ProjectID: "p1"},
				Hostname: "web-1", AvailabilityZone: "zone-b", ImageID: "0f0f0f0f-9999-4000-8000-000000000000", InstanceType: "m1.small",
				Keys:     []model.InstanceKey{{Name: "me", Data: "ssh-ed25519 AAAA me"}, {Name: "you", Data: "ssh-rsa BBBB you"}},
				UserData: []byte("#cloud-config\nruncmd: [date]\n"), Metadata: map[string]string{"role": "web", "a \"b\"": "c"},
				VendorData: map[string]any{"cloud-init": "#cloud-config\n"}, Password: "c2VjcmV0",
			},
			Recorded: true, NICs: []NIC{first, second}, Domain: "example.org", Seed: []byte("0123456789abcdef"),
		},
		"bare": {Instance: &model.Instance{Meta: model.Meta{ID: uuid(9)}, Hostname: "h"}, Seed: []byte{0}},
	}
}

// crawl follows every list from a path on and writes down what it finds.
func crawl(t *testing.T, b *strings.Builder, g *Guest, path string) {
	r := Answer(g, Request{Method: http.MethodGet, Path: path})
	if r.Status != http.StatusOK {
		t.Errorf("%s, which a list has: %d", path, r.Status)
		return
	}
	body := string(r.Body)
	if r.ContentType == jsonText {
		var out bytes.Buffer
		if err := json.Indent(&out, r.Body, "", "  "); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		body = out.String()
	}
	fmt.Fprintf(b, "== %s (%s)\n%s\n", path, r.ContentType, body)
	if !strings.HasSuffix(path, "/") {
		return
	}
	for line := range strings.SplitSeq(body, "\n") {
		name, _, key := strings.Cut(line, "=")
		switch {
		case line == "":
		case key, path == "/", path == "/openstack/", strings.Count(path, "/") == 1 && line == "meta-data":
			crawl(t, b, g, path+name+"/")
		default:
			crawl(t, b, g, path+line)
		}
	}
}

func TestDocumentsOfEveryVersion(t *testing.T) {
	for name, g := range guests() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			crawl(t, &b, g, "/latest/")
			crawl(t, &b, g, "/openstack/latest/")
			for _, list := range [][]string{ec2Versions(), openstackVersions()} {
				for _, v := range list {
					path, more := "/"+v+"/meta-data/", ""
					if slices.Contains(openstackVersions(), v) {
						path, more = "/openstack/"+v+"/", "\n"+string(Answer(g, Request{Method: "GET", Path: "/openstack/" + v + "/meta_data.json"}).Body)
					}
					fmt.Fprintf(&b, "== %s\n%s%s\n", path, strings.ReplaceAll(string(Answer(g, Request{Method: "GET", Path: path}).Body), "\n", " "), more)
				}
			}
			for _, path := range []string{"/", "/openstack"} {
				fmt.Fprintf(&b, "== %s\n%s\n", path, Answer(g, Request{Method: "GET", Path: path}).Body)
			}
			golden.Text(t, filepath.Join("testdata", name+".txt"), b.String())
		})
	}
}

// 0.0.0.0 in the place of name servers is none, and no name server.
func TestNoNameServersAreNone(t *testing.T) {
	none := func(s *model.Subnet) {
		s.EnableDHCP, s.DNSNameservers = false, []netip.Addr{netip.IPv4Unspecified()}
	}
	g := &Guest{Instance: &model.Instance{}, NICs: []NIC{nic(1, 1450, map[string]*model.Subnet{"a": subnet("a", "10.1.0.0/24", none)}, "10.1.0.5")}}
	if d := networkData(g); len(d.Services) != 0 || len(d.Networks) != 1 || len(d.Networks[0].Services) != 0 {
		t.Errorf("services %v, networks %+v", d.Services, d.Networks)
	}
}

func TestRequestsForWhatIsNotThere(t *testing.T) {
	full, bare := guests()["full"], guests()["bare"]
	for _, tc := range []struct {
		guest        *Guest
		method, path string
		body         string
		status       int
		password     string
	}{
		{full, "GET", "/latest/meta-data", "", 200, ""},
		{full, "GET", "//latest///meta-data/", "", 200, ""},
		{full, "HEAD", "/latest/meta-data/mac", "", 200, ""},
		{full, "GET", "/latest/meta-data/network/interfaces/macs/fa%3A16%3a3e%3A00%3A00%3A01/mac", "", 200, ""},
		{full, "GET", "/latest/meta-data/public-keys/1/openssh-key", "", 200, ""},
		{full, "GET", "/latest/meta-data/public-keys/2/openssh-key", "", 404, ""},
		{full, "GET", "/latest/meta-data/public-keys/0=me", "", 404, ""},
		{full, "GET", "/latest/meta-data/mac/x", "", 404, ""},
		{full, "GET", "/1.0/meta-data/placement/", "", 404, ""},
		{full, "GET", "/2008-09-01/meta-data/mac", "", 404, ""},
		{full, "GET", "/2016-09-02/meta-data/instance-id", "", 404, ""},
		{full, "GET", "/latest/../openstack", "", 404, ""},
		{full, "GET", "/%zz", "", 404, ""},
		{full, "GET", "/" + strings.Repeat("a/", maxPath), "", 404, ""},
		{full, "POST", "/latest/meta-data/", "x", 405, ""},
		{full, "PUT", "/latest/api/token", "", 405, ""},
		{bare, "GET", "/latest/user-data", "", 404, ""},
		{bare, "GET", "/latest/meta-data/mac", "", 404, ""},
		{bare, "GET", "/openstack/latest/user_data", "", 404, ""},
		{full, "GET", "/openstack/latest/user_data", "", 200, ""},
		{full, "GET", "/openstack/2012-08-10/password", "", 404, ""},
		{full, "GET", "/openstack/2013-10-17/network_data.json", "", 404, ""},
		{full, "GET", "/openstack/2011-01-01/meta_data.json", "", 404, ""},
		{full, "GET", "/openstack/latest/meta_data.json/x", "", 404, ""},
		{full, "POST", "/openstack/latest/meta_data.json", "x", 405, ""},
		{full, "POST", "/openstack", "x", 405, ""},
		{full, "POST", "/openstack/latest/password", "x", 409, ""},
		{full, "DELETE", "/openstack/latest/password", "", 400, ""},
		{bare, "GET", "/openstack/latest/password", "", 200, ""},
		{bare, "POST", "/openstack/latest/password", "x", 404, ""},
	} {
		r := Answer(tc.guest, Request{Method: tc.method, Path: tc.path, Body: []byte(tc.body)})
		if r.Status != tc.status || r.Password != tc.password {
			t.Errorf("%s %.80s: %d %q, want %d", tc.method, tc.path, r.Status, r.Password, tc.status)
		}
	}
}

func TestAPasswordIsPostedOnceAndBounded(t *testing.T) {
	g := guests()["bare"]
	g.Recorded = true
	post := func(body string) Reply {
		return Answer(g, Request{Method: "POST", Path: "/openstack/latest/password", Body: []byte(body)})
	}
	if r := post("c2VjcmV0"); r.Status != 200 || r.Password != "c2VjcmV0" {
		t.Errorf("%d %q", r.Status, r.Password)
	}
	if r := post(strings.Repeat("x", plugin.MaxPassword+1)); r.Status != 400 || r.Password != "" {
		t.Errorf("a long one: %d %q", r.Status, r.Password)
	}
	if r := post("\x00\x01"); r.Status != 400 || r.Password != "" {
		t.Errorf("one of bytes: %d %q", r.Status, r.Password)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, path := range []string{"/", "/latest/meta-data/", "/openstack/latest/meta_data.json", "/openstack/latest/password", "/%2e%2e/", "/latest/meta-data/public-keys/0/"} {
		f.Add("GET", path, "")
	}
	f.Add("POST", "/openstack/latest/password", "x")
	full, bare := guests()["full"], guests()["bare"]
	f.Fuzz(func(t *testing.T, method, path, body string) {
		for _, g := range []*Guest{full, bare} {
			before, err := json.Marshal(g.Instance)
			if err != nil {
				t.Fatal(err)
			}
			r := Answer(g, Request{Method: method, Path: path, Body: []byte(body)})
			if r.Status < 200 || r.Status > 499 {
				t.Errorf("%q %q: %d", method, path, r.Status)
			}
			if after, _ := json.Marshal(g.Instance); !bytes.Equal(before, after) {
				t.Errorf("%q %q changed the instance", method, path)
			}
		}
	})
}
