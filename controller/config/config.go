// Package config is the controller's configuration: its keys, defaults and
// checks.
package config

import (
	"net/url"
	"path/filepath"

	"github.com/lepton-sdn/lepton/config"
	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/controller/plugin"
)

// Config is the content of lepton-controller's configuration file.
type Config struct {
	// Name is the controller's, which no other one has; the machine's name when
	// empty.
	Name     string        `yaml:"name"`
	API      API           `yaml:"api"`
	RPC      RPC           `yaml:"rpc"`
	Metrics  Metrics       `yaml:"metrics"`
	Store    Store         `yaml:"store"`
	Auth     Auth          `yaml:"auth"`
	Network  plugin.Config `yaml:"network"`
	DHCP     DHCP          `yaml:"dhcp"`
	Metadata Metadata      `yaml:"metadata"`
	Nova     Nova          `yaml:"nova"`
	// Journal bounds what is kept of who changed what.
	Journal journal.Config `yaml:"journal"`
	Log     Log            `yaml:"log"`
}

// TLS names PEM files. CA is used where the other side shows a certificate
// too.
type TLS struct {
	// Cert is the file of the certificate.
	Cert string `yaml:"cert"`
	// Key is the file of its private key.
	Key string `yaml:"key"`
	// CA is the file of the authority whose certificates are believed.
	CA string `yaml:"ca"`
}

// Enabled reports whether any file is named.
func (t TLS) Enabled() bool { return t.Cert != "" || t.Key != "" || t.CA != "" }

// API is where the Networking API is served.
type API struct {
	// Listen is the address and port. Other addresses than loopback need
	// authentication (auth.mode).
	Listen string `yaml:"listen"`
	TLS    TLS    `yaml:"tls"`
	// Page serves the operator's page below /ui/ of the same address.
	Page      bool      `yaml:"page"`
	RateLimit RateLimit `yaml:"rate_limit"`
}

// RateLimit is how much each user of a project may ask of one controller, and
// who is not known each address. Without authentication there is no limit.
type RateLimit struct {
	// RequestsPerSecond is how many requests are answered for long; 0: any number.
	RequestsPerSecond int `yaml:"requests_per_second"`
	// Burst is how many are answered at once.
	Burst int `yaml:"burst"`
}

// RPC is where agents connect.
type RPC struct {
	// Listen is the address and port. Other addresses than loopback need mutual
	// TLS.
	Listen string    `yaml:"listen"`
	TLS    MutualTLS `yaml:"tls"`
}

// MutualTLS names the PEM files of the controller's end.
type MutualTLS struct {
	TLS `yaml:",inline"`
	// CRL is the file of the authority's list of revoked certificates (leptonctl
	// certs revoke); agents that show one are shut out within seconds. Empty: none
	// is revoked.
	CRL string `yaml:"crl"`
}

// Metrics is where Prometheus metrics and health are served; empty: nowhere.
type Metrics struct {
	// Listen is the address and port.
	Listen string `yaml:"listen"`
}

// Store is where the records are: an etcd inside this program, or a cluster.
type Store struct {
	Embedded Embedded `yaml:"embedded"`
	// Endpoints are the URLs of an etcd cluster, whose members need
	// --max-txn-ops=10000.
	Endpoints []string `yaml:"endpoints"`
	TLS       TLS      `yaml:"tls"`
}

// Embedded is the directory of the embedded etcd.
type Embedded struct {
	// Dir is an absolute path.
	Dir string `yaml:"dir"`
}

// DHCP says who answers DHCP.
type DHCP struct {
	// Mode is dnsmasq, servers on hosts of role dhcp, or local, every host for its
	// own ports.
	Mode string `yaml:"mode"`
}

// The modes of DHCP.
const (
	DHCPDnsmasq = "dnsmasq"
	DHCPLocal   = "local"
)

// Metadata says how instances get their metadata.
type Metadata struct {
	// NovaMetadataURL is where Nova's metadata service is; empty: the controller
	// answers from its own instance records.
	NovaMetadataURL string `yaml:"nova_metadata_url"`
	// SharedSecret is Nova's metadata_proxy_shared_secret.
	SharedSecret string `yaml:"shared_secret"`
}

// Log sets the level: debug, info, warn, error.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
}

// defaultDir is where the embedded store lives when nothing is said.
const defaultDir = "/var/lib/lepton/controller"

