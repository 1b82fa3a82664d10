package rpc

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

var (
	addrs = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})
	equal = cmp.Options{cmpopts.EquateEmpty(), addrs}
)

// travel sends an update over the wire in parts of about limit bytes, also with
// an encoder that has not seen it before and one that has, which must come to the
// same.
func travel(t interface{ Fatal(...any) }, u *Update, limit int) (*Update, int) {
	got, parts := arrive(t, u, u.Parts(limit, nil))
	var e Encoder
	for range 2 {
		if again, _ := arrive(t, u, e.Parts(u, limit, nil)); !cmp.Equal(got, again, equal, cmp.Comparer(sameError)) {
			t.Fatal("with an encoder: ", cmp.Diff(got, again, equal, cmp.Comparer(sameError)))
		}
	}
	return got, parts
}

func sameError(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func arrive(t interface{ Fatal(...any) }, u *Update, all iter.Seq[*pb.Update]) (*Update, int) {
	a := Assembler{Settings: u.Settings}
	parts := 0
	for p := range all {
		parts++
		b, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back pb.Update
		if err := proto.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		got, err := a.Add(&back)
		if err != nil {
			t.Fatal(err)
		}
		if (got == nil) != p.GetMore() {
			t.Fatal("the update was given before its last part, or not with it")
		}
		if got != nil {
			return got, parts
		}
	}
	t.Fatal("no last part")
	return nil, 0
}

var (
	ids   = rapid.StringMatching(`[0-9a-z][0-9a-z-]{0,35}`)
	words = rapid.StringN(0, 20, 60)
	ipv4s = rapid.Custom(func(t *rapid.T) netip.Addr {
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ipv4")))
	})
	ipv6s = rapid.Custom(func(t *rapid.T) netip.Addr {
		b := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ipv6"))
		b[0] = 0x20
		return netip.AddrFrom16(b)
	})
	addresses = rapid.OneOf(ipv4s, ipv6s)
	prefixes  = rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := addresses.Draw(t, "address")
		return netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
	})
	macs = rapid.Custom(func(t *rapid.T) model.MAC {
		m := model.MAC(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "mac"))
		m[0] = m[0]&^1 | 2
		return m
	})
	metas = rapid.Custom(func(t *rapid.T) model.Meta {
		return model.Meta{
			ID: ids.Draw(t, "id"), ProjectID: ids.Draw(t, "project"), Name: words.Draw(t, "name"),
			Revision: rapid.Int64().Draw(t, "revision"),
		}
	})
	segments = rapid.SampledFrom([]model.Segment{
		{Type: model.Local},
		{Type: model.Flat, PhysicalNetwork: "physnet1"},
		{Type: model.VLAN, PhysicalNetwork: "physnet1", ID: 4094},
		{Type: model.VXLAN, ID: 1<<24 - 1},
		{Type: model.Geneve, ID: 1},
		{Type: model.GRE, ID: 1<<32 - 1},
		{Type: model.GRE},
	})
	networks = rapid.Custom(func(t *rapid.T) *model.Network {
		return &model.Network{
			Meta: metas.Draw(t, "meta"), AdminStateUp: rapid.Bool().Draw(t, "up"), External: rapid.Bool().Draw(t, "external"),
			Shared: rapid.Bool().Draw(t, "shared"), PortSecurityEnabled: rapid.Bool().Draw(t, "security"),
			MTU: rapid.IntRange(0, 65535).Draw(t, "mtu"), Segment: segments.Draw(t, "segment"), DNSDomain: words.Draw(t, "domain"),
		}
	})
	subnets = rapid.Custom(func(t *rapid.T) *model.Subnet {
		s := &model.Subnet{
			Meta: metas.Draw(t, "meta"), NetworkID: ids.Draw(t, "network"), CIDR: prefixes.Draw(t, "cidr").Masked(),
			EnableDHCP: rapid.Bool().Draw(t, "dhcp"), DNSNameservers: rapid.SliceOf(addresses).Draw(t, "dns"),
			SubnetPoolID: ids.Draw(t, "pool"), SegmentID: ids.Draw(t, "segment"),
			IPv6AddressMode: words.Draw(t, "address mode"), IPv6RAMode: words.Draw(t, "ra mode"),
		}
		s.IPVersion = int(version(s.CIDR.Addr()))
		if rapid.Bool().Draw(t, "has gateway") {
			s.Gateway = s.CIDR.Addr()
		}
		for range rapid.IntRange(0, 3).Draw(t, "routes") {
			s.HostRoutes = append(s.HostRoutes, model.HostRoute{
				Destination: prefixes.Draw(t, "destination"), NextHop: addresses.Draw(t, "nexthop"),
			})
		}
		return s
	})
	ports = rapid.Custom(func(t *rapid.T) *model.Port {
		p := &model.Port{
			Meta: metas.Draw(t, "meta"), NetworkID: ids.Draw(t, "network"), MAC: macs.Draw(t, "mac"),
			AdminStateUp: rapid.Bool().Draw(t, "up"), DeviceID: words.Draw(t, "device"), DeviceOwner: words.Draw(t, "owner"),
			Host: words.Draw(t, "host"), VNICType: words.Draw(t, "vnic"), VIFType: words.Draw(t, "vif"),
			PortSecurityEnabled: rapid.Bool().Draw(t, "security"), SecurityGroups: rapid.SliceOf(ids).Draw(t, "groups"),
			QoSPolicyID: words.Draw(t, "qos"), DNSName: words.Draw(t, "dns name"), DNSDomain: words.Draw(t, "dns domain"), PropagateUplink: rapid.Bool().Draw(t, "uplink"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "addresses") {
			p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: ids.Draw(t, "subnet"), IP: addresses.Draw(t, "ip")})
			p.AllowedAddressPairs = append(p.AllowedAddressPairs, model.AddressPair{
				MAC: rapid.OneOf(macs, rapid.Just(model.MAC{})).Draw(t, "pair mac"), IP: prefixes.Draw(t, "pair"),
			})
			p.ExtraDHCPOpts = append(p.ExtraDHCPOpts, model.DHCPOption{
				Name: words.Draw(t, "option"), Value: words.Draw(t, "value"), IPVersion: rapid.SampledFrom([]int{4, 6}).Draw(t, "version"),
			})
		}
		if rapid.Bool().Draw(t, "has profile") {
			p.BindingProfile = map[string]any{"migrating_to": words.Draw(t, "target"), "pci": map[string]any{"slot": "x"}}
		}
		return p
	})
	endpoints = rapid.Custom(func(t *rapid.T) *model.Endpoint {
		return &model.Endpoint{
			Host: ids.Draw(t, "host"), IP: addresses.Draw(t, "ip"), VXLANPort: rapid.IntRange(0, 65535).Draw(t, "port"),
			Types: rapid.SliceOf(rapid.SampledFrom([]model.NetworkType{model.VXLAN, model.GRE, model.Geneve})).Draw(t, "types"),
		}
	})
	updates = rapid.Custom(func(t *rapid.T) *Update {
		u := &Update{
			Full: rapid.Bool().Draw(t, "full"), Revision: rapid.Int64().Draw(t, "revision"),
			Settings: Settings{L2Population: rapid.Bool().Draw(t, "l2population"), DNSDomain: words.Draw(t, "domain"), LocalDHCP: rapid.Bool().Draw(t, "local dhcp"), NovaMetadataURL: words.Draw(t, "nova"), MetadataSecret: words.Draw(t, "secret")},
			Networks: rapid.SliceOf(networks).Draw(t, "networks"), Subnets: rapid.SliceOf(subnets).Draw(t, "subnets"),
			Ports: rapid.SliceOf(ports).Draw(t, "ports"), Endpoints: rapid.SliceOf(endpoints).Draw(t, "endpoints"),
		}
		drawGroups(t, u)
		drawRouters(t, u)
		drawExtras(t, u)
		for _, c := range collections {
			*c.deleted(&u.Deleted) = rapid.SliceOf(ids).Draw(t, "gone "+string(c.kind()))
		}
		return u
	})
)

func TestAnUpdateArrivesAsItWasSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := updates.Draw(t, "update")
		got, _ := travel(t, u, rapid.SampledFrom([]int{1, 100, PartSize}).Draw(t, "limit"))
		if diff := cmp.Diff(u, got, equal); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestALargeUpdateIsCutIntoParts(t *testing.T) {
	u := &Update{Full: true, Revision: 7}
	for i := range 1000 {
		u.Deleted.Ports = append(u.Deleted.Ports, fmt.Sprint("port-", i))
	}
	if got, parts := travel(t, u, 1000); parts < 8 || parts > 15 || len(got.Deleted.Ports) != 1000 {
		t.Errorf("%d parts, %d records", parts, len(got.Deleted.Ports))
	}
	if _, parts := travel(t, &Update{Full: true}, 1000); parts != 1 {
		t.Errorf("an empty snapshot has %d parts", parts)
	}
}

func TestARecordThatCannotBeSentIsLeftOut(t *testing.T) {
	u := &Update{Ports: []*model.Port{
		{Meta: model.Meta{ID: "bad"}, BindingProfile: map[string]any{"f": func() {}}},
		{Meta: model.Meta{ID: "good"}},
	}}
	var skipped []Rejected
	var sent int
	for p := range u.Parts(PartSize, func(r Rejected) { skipped = append(skipped, r) }) {
		sent += len(p.GetPorts())
	}
	if sent != 1 || len(skipped) != 1 || skipped[0].ID != "bad" || !strings.Contains(skipped[0].Err.Error(), "profile") {
		t.Errorf("%d sent, skipped %v", sent, skipped)
	}
	var e Encoder
	skipped = nil
	got, _ := arrive(t, u, e.Parts(u, PartSize, func(r Rejected) { skipped = append(skipped, r) }))
	// It is no port that a host could use.
	if len(got.Rejected) != 1 || got.Rejected[0].ID != "good" || len(skipped) != 1 || skipped[0].ID != "bad" {
		t.Errorf("with an encoder: %+v, skipped %v", got.Rejected, skipped)
	}
}

