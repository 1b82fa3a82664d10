// Package config is the agent's configuration: its keys, defaults and checks.
package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/config"
	"github.com/lepton-sdn/lepton/model"
)

// Config is the content of lepton-agent's configuration file.
type Config struct {
	// Host is the name under which ports are bound to this machine
	// (binding:host_id). Default: the machine's name.
	Host       string     `yaml:"host"`
	Controller Controller `yaml:"controller"`
	// Roles are l2, l3, dvr, dhcp, metadata: l3 keeps routers, dvr routes for the
	// ports of this host only.
	Roles []string `yaml:"roles"`
	// StateDir is kept over restarts of the machine.
	StateDir string `yaml:"state_dir"`
	// RunDir is for the files of programs in namespaces.
	RunDir  string  `yaml:"run_dir"`
	OVS     OVS     `yaml:"ovs"`
	Tunnel  Tunnel  `yaml:"tunnel"`
	L2      L2      `yaml:"l2"`
	DHCP    DHCP    `yaml:"dhcp"`
	Metrics Metrics `yaml:"metrics"`
	Log     Log     `yaml:"log"`
	// Brake holds back what would remove too much at once.
	Brake Brake `yaml:"brake"`
	// Drift is about what others change on the host.
	Drift Drift `yaml:"drift"`
	// NetworkLog is about the packets that logs of the API ask for.
	NetworkLog NetworkLog `yaml:"network_log"`
	// Metadata bounds what guests ask about themselves.
	Metadata Metadata `yaml:"metadata"`
	// AvailabilityZone is the zone that the agent reports.
	AvailabilityZone string `yaml:"availability_zone"`
}

// Controller says where the controllers listen for agents.
type Controller struct {
	// Address is a controller's HOST:PORT. Default: 127.0.0.1:9797.
	Address string `yaml:"address"`
	// Addresses are those of several; the agent keeps to one that answers.
	Addresses []string `yaml:"addresses"`
	TLS       TLS      `yaml:"tls"`
}

// All gives every configured address.
func (c Controller) All() []string {
	if c.Address != "" {
		return append([]string{c.Address}, c.Addresses...)
	}
	return c.Addresses
}

// TLS names PEM files: the agent's certificate, its key, and the CA of the
// controllers. Empty: no TLS, for loopback only.
type TLS struct {
	// Cert is the file of this host's certificate.
	Cert string `yaml:"cert"`
	// Key is the file of its private key.
	Key string `yaml:"key"`
	// CA is the file of the authority that the controllers' are from.
	CA string `yaml:"ca"`
	// CRL is the file of that authority's list of revoked certificates; empty: none
	// is.
	CRL string `yaml:"crl"`
}

// Roles are those that an agent may have.
func Roles() []string { return []string{"l2", "l3", "dvr", "dhcp", "metadata"} }

// Enabled reports whether any file is named.
func (t TLS) Enabled() bool { return t.Cert != "" || t.Key != "" || t.CA != "" }

// OVS says how Open vSwitch is reached and which bridges are used.
type OVS struct {
	// DB is the OVSDB server: unix:PATH, tcp:HOST:PORT on loopback, or ssl:HOST:PORT.
	DB string `yaml:"db"`
	// TLS is for a db with ssl; its CA is the authority of the database's
	// certificate, which has to name the HOST.
	TLS TLS `yaml:"tls"`
	// RunDir holds the bridges' management sockets, BRIDGE.mgmt.
	RunDir string `yaml:"run_dir"`
	// OpenFlowListen is the bridges' controller address.
	OpenFlowListen string `yaml:"openflow_listen"`
	// DatapathType is that of the bridges: empty, system, or netdev for the
	// userspace datapath.
	DatapathType string `yaml:"datapath_type"`
	// IntegrationBridge is the bridge that guests are plugged into; made if it
	// is not there.
	IntegrationBridge string `yaml:"integration_bridge"`
	// TunnelBridge is made if it is not there.
	TunnelBridge string `yaml:"tunnel_bridge"`
	// BridgeMappings is physical network → bridge.
	BridgeMappings map[string]string `yaml:"bridge_mappings"`
}

