package plugin

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestTheDefaultConfigurationIsValid(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestTheNetworkSectionIsReadWithItsDocumentedKeys(t *testing.T) {
	c := DefaultConfig()
	err := yaml.Unmarshal([]byte(`
tenant_network_types: [vlan, vxlan]
vxlan: { vni_ranges: ["1:1000"] }
vlan:  { network_vlan_ranges: ["physnet1:100:200", "physnet2"] }
flat:  { flat_networks: ["physnet1"] }
gre: { tunnel_id_ranges: ["1:10"] }
geneve: { vni_ranges: ["1:10"], max_header_size: 38 }
global_physnet_mtu: 9000
path_mtu: 1550
physical_network_mtus: { physnet1: 1500 }
l2population: false
dns_domain: "cloud.example"
base_mac: "fa:16:3e:4f:00:00"
agent_down_time: 30
quotas: { port: -1 }
`), &c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(c.TenantNetworkTypes) != 2 || c.PathMTU != 1550 || c.PhysicalNetworkMTUs["physnet1"] != 1500 || c.L2Population ||
		c.DNSDomain != "cloud.example" || c.Geneve.MaxHeaderSize != 38 || c.Quotas[QuotaPort] != -1 || c.Quotas[QuotaNetwork] != 100 {
		t.Errorf("read %+v", c)
	}
}

func TestABadKeyIsNamedWithItsValue(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"base MAC of text":        {`base_mac: "here"`, []string{"base_mac", "here"}},
		"multicast base MAC":      {`base_mac: "01:00:5e:00:00:00"`, []string{"base_mac", "01:00:5e"}},
		"domain with a dot":       {`dns_domain: "example.org."`, []string{"dns_domain", "example.org."}},
		"no time for agents":      {`agent_down_time: 0`, []string{"agent_down_time", "0"}},
		"quota of nothing":        {`quotas: { wheels: 4 }`, []string{"quotas", "wheels"}},
		"quota below -1":          {`quotas: { port: -2 }`, []string{"quotas", "port", "-2"}},
		"negative route limit":    {`max_subnet_host_routes: -1`, []string{"max_subnet_host_routes", "-1"}},
		"a key of another part":   {`global_physnet_mtu: 3`, []string{"global_physnet_mtu", "3"}},
		"a range in another part": {`vxlan: { vni_ranges: ["9:1"] }`, []string{"vxlan.vni_ranges", "9:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			if err := yaml.Unmarshal([]byte(c.text), &config); err != nil {
				t.Fatal(err)
			}
			err := config.Validate()
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not name %q", err, w)
				}
			}
			if _, err := New(config); err == nil {
				t.Error("New accepted it")
			}
		})
	}
}
