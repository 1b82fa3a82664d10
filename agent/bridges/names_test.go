package bridges

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
)

func TestPatchPortsAreNamedAsInNeutron(t *testing.T) {
	for bridge, want := range map[string][2]string{
		"br-phys":          {"int-br-phys", "phy-br-phys"},
		"br-physnet1":      {"int-br-physnet1", "phy-br-physnet1"}, // 15 characters, just fits
		"br-physnet12":     {"int-br-phc27353", "phy-br-phc27353"},
		"br-ex-provider-1": {"int-br-exe2e5a8", "phy-br-exe2e5a8"},
	} {
		if got := [2]string{IntPort(bridge), PhyPort(bridge)}; got != want {
			t.Errorf("%s: %q, want %q", bridge, got, want)
		}
	}
}

func TestTunnelPortsAreNamedAsInNeutron(t *testing.T) {
	for _, tt := range []struct {
		kind   model.NetworkType
		remote string
		want   string
	}{
		{model.VXLAN, "10.91.0.12", "vxlan-0a5b000c"},
		{model.GRE, "192.0.2.2", "gre-c0000202"},
		{model.Geneve, "192.0.2.2", "geneve-c0000202"},
		{model.VXLAN, "::ffff:192.0.2.2", "vxlan-c0000202"},
		{model.VXLAN, "2001:db8::2", "vxlan-pehtjzksi"},
		{model.GRE, "2001:db8::2", "gre-pehtjzksiqr"},
		{model.Geneve, "2001:db8::2", "geneve-pehtjzks"},
	} {
		if got := TunnelPort(tt.kind, netip.MustParseAddr(tt.remote)); got != tt.want {
			t.Errorf("%s to %s: %q, want %q", tt.kind, tt.remote, got, tt.want)
		}
	}
}

func TestNoNameIsTooLongForAnInterface(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bridge := rapid.StringMatching(`[a-z][a-z0-9-]{0,30}`).Draw(t, "bridge")
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
		remote := netip.AddrFrom16([16]byte(b))
		kind := rapid.SampledFrom([]model.NetworkType{model.VXLAN, model.GRE, model.Geneve}).Draw(t, "type")
		for _, name := range []string{IntPort(bridge), PhyPort(bridge), TunnelPort(kind, remote)} {
			if len(name) > maxName {
				t.Fatalf("%q has %d characters", name, len(name))
			}
		}
	})
}