// Default gives the configuration of a controller that was told nothing.
func Default() *Config {
	return &Config{
		API:     API{Listen: "127.0.0.1:9696", Page: true, RateLimit: RateLimit{RequestsPerSecond: 1000, Burst: 5000}},
		RPC:     RPC{Listen: "127.0.0.1:9797"},
		Metrics: Metrics{Listen: "127.0.0.1:9698"},
		Auth:    defaultAuth(),
		Network: plugin.DefaultConfig(),
		DHCP:    DHCP{Mode: DHCPDnsmasq},
		Nova:    defaultNova(),
		Journal: journal.DefaultConfig(),
		Log:     Log{Level: "info"},
	}
}

// Load reads and checks the file; an empty path means the defaults.
func Load(path string) (*Config, error) {
	c := Default()
	if path != "" {
		if err := config.Load(path, c); err != nil {
			return nil, err
		}
	}
	if len(c.Store.Endpoints) == 0 && c.Store.Embedded.Dir == "" {
		c.Store.Embedded.Dir = defaultDir
	}
	c.completeNova()
	c.Network.LocalDHCP = c.DHCP.Mode == DHCPLocal
	if err := c.Validate(); err != nil {
		if path == "" {
			return nil, err
		}
		return nil, config.In(path, err)
	}
	return c, nil
}

// Validate names each key whose value cannot be used.
func (c *Config) Validate() error {
	var e config.Errors
	c.checkAPI(&e)
	c.checkRPC(&e)
	if c.Metrics.Listen != "" {
		e.Address("metrics.listen", c.Metrics.Listen)
	}
	c.checkStore(&e)
	if err := c.Network.Validate(); err != nil {
		e.Add("network", "%v", err)
	}
	if m := c.DHCP.Mode; m != DHCPDnsmasq && m != DHCPLocal {
		e.Add("dhcp.mode", "%q is neither %s nor %s", m, DHCPDnsmasq, DHCPLocal)
	}
	if u := c.Metadata.NovaMetadataURL; u != "" {
		if p, err := url.Parse(u); err != nil || p.Host == "" || p.Scheme != "http" && p.Scheme != "https" {
			e.Add("metadata.nova_metadata_url", "%q is not an http or https URL", u)
		}
	}
	c.Nova.check(&e)
	if err := c.Journal.Validate(); err != nil {
		e.Add("journal", "%v", err)
	}
	e.LogLevel(c.Log.Level)
	return e.Err()
}

func (c *Config) checkAPI(e *config.Errors) {
	host, ok := e.Address("api.listen", c.API.Listen)
	if t := c.API.TLS; (t.Cert == "") != (t.Key == "") {
		e.Add("api.tls", "cert and key are needed together")
	}
	switch l := c.API.RateLimit; {
	case l.RequestsPerSecond < 0:
		e.Add("api.rate_limit.requests_per_second", "%d is negative", l.RequestsPerSecond)
	case l.RequestsPerSecond > 0 && l.Burst < 1:
		e.Add("api.rate_limit.burst", "%d is not positive: no request would be answered", l.Burst)
	}
	c.Auth.check(e)
	if c.Auth.Mode == AuthNone && ok && !config.Loopback(host) {
		e.Add("api.listen", "%q is not on loopback: without authentication (auth.mode none) the API is served on loopback only", c.API.Listen)
	}
}

func (c *Config) checkRPC(e *config.Errors) {
	host, ok := e.Address("rpc.listen", c.RPC.Listen)
	t := c.RPC.TLS
	if t.Enabled() && (t.Cert == "" || t.Key == "" || t.CA == "") {
		e.Add("rpc.tls", "cert, key and ca are needed together")
	}
	if t.CRL != "" && !t.Enabled() {
		e.Add("rpc.tls.crl", "has no use without cert, key and ca")
	}
	if ok && !config.Loopback(host) && !t.Enabled() {
		e.Add("rpc.listen", "%q is not on loopback: agents elsewhere are served with mutual TLS only, and rpc.tls is missing", c.RPC.Listen)
	}
}

func (c *Config) checkStore(e *config.Errors) {
	switch {
	case len(c.Store.Endpoints) > 0 && c.Store.Embedded.Dir != "":
		e.Add("store", "embedded and endpoints exclude each other")
	case len(c.Store.Endpoints) == 0 && !filepath.IsAbs(c.Store.Embedded.Dir):
		e.Add("store.embedded.dir", "%q is not an absolute path", c.Store.Embedded.Dir)
	}
	for _, s := range c.Store.Endpoints {
		if s == "" {
			e.Add("store.endpoints", "an entry is empty")
		}
	}
	if t := c.Store.TLS; (t.Cert == "") != (t.Key == "") {
		e.Add("store.tls", "cert and key are needed together")
	}
}
