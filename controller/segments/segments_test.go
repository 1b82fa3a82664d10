package segments

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/model"
	"pgregory.net/rapid"
)

func TestTheDefaultConfigurationIsValid(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestABadKeyIsNamedWithItsValue(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"unknown tenant type":           {func(c *Config) { c.TenantNetworkTypes = []model.NetworkType{"vxlna"} }, []string{"tenant_network_types", "vxlna"}},
		"flat as tenant type":           {func(c *Config) { c.TenantNetworkTypes = []model.NetworkType{"flat"} }, []string{"tenant_network_types", "flat"}},
		"tenant type twice":             {func(c *Config) { c.TenantNetworkTypes = []model.NetworkType{"gre", "gre"} }, []string{"tenant_network_types", "gre"}},
		"VNI range without colon":       {func(c *Config) { c.VXLAN.VNIRanges = []string{"17"} }, []string{"vxlan.vni_ranges", `"17"`}},
		"VNI above 24 bits":             {func(c *Config) { c.VXLAN.VNIRanges = []string{"1:16777216"} }, []string{"vxlan.vni_ranges", "16777216"}},
		"VNI zero":                      {func(c *Config) { c.Geneve.VNIRanges = []string{"0:5"} }, []string{"geneve.vni_ranges", "0:5"}},
		"reversed range":                {func(c *Config) { c.GRE.TunnelIDRanges = []string{"9:3"} }, []string{"gre.tunnel_id_ranges", "9:3"}},
		"GRE key above 32 bits":         {func(c *Config) { c.GRE.TunnelIDRanges = []string{"1:4294967296"} }, []string{"gre.tunnel_id_ranges", "4294967296"}},
		"VLAN above 4094":               {func(c *Config) { c.VLAN.NetworkVLANRanges = []string{"physnet1:1:4095"} }, []string{"vlan.network_vlan_ranges", "4095"}},
		"VLAN range with three numbers": {func(c *Config) { c.VLAN.NetworkVLANRanges = []string{"physnet1:1:2:3"} }, []string{"vlan.network_vlan_ranges", "physnet1:1:2:3"}},
		"VLAN range without name":       {func(c *Config) { c.VLAN.NetworkVLANRanges = []string{":1:2"} }, []string{"vlan.network_vlan_ranges", ":1:2"}},
		"flat name with slash":          {func(c *Config) { c.Flat.FlatNetworks = []string{"a/b"} }, []string{"flat.flat_networks", "a/b"}},
		"tiny global MTU":               {func(c *Config) { c.GlobalPhysnetMTU = 10 }, []string{"global_physnet_mtu", "10"}},
		"negative path MTU":             {func(c *Config) { c.PathMTU = -1 }, []string{"path_mtu", "-1"}},
		"physical MTU too large":        {func(c *Config) { c.PhysicalNetworkMTUs = map[string]int{"p": 70000} }, []string{"physical_network_mtus", "p", "70000"}},
		"IP version five":               {func(c *Config) { c.OverlayIPVersion = 5 }, []string{"overlay_ip_version", "5"}},
		"Geneve header too small":       {func(c *Config) { c.Geneve.MaxHeaderSize = 8 }, []string{"geneve.max_header_size", "8"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := Default()
			c.change(&config)
			err := config.Validate()
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not name %q", err, w)
				}
			}
		})
	}
}