// Tunnel describes this host's end of the tunnels.
type Tunnel struct {
	// Types are vxlan, gre, geneve. Default: vxlan when there is a local_ip, else
	// none.
	Types []string `yaml:"types"`
	// LocalIP is this host's address on the underlay. Without it there are no
	// tunnels.
	LocalIP netip.Addr `yaml:"local_ip"`
	// VXLANPort is the UDP port of VXLAN.
	VXLANPort int `yaml:"vxlan_port"`
	// CSUM has checksums computed over tunnelled packets.
	CSUM bool `yaml:"csum"`
	// DF sets "don't fragment" on tunnelled packets.
	DF bool `yaml:"df"`
}

// ModelTypes gives the tunnel types as network types.
func (t Tunnel) ModelTypes() []model.NetworkType {
	out := make([]model.NetworkType, 0, len(t.Types))
	for _, s := range t.Types {
		out = append(out, model.NetworkType(s))
	}
	return out
}

// L2 holds switches of the layer-2 pipeline.
type L2 struct {
	// ARPResponder has requests for known addresses answered on this host.
	ARPResponder bool `yaml:"arp_responder"`
}

// Metrics says where Prometheus metrics and health are served; empty: nowhere.
type Metrics struct {
	// Listen is the address and port.
	Listen string `yaml:"listen"`
}

// Brake says how much of what the host carries a controller's snapshot may lack
// without having deleted it.
type Brake struct {
	// Share is in percent of the ports, routers, or records about other hosts;
	// 100: there is no brake.
	Share int `yaml:"share"`
	// Floor is how many may be missing in any case; ten times as many of the
	// records about other hosts.
	Floor int `yaml:"floor"`
}

// Drift says what is done about what others change of the agent's.
type Drift struct {
	// Mode is repair, watch, or hold, in which nothing at all is written.
	Mode string `yaml:"mode"`
	// AuditInterval is the time between two looks at everything, in seconds.
	AuditInterval int `yaml:"audit_interval"`
}

// NetworkLog says where packets are logged, and how many.
type NetworkLog struct {
	// File takes the lines; empty: the agent's own log.
	File string `yaml:"file"`
	// RateLimit is packets a second, 100 to 1000000.
	RateLimit int `yaml:"rate_limit"`
	// BurstLimit is how many may come at once, 25 to 1000000.
	BurstLimit int `yaml:"burst_limit"`
}

// Metadata says how guests' requests for metadata are answered.
type Metadata struct {
	// Mode is namespaces, for those that come through routers and DHCP's
	// namespaces here, or local: those of the host's own guests are answered too,
	// without either.
	Mode string `yaml:"mode"`
	// RateLimit is how many requests a port may send in a second, 1 to 100000.
	RateLimit int `yaml:"rate_limit"`
	// BurstLimit is how many it may send at once, 1 to 100000.
	BurstLimit int `yaml:"burst_limit"`
}

// Log sets the level: debug, info, warn, error.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
}