func TestAnEncoderKeepsWhatWasSharedLately(t *testing.T) {
	var e Encoder
	shared := &model.SecurityGroup{Meta: model.Meta{ID: "shared"}}
	send := func(g *model.SecurityGroup) {
		u := &Update{Groups: []*model.SecurityGroup{g}}
		if got, _ := arrive(t, u, e.Parts(u, PartSize, nil)); len(got.Groups) != 1 || got.Groups[0].ID != g.ID {
			t.Fatalf("%s arrives as %+v", g.ID, got.Groups)
		}
	}
	send(shared)
	first := &e.kept(shared)[0]
	later := e.begun
	for range 3 { // as long as somebody asks it is kept
		later = later.Add(generationTime + time.Second)
		e.turn(later)
		if b := e.kept(shared); len(b) == 0 || &b[0] != first {
			t.Fatal("a record in use was encoded again")
		}
	}
	e.turn(later.Add(generationTime + time.Second))
	e.turn(later.Add(2*generationTime + 2*time.Second))
	if e.kept(shared) != nil {
		t.Error("a record that nobody asked for is kept for ever")
	}
	changed := *shared
	changed.ID = "changed"
	send(&changed)
}

func TestPartsThatDoNotBelongTogetherAreRefused(t *testing.T) {
	tests := []struct {
		name string
		next *pb.Update
	}{
		{"another revision", &pb.Update{Revision: 2, Full: true}},
		{"a difference within a snapshot", &pb.Update{Revision: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a Assembler
			if u, err := a.Add(&pb.Update{Revision: 1, Full: true, More: true}); u != nil || err != nil {
				t.Fatal(u, err)
			}
			if _, err := a.Add(tt.next); !errors.Is(err, ErrParts) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAnUpdateWithoutEndIsRefused(t *testing.T) {
	var a Assembler
	part := &pb.Update{More: true, DeletedPorts: make([]string, 1<<17)}
	for range 9 {
		if _, err := a.Add(part); err != nil {
			if !errors.Is(err, ErrParts) {
				t.Error(err)
			}
			return
		}
	}
	t.Error("more than a million records were taken")
}

func TestAnIntroductionArrivesAsItWasSent(t *testing.T) {
	want := &model.Agent{
		Host: "hv1.example.org", Instance: "5e6f", Version: "1.0", Roles: []string{"l2"},
		BridgeMappings: map[string]string{"physnet1": "br-phys"}, TunnelTypes: []model.NetworkType{model.VXLAN, model.GRE},
		TunnelIP: netip.MustParseAddr("2001:db8::1"), VXLANPort: 4789, IntegrationBridge: "br-int", DatapathType: "netdev",
		AvailabilityZone: "az1", LocalMetadata: true, StartedAt: time.Unix(1700000000, 123).UTC(),
	}
	got, err := DecodeHello(EncodeHello(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Error(diff)
	}
}

func TestReportsOfAnAgentAreBoundedAndReadable(t *testing.T) {
	long := strings.Repeat("x", 5000) + "\xff"
	s, err := DecodeStatus(EncodeStatus(&model.PortStatus{PortID: "p1", State: model.PortError, Revision: 3, Error: long}))
	if err != nil || s.State != model.PortError || s.Revision != 3 || len(s.Error) != MaxText {
		t.Errorf("%v, %d bytes of error", err, len(s.Error))
	}
	bad := EncodeStatus(&model.PortStatus{PortID: "p1", State: model.PortError, Error: "name \xff\xfe"})
	if _, err := proto.Marshal(bad); err != nil {
		t.Errorf("a text that is no UTF-8 stops the message: %v", err)
	}
	many := make([]model.Problem, 1000)
	if got := DecodeProblems(EncodeHeartbeat(many, -1, true)); len(got) != MaxProblems || !got[0].Since.IsZero() {
		t.Errorf("%d problems", len(got))
	}
	since := time.Unix(1700000000, 5).UTC()
	one := []model.Problem{{Object: "bridge br-phys", Text: "missing", Since: since}}
	if diff := cmp.Diff(one, DecodeProblems(EncodeHeartbeat(one, 1, false))); diff != "" {
		t.Error(diff)
	}
}

func TestARefusalArrivesAsItWasSent(t *testing.T) {
	for reason := range pb.Refusal_Reason_name {
		want := Refuse(pb.Refusal_Reason(reason), "hv1", "host %s is taken", "hv1")
		got, ok := AsRefusal(status.Convert(fmt.Errorf("session: %w", want)).Err())
		if !ok || got.Reason != want.Reason || got.Host != "hv1" || !strings.Contains(got.Text, want.Text) {
			t.Errorf("%v became %v", want, got)
		}
	}
	if _, ok := AsRefusal(errors.New("connection lost")); ok {
		t.Error("any error is a refusal")
	}
}

func TestTheNewestFindingsOfAHostTravelShortened(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	list := []model.Finding{{At: at, Kind: "flow", Place: "br-int", Object: "port x", Text: "gone", Repaired: true}}
	for range model.MaxFindings {
		list = append(list, model.Finding{At: at, Kind: "file", Text: strings.Repeat("ü", 1000)})
	}
	got := DecodeFindings(&pb.Heartbeat{Findings: EncodeFindings(list)})
	if len(got) != model.MaxFindings {
		t.Fatalf("%d arrive", len(got))
	}
	if diff := cmp.Diff(list[0], got[0]); diff != "" {
		t.Errorf("(-sent +got):\n%s", diff)
	}
	if n := len(got[1].Text); n > MaxFindingText || !utf8.ValidString(got[1].Text) {
		t.Errorf("a text of %d bytes arrives: %q", n, got[1].Text)
	}
	hostile := &pb.Heartbeat{}
	for range 1000 {
		hostile.Findings = append(hostile.Findings, &pb.Finding{Text: strings.Repeat("x", 5000)})
	}
	if got := DecodeFindings(hostile); len(got) != model.MaxFindings || len(got[0].Text) != MaxFindingText {
		t.Errorf("%d arrive, of %d bytes", len(got), len(got[0].Text))
	}
}