func TestTheMTUOfANetworkIsWhatItsEncapsulationLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		s      model.Segment
		want   int
	}{
		"vxlan over IPv4 costs 50":              {nil, model.Segment{Type: model.VXLAN}, 1450},
		"vxlan over IPv6 costs 70":              {func(c *Config) { c.OverlayIPVersion = 6 }, model.Segment{Type: model.VXLAN}, 1430},
		"geneve over IPv4 costs 50":             {nil, model.Segment{Type: model.Geneve}, 1450},
		"geneve with larger headers costs more": {func(c *Config) { c.Geneve.MaxHeaderSize = 38 }, model.Segment{Type: model.Geneve}, 1442},
		"gre over IPv4 costs 42":                {nil, model.Segment{Type: model.GRE}, 1458},
		"gre over IPv6 costs 62":                {func(c *Config) { c.OverlayIPVersion = 6 }, model.Segment{Type: model.GRE}, 1438},
		"flat costs nothing":                    {nil, model.Segment{Type: model.Flat, PhysicalNetwork: "physnet1"}, 1500},
		"vlan costs nothing":                    {nil, model.Segment{Type: model.VLAN, PhysicalNetwork: "physnet1", ID: 7}, 1500},
		"local costs nothing":                   {nil, model.Segment{Type: model.Local}, 1500},
		"a physical network may be smaller":     {func(c *Config) { c.PhysicalNetworkMTUs = map[string]int{"physnet1": 1400} }, model.Segment{Type: model.VLAN, PhysicalNetwork: "physnet1"}, 1400},
		"but not larger than the global MTU":    {func(c *Config) { c.PhysicalNetworkMTUs = map[string]int{"physnet1": 9000} }, model.Segment{Type: model.VLAN, PhysicalNetwork: "physnet1"}, 1500},
		"the path MTU bounds tunnels":           {func(c *Config) { c.GlobalPhysnetMTU, c.PathMTU = 9000, 4000 }, model.Segment{Type: model.VXLAN}, 3950},
		"the path MTU does not bound VLANs":     {func(c *Config) { c.GlobalPhysnetMTU, c.PathMTU = 9000, 4000 }, model.Segment{Type: model.VLAN, PhysicalNetwork: "p"}, 9000},
		"a larger path MTU changes nothing":     {func(c *Config) { c.PathMTU = 9000 }, model.Segment{Type: model.VXLAN}, 1450},
	} {
		t.Run(name, func(t *testing.T) {
			config := Default()
			if c.change != nil {
				c.change(&config)
			}
			p, err := New(config)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.MaxMTU(c.s); got != c.want {
				t.Fatalf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestWhatAnAdministratorMayAskFor(t *testing.T) {
	config := Default()
	config.Flat.FlatNetworks = []string{"physnet1"}
	config.VLAN.NetworkVLANRanges = []string{"physnet1:100:200", "physnet2"}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		s  model.Segment
		ok bool
	}{
		"a VLAN inside the pool":                  {model.Segment{Type: "vlan", PhysicalNetwork: "physnet1", ID: 150}, true},
		"a VLAN outside the pool":                 {model.Segment{Type: "vlan", PhysicalNetwork: "physnet1", ID: 4094}, true},
		"a VLAN on a network without pool":        {model.Segment{Type: "vlan", PhysicalNetwork: "physnet2", ID: 1}, true},
		"a VLAN with its id left open":            {model.Segment{Type: "vlan", PhysicalNetwork: "physnet1"}, true},
		"a VLAN with everything left open":        {model.Segment{Type: "vlan"}, true},
		"a VLAN id without physical network":      {model.Segment{Type: "vlan", ID: 150}, false},
		"a VLAN on an unknown physical network":   {model.Segment{Type: "vlan", PhysicalNetwork: "physnet9", ID: 150}, false},
		"VLAN 4095":                               {model.Segment{Type: "vlan", PhysicalNetwork: "physnet1", ID: 4095}, false},
		"a flat network":                          {model.Segment{Type: "flat", PhysicalNetwork: "physnet1"}, true},
		"a flat network without physical network": {model.Segment{Type: "flat"}, false},
		"a flat network on an unknown one":        {model.Segment{Type: "flat", PhysicalNetwork: "physnet2"}, false},
		"a flat network with an id":               {model.Segment{Type: "flat", PhysicalNetwork: "physnet1", ID: 4}, false},
		"the highest VNI":                         {model.Segment{Type: "vxlan", ID: 16777215}, true},
		"a VNI of 25 bits":                        {model.Segment{Type: "vxlan", ID: 16777216}, false},
		"a VXLAN network with physical network":   {model.Segment{Type: "vxlan", PhysicalNetwork: "physnet1"}, false},
		"a GRE key of 32 bits":                    {model.Segment{Type: "gre", ID: 4294967295}, true},
		"a local network":                         {model.Segment{Type: "local"}, true},
		"a local network with an id":              {model.Segment{Type: "local", ID: 4}, false},
		"no type":                                 {model.Segment{PhysicalNetwork: "physnet1"}, false},
		"an unknown type":                         {model.Segment{Type: "stt"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := p.Check(c.s); (err == nil) != c.ok {
				t.Fatalf("Check(%+v) = %v, want ok=%v", c.s, err, c.ok)
			}
		})
	}
}

func TestTenantTypesAreTriedInOrderUntilOneHasAFreeID(t *testing.T) {
	config := Default()
	config.TenantNetworkTypes = []model.NetworkType{"vlan", "vxlan"}
	config.VLAN.NetworkVLANRanges = []string{"physnet1:100:101", "physnet2:7:7", "physnet3"}
	config.VXLAN.VNIRanges = []string{"5:6"}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	used := map[model.Segment]bool{}
	var types []model.NetworkType
	for range 5 {
		s, err := p.ProposeTenant([][]Range{p.Ranges()}, func(s model.Segment) bool { return used[s] })
		if err != nil {
			t.Fatal(err)
		}
		if used[s] {
			t.Fatalf("%+v proposed twice", s)
		}
		used[s] = true
		types = append(types, s.Type)
	}
	if got := fmt.Sprint(types); got != "[vlan vlan vlan vxlan vxlan]" {
		t.Errorf("got %s", got)
	}
	if _, err := p.ProposeTenant([][]Range{p.Ranges()}, func(s model.Segment) bool { return used[s] }); !errors.Is(err, ErrExhausted) {
		t.Errorf("with all ids taken: %v, want ErrExhausted", err)
	}
}

func TestProposedSegmentsLieInThePoolsAndPassTheCheck(t *testing.T) {
	p, err := New(Default())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]model.NetworkType{"vlan", "vxlan", "gre", "geneve"}).Draw(t, "type")
		s, err := p.Complete(model.Segment{Type: kind}, [][]Range{p.Ranges()}, func(model.Segment) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(s); err != nil || s.ID == 0 || s.Type != kind {
			t.Fatalf("proposed %+v: %v", s, err)
		}
		if kind == "vlan" && (s.ID < 100 || s.ID > 200 || s.PhysicalNetwork != "physnet1") {
			t.Fatalf("proposed %+v, outside physnet1:100:200", s)
		}
	})
}

