package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/config"
)

func load(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "controller.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path)
}

func TestTheConfigurationOfTheManualIsAccepted(t *testing.T) {
	c, err := load(t, `
api:      { listen: "127.0.0.1:9696" }
rpc:      { listen: "192.0.2.1:9797", tls: { cert: /c.pem, key: /k.pem, ca: /ca.pem } }
metrics:  { listen: "127.0.0.1:9698" }
store:    { embedded: { dir: /var/lib/lepton/controller } }
auth:     { mode: none }
network:
  tenant_network_types: [vxlan]
  vxlan: { vni_ranges: ["1:16777215"] }
  vlan:  { network_vlan_ranges: ["physnet1:100:200"] }
  flat:  { flat_networks: ["*"] }
  global_physnet_mtu: 1500
  path_mtu: 0
  physical_network_mtus: { }
  l2population: true
  dns_domain: "openstacklocal"
dhcp: { mode: dnsmasq }
metadata: { nova_metadata_url: "", shared_secret: "" }
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.RPC.Listen != "192.0.2.1:9797" || !c.Network.L2Population {
		t.Fatalf("read as %+v", c)
	}
}

func TestAuthenticationOpensTheAPIToOtherAddresses(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(tokens, []byte("tokens: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, auth := range map[string]string{
		"a file of tokens": "{mode: token, token: {file: " + tokens + "}}",
		"Keystone":         "{mode: keystone, keystone: {url: 'http://192.0.2.9:5000/v3', username: neutron, password: secret, project: service, domain: Default}}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, "api: {listen: '192.0.2.1:9696'}\nauth: "+auth+"\n"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestNovaIsToldAsTheUserThatValidatesTokens(t *testing.T) {
	c, err := load(t, `
auth: {mode: keystone, keystone: {url: 'http://k:5000/v3', username: neutron, password: secret}}
nova: {url: 'http://nova:8774/v2.1'}
`)
	if err != nil {
		t.Fatal(err)
	}
	if want := (config.Account{URL: "http://k:5000/v3", Username: "neutron", Password: "secret", Project: "service", Domain: "Default"}); c.Nova.Keystone != want {
		t.Fatalf("account %+v", c.Nova.Keystone)
	}
}

func TestNoFileMeansTheDefaults(t *testing.T) {
	c, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
	if c.API.Listen != "127.0.0.1:9696" || c.RPC.Listen != "127.0.0.1:9797" || c.Store.Embedded.Dir != "/var/lib/lepton/controller" {
		t.Fatalf("defaults %+v", c)
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"an unknown key", "apy: {}\n", `controller.yaml:1: unknown key "apy"`},
		{"an unknown key of the network section", "network:\n  vxlan: { vnis: [] }\n", `:2: unknown key "vnis"`},
		{"an open API without authentication", `api: {listen: "0.0.0.0:9696"}`, "api.listen"},
		{"an API on every address without authentication", `api: {listen: ":9696"}`, "api.listen"},
		{"agents from elsewhere without TLS", `rpc: {listen: "192.0.2.1:9797"}`, "rpc.tls is missing"},
		{"half of the TLS files", `rpc: {tls: {cert: /a}}`, "rpc.tls"},
		{"two stores", `store: {embedded: {dir: /a}, endpoints: ["http://127.0.0.1:2379"]}`, "exclude each other"},
		{"a relative directory", `store: {embedded: {dir: data}}`, "store.embedded.dir"},
		{"an authentication that does not exist", "auth: {mode: password}", `auth.mode: "password"`},
		{"a mode without its file", "auth: {mode: token}", "auth.token.file"},
		{"a file of tokens somewhere", "auth: {mode: token, token: {file: tokens.yaml}}", "auth.token.file"},
		{"a file of tokens that is not there", "auth: {mode: token, token: {file: /does/not/exist}}", "auth.token.file: read file of tokens: open /does/not/exist"},
		{"a file of tokens that holds something else", "auth: {mode: token, token: {file: /etc/passwd}}", "auth.token.file: /etc/passwd:"},
		{"a Keystone without a password", "auth: {mode: keystone, keystone: {url: 'http://k:5000', username: neutron}}", "auth.keystone.password: is missing"},
		{"a Keystone without a user", "auth: {mode: keystone, keystone: {url: 'http://k:5000', password: p}}", "auth.keystone.username: is missing"},
		{"a Keystone that is no URL", "auth: {mode: keystone, keystone: {url: 'keystone:5000', username: n, password: p}}", "auth.keystone.url"},
		{"a password in the URL", "auth: {mode: keystone, keystone: {url: 'http://a:b@k', username: n, password: p}}", "auth.keystone.url: must not hold"},
		{"a cache for too long", "auth: {mode: keystone, keystone: {url: 'http://k', username: n, password: p, token_cache_time: 301}}", "auth.keystone.token_cache_time"},
		{"an unknown key of a mode", "auth:\n  keystone: {user: n}", `:2: unknown key "user"`},
		{"a port that is none", `api: {listen: "127.0.0.1:http"}`, "api.listen"},
		{"a range that is reversed", `network: {vxlan: {vni_ranges: ["9:1"]}}`, "vni_ranges"},
		{"a metadata URL that is none", `metadata: {nova_metadata_url: nova}`, "metadata.nova_metadata_url"},
		{"a Nova without credentials", `nova: {url: "http://nova:8774/v2.1"}`, "nova: token or keystone is needed"},
		{"a Nova that is no URL", `nova: {url: "nova:8774", token: t}`, "nova.url"},
		{"credentials without a Nova", `nova: {token: t}`, "nova.url: is missing"},
		{"two credentials for Nova", `nova: {url: "http://nova:8774/v2.1", token: t, keystone: {url: "http://k:5000"}}`, "exclude each other"},
		{"an account without a password", `nova: {url: "http://nova:8774/v2.1", keystone: {url: "http://k:5000", username: nova}}`, "nova.keystone.password: is missing"},
		{"a mode of DHCP that does not exist", "dhcp: {mode: relay}", `dhcp.mode: "relay" is neither dnsmasq nor local`},
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
