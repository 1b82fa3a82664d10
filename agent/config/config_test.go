package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/agent/config"
)

func load(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path)
}

func TestTheConfigurationOfTheManualIsAccepted(t *testing.T) {
	c, err := load(t, `
host: hv1
controller: { address: "192.0.2.1:9797", tls: { cert: /c.pem, key: /k.pem, ca: /ca.pem } }
roles: [l2]
state_dir: /var/lib/lepton/agent
run_dir: /run/lepton
ovs:
  db: "unix:/var/run/openvswitch/db.sock"
  run_dir: /var/run/openvswitch
  openflow_listen: "127.0.0.1:6633"
  datapath_type: ""
  integration_bridge: br-int
  tunnel_bridge: br-tun
  bridge_mappings: { physnet1: br-phys }
tunnel: { types: [vxlan], local_ip: 192.0.2.11, vxlan_port: 4789, csum: false, df: true }
l2: { arp_responder: true }
metrics: { listen: "127.0.0.1:9699" }
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != "hv1" || c.OVS.BridgeMappings["physnet1"] != "br-phys" || c.Tunnel.LocalIP.String() != "192.0.2.11" {
		t.Fatalf("read as %+v", c)
	}
}

func TestDefaults(t *testing.T) {
	c, err := load(t, "host: hv1\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Controller.All(); len(got) != 1 || got[0] != "127.0.0.1:9797" {
		t.Errorf("controllers %v", got)
	}
	if c.OVS.IntegrationBridge != "br-int" || c.OVS.TunnelBridge != "br-tun" || !c.L2.ARPResponder || !c.Tunnel.DF {
		t.Errorf("defaults %+v", c)
	}
}

func TestAHostWithATunnelAddressHasVXLANUnlessTold(t *testing.T) {
	for text, want := range map[string]int{
		"tunnel: {local_ip: 192.0.2.1}": 1, "tunnel: {local_ip: 192.0.2.1, types: []}": 0, "host: hv1": 0,
	} {
		c, err := load(t, text)
		if err != nil || len(c.Tunnel.Types) != want {
			t.Errorf("%s: types %v, error %v; want %d", text, c.Tunnel.Types, err, want)
		}
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"an unknown key", "hots: hv1\n", `unknown key "hots"`},
		{"an unknown role", "roles: [l2, l4]\n", `roles: "l4"`},
		{"a controller elsewhere without TLS", `controller: {address: "192.0.2.1:9797"}`, "controller.tls: missing"},
		{"half of the TLS files", `controller: {address: "127.0.0.1:1", tls: {cert: /a}}`, "controller.tls: cert, key and ca"},
		{"a controller without a port", `controller: {address: "127.0.0.1"}`, `controller.address: "127.0.0.1"`},
		{"tunnels without an address", "tunnel: {types: [vxlan]}", "tunnel.local_ip: missing"},
		{"an unknown tunnel type", "tunnel: {types: [stt], local_ip: 192.0.2.1}", `tunnel.types: "stt"`},
		{"an address that is none", "tunnel: {local_ip: nowhere}", "nowhere"},
		{"a VXLAN port out of range", "tunnel: {vxlan_port: 70000}", "tunnel.vxlan_port: 70000"},
		{"a bridge name that is too long", "ovs: {integration_bridge: br-int-that-is-too-long}", "ovs.integration_bridge"},
		{"one bridge in two parts", "ovs: {bridge_mappings: {p1: br-int}}", "already used by ovs.integration_bridge"},
		{"two physical networks on one bridge", "ovs: {bridge_mappings: {p1: br-a, p2: br-a}}", "already used by ovs.bridge_mappings.p1"},
		{"an OVSDB that is no endpoint", "ovs: {db: /run/db.sock}", "ovs.db"},
		{"an OVSDB elsewhere without TLS", "ovs: {db: 'tcp:192.0.2.1:6640'}", "ovs.db"},
		{"an OVSDB with ssl without files", "ovs: {db: 'ssl:192.0.2.1:6640'}", "ovs.tls"},
		{"files of an OVSDB without ssl", "ovs: {tls: {cert: c, key: k, ca: a}}", "ovs.tls"},
		{"a datapath type that does not exist", "ovs: {datapath_type: fast}", `ovs.datapath_type: "fast"`},
		{"a relative directory", "state_dir: var\n", "state_dir"},
		{"a log level that does not exist", "log: {level: loud}", "log.level"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(t, tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}