// Default gives the configuration of a host on which nothing was said.
func Default() *Config {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return &Config{
		Host:     host,
		Roles:    []string{"l2"},
		StateDir: "/var/lib/lepton/agent",
		RunDir:   "/run/lepton",
		OVS: OVS{
			DB:                "unix:/var/run/openvswitch/db.sock",
			RunDir:            "/var/run/openvswitch",
			OpenFlowListen:    "127.0.0.1:6633",
			IntegrationBridge: "br-int",
			TunnelBridge:      "br-tun",
		},
		Tunnel:  Tunnel{VXLANPort: 4789, DF: true},
		L2:      L2{ARPResponder: true},
		DHCP:    DHCP{LeaseDuration: 86400, EnableIsolatedMetadata: true},
		Metrics: Metrics{Listen: "127.0.0.1:9699"},
		Log:     Log{Level: "info"},

		Drift:      Drift{Mode: "repair", AuditInterval: 60},
		Brake:      Brake{Share: 50, Floor: 5},
		NetworkLog: NetworkLog{RateLimit: 100, BurstLimit: 25},
		Metadata:   Metadata{Mode: "namespaces", RateLimit: 50, BurstLimit: 200},
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
	if len(c.Controller.All()) == 0 {
		c.Controller.Address = "127.0.0.1:9797"
	}
	if c.Tunnel.Types == nil && c.Tunnel.LocalIP.IsValid() {
		c.Tunnel.Types = []string{string(model.VXLAN)}
	}
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
	if c.Host == "" || len(c.Host) > 255 || strings.ContainsAny(c.Host, " \t\n/") {
		e.Add("host", "%q is not a host name", c.Host)
	}
	c.checkController(&e)
	roles := Roles()
	for _, r := range c.Roles {
		if !slices.Contains(roles, r) {
			e.Add("roles", "%q is none of %s", r, strings.Join(roles, ", "))
		}
	}
	for key, dir := range map[string]string{"state_dir": c.StateDir, "run_dir": c.RunDir, "ovs.run_dir": c.OVS.RunDir} {
		if !filepath.IsAbs(dir) {
			e.Add(key, "%q is not an absolute path", dir)
		}
	}
	c.checkOVS(&e)
	c.checkTunnel(&e)
	if c.Metrics.Listen != "" {
		e.Address("metrics.listen", c.Metrics.Listen)
	}
	e.LogLevel(c.Log.Level)
	c.checkNetworkLog(&e)
	c.Metadata.check(&e)
	if m := c.Drift.Mode; m != "repair" && m != "watch" && m != "hold" {
		e.Add("drift.mode", "%q is none of repair, watch, hold", m)
	}
	if c.Drift.AuditInterval < 1 {
		e.Add("drift.audit_interval", "%d is not a number of seconds", c.Drift.AuditInterval)
	}
	if c.Brake.Share < 1 || c.Brake.Share > 100 {
		e.Add("brake.share", "%d is not between 1 and 100 percent", c.Brake.Share)
	}
	if c.Brake.Floor < 0 {
		e.Add("brake.floor", "%d is less than 0", c.Brake.Floor)
	}
	c.DHCP.check(&e)
	return e.Err()
}

func (c *Config) checkNetworkLog(e *config.Errors) {
	l := c.NetworkLog
	if l.File != "" && !filepath.IsAbs(l.File) {
		e.Add("network_log.file", "%q is not an absolute path", l.File)
	}
	if l.RateLimit < 100 || l.RateLimit > 1e6 {
		e.Add("network_log.rate_limit", "%d is not between 100 and 1000000 packets a second", l.RateLimit)
	}
	if l.BurstLimit < 25 || l.BurstLimit > 1e6 {
		e.Add("network_log.burst_limit", "%d is not between 25 and 1000000 packets", l.BurstLimit)
	}
}

// Local reports whether the host's own guests are answered.
func (m Metadata) Local() bool { return m.Mode == "local" }

func (m Metadata) check(e *config.Errors) {
	if m.Mode != "namespaces" && m.Mode != "local" {
		e.Add("metadata.mode", "%q is neither namespaces nor local", m.Mode)
	}
	for key, n := range map[string]int{"metadata.rate_limit": m.RateLimit, "metadata.burst_limit": m.BurstLimit} {
		if n < 1 || n > 1e5 {
			e.Add(key, "%d is not between 1 and 100000 requests", n)
		}
	}
}

func (c *Config) checkController(e *config.Errors) {
	tls := c.Controller.TLS
	if tls.CRL != "" && !tls.Enabled() {
		e.Add("controller.tls.crl", "has no use without cert, key and ca")
	}
	if tls.Enabled() && (tls.Cert == "" || tls.Key == "" || tls.CA == "") {
		e.Add("controller.tls", "cert, key and ca are needed together")
	}
	for _, a := range c.Controller.All() {
		host, ok := e.Address("controller.address", a)
		if ok && !tls.Enabled() && !config.Loopback(host) {
			e.Add("controller.tls", "missing: a controller at %s, which is not on loopback, is reached with mutual TLS only", a)
		}
	}
}

func (c *Config) checkOVS(e *config.Errors) {
	switch {
	case strings.HasPrefix(c.OVS.DB, "unix:/"):
	case strings.HasPrefix(c.OVS.DB, "tcp:"):
		if host, ok := e.Address("ovs.db", strings.TrimPrefix(c.OVS.DB, "tcp:")); ok && !config.Loopback(host) {
			e.Add("ovs.db", "%q is not on loopback: say ssl:HOST:PORT, and name the files in ovs.tls", c.OVS.DB)
		}
	case strings.HasPrefix(c.OVS.DB, "ssl:"):
		e.Address("ovs.db", strings.TrimPrefix(c.OVS.DB, "ssl:"))
		if t := c.OVS.TLS; t.Cert == "" || t.Key == "" || t.CA == "" {
			e.Add("ovs.tls", "cert, key and ca are needed for a database with ssl")
		}
	default:
		e.Add("ovs.db", "%q is neither unix:/PATH, tcp:HOST:PORT nor ssl:HOST:PORT", c.OVS.DB)
	}
	if (c.OVS.TLS.Enabled() || c.OVS.TLS.CRL != "") && !strings.HasPrefix(c.OVS.DB, "ssl:") {
		e.Add("ovs.tls", "has no use without a db with ssl")
	}
	e.Address("ovs.openflow_listen", c.OVS.OpenFlowListen)
	if t := c.OVS.DatapathType; t != "" && t != "system" && t != "netdev" {
		e.Add("ovs.datapath_type", "%q is neither empty, system nor netdev", t)
	}
	seen := map[string]string{}
	for _, b := range []struct{ key, name string }{
		{"ovs.integration_bridge", c.OVS.IntegrationBridge},
		{"ovs.tunnel_bridge", c.OVS.TunnelBridge},
	} {
		checkBridge(e, b.key, b.name, seen)
	}
	for _, physnet := range sortedKeys(c.OVS.BridgeMappings) {
		key := "ovs.bridge_mappings." + physnet
		if physnet == "" || len(physnet) > 64 {
			e.Add("ovs.bridge_mappings", "%q is not the name of a physical network", physnet)
		}
		checkBridge(e, key, c.OVS.BridgeMappings[physnet], seen)
	}
}

// checkBridge refuses names that no Linux interface can have, and one bridge
// in two parts.
func checkBridge(e *config.Errors, key, name string, seen map[string]string) {
	if name == "" || len(name) > 15 || strings.ContainsAny(name, "/ \t\n:") {
		e.Add(key, "%q is not the name of a bridge (1 to 15 characters)", name)
		return
	}
	if other, ok := seen[name]; ok {
		e.Add(key, "bridge %s is already used by %s", name, other)
	}
	seen[name] = key
}

func (c *Config) checkTunnel(e *config.Errors) {
	for _, t := range c.Tunnel.Types {
		if !model.NetworkType(t).Tunneled() {
			e.Add("tunnel.types", "%q is none of vxlan, gre, geneve", t)
		}
	}
	if len(c.Tunnel.Types) > 0 && !c.Tunnel.LocalIP.IsValid() {
		e.Add("tunnel.local_ip", "missing: tunnels of type %s need this host's address", strings.Join(c.Tunnel.Types, ", "))
	}
	if ip := c.Tunnel.LocalIP; ip.IsValid() && (ip.IsMulticast() || ip.IsUnspecified() || ip.IsLoopback()) {
		e.Add("tunnel.local_ip", "%s is not the address of an interface", ip)
	}
	if c.Tunnel.VXLANPort < 1 || c.Tunnel.VXLANPort > 65535 {
		e.Add("tunnel.vxlan_port", "%d is not a UDP port", c.Tunnel.VXLANPort)
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