func TestWhatIsLeftOfRangesIsWhatTheOthersDoNotHave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) []Range {
			return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Range {
				first := rapid.Uint32Range(1, 20).Draw(t, "first")
				return Range{Type: "vxlan", First: first, Last: rapid.Uint32Range(first, 20).Draw(t, "last")}
			}), 0, 4).Draw(t, label)
		}
		ranges, others := draw("ranges"), draw("others")
		in := func(list []Range, id uint32) bool {
			return slices.ContainsFunc(list, func(r Range) bool { return r.Has(model.Segment{Type: "vxlan", ID: id}) })
		}
		left := Without(ranges, others)
		for id := uint32(1); id <= 21; id++ {
			if want := in(ranges, id) && !in(others, id); in(left, id) != want {
				t.Fatalf("%v without %v is %v: %d is in it: %t", ranges, others, left, id, !want)
			}
		}
	})
}

func FuzzRangesAreParsedOrRefused(f *testing.F) {
	for _, s := range []string{"1:2", "physnet1:100:200", "physnet1", ":::", "1:", ":1", "1:1", "-1:4", "9999999999999999999:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		config := Default()
		config.VLAN.NetworkVLANRanges = []string{s}
		if p, err := New(config); err == nil {
			for _, r := range p.Ranges() {
				if err := r.Check(); err != nil {
					t.Fatalf("%q gave %+v: %v", s, r, err)
				}
			}
		}
		if r, err := parseRange(s, maxVNI); err == nil && (r.first < 1 || r.last > maxVNI || r.first > r.last) {
			t.Fatalf("%q gave %+v", s, r)
		}
	})
}
