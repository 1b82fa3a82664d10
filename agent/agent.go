// Package agent runs on every hypervisor and network node, beside Open vSwitch:
// it puts the parts of the agent together.
package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/agent/control"
	"github.com/lepton-sdn/lepton/agent/dhcp"
	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/agent/feed"
	"github.com/lepton-sdn/lepton/agent/l3"
	"github.com/lepton-sdn/lepton/agent/localdhcp"
	"github.com/lepton-sdn/lepton/agent/metadata"
	"github.com/lepton-sdn/lepton/agent/packetlog"
	"github.com/lepton-sdn/lepton/agent/rulestats"
	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/agent/snapshot"
	"github.com/lepton-sdn/lepton/agent/switches"
	"github.com/lepton-sdn/lepton/agent/upkeep"
	"github.com/lepton-sdn/lepton/agent/wire"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/telemetry"
)

// Options are what a configuration file does not say.
type Options struct {
	Config  *config.Config
	Version string
	Log     *zap.Logger
	// Ready is called once, when the agent has reached Open vSwitch and works.
	Ready func()

	audit *audit.Auditor // of this run
	loops *telemetry.Loops
}

// databaseComplaint is how often a missing ovsdb-server is told.
const databaseComplaint = 10 * time.Second

// Run is the agent. It returns when ctx is done, or with what makes it
// impossible to work. The switch keeps its flows either way.
func Run(ctx context.Context, o Options) error {
	cfg := o.Config
	lock, err := lockDir(cfg.StateDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	instance, err := lastingID(filepath.Join(cfg.StateDir, "instance"))
	if err != nil {
		return err
	}
	var keys *pki.Keys
	if t := cfg.Controller.TLS; t.Enabled() {
		if keys, err = (pki.Files{Cert: t.Cert, Key: t.Key, CA: t.CA, CRL: t.CRL}).Open(o.Log); err != nil {
			return fmt.Errorf("controller.tls: %w", err)
		}
	}
	db, err := openDatabase(ctx, cfg.OVS, o.Log)
	if err != nil || db == nil {
		return err
	}
	defer db.Close()
	hub, err := switches.Listen(ctx, switches.Config{
		Address: cfg.OVS.OpenFlowListen, RunDir: cfg.OVS.RunDir, Log: o.Log,
		Names: func(dpid uint64) string { return bridgeOf(db.State(), dpid) },
	})
	if err != nil {
		return fmt.Errorf("ovs.openflow_listen: %w", err)
	}

	reg := telemetry.Registry()
	o.loops = telemetry.NewLoops(reg)
	packets, err := openPacketLog(o, reg)
	if err != nil {
		return err
	}
	auditor := audit.New(audit.Config{
		Mode: audit.Mode(cfg.Drift.Mode), Interval: time.Duration(cfg.Drift.AuditInterval) * time.Second,
		Registerer: reg, Log: o.Log,
	})
	o.audit = auditor
	sess := session.New(session.Config{
		Addresses: cfg.Controller.All(), Keys: keys, Hello: hello(o, instance), Log: o.Log,
		Loop: o.loops.Loop("session"), Findings: auditor.Newest,
	})
	updates := feed.NewWith(sess, feed.Config{
		Archive: snapshot.New(filepath.Join(cfg.StateDir, "records"), snapshot.Owner{Host: cfg.Host, Instance: instance}),
		Brake: feed.Brake{
			Host: cfg.Host, Share: cfg.Brake.Share, Floor: cfg.Brake.Floor,
			Plugged: func() map[string]bool { return plugged(db.State()) },
		},
		Metrics: feed.NewMetrics(reg), Loop: o.loops.Loop("feed"), Log: o.Log,
	})
	local := localdhcp.New(localdhcp.Config{Host: cfg.Host, Log: o.Log, Registerer: reg, Loop: o.loops.Loop("localdhcp"), Settings: answers.Settings{
		LeaseTime: cfg.DHCP.LeaseTime(), NoResolver: true, Resolvers: cfg.DHCP.Resolvers(), LinkMetadata: metadataLink(cfg) != "",
	}})
	loop := wire.New(wire.Config{
		Host:         cfg.Host,
		Bridges:      desiredBridges(cfg),
		TunnelTypes:  cfg.Tunnel.ModelTypes(),
		ARPResponder: cfg.L2.ARPResponder,
		DB:           db,
		Controller:   updates.Consumer("wire"),
		Dial:         hub.Dial,
		Metrics:      wire.NewMetrics(reg),
		Loop:         o.loops.Loop("wire"),
		Audit:        auditor,
		Packets:      packets,
		Responder:    local,
		MetadataLink: metadataLink(cfg),
		Log:          o.Log,
	})
	// Programs that give up root's rights read their files in it.
	if err := os.MkdirAll(cfg.RunDir, 0o755); err != nil {
		return fmt.Errorf("run_dir: %w", err)
	}
	children, err := child.New(filepath.Join(cfg.RunDir, "children"), o.Log)
	if err != nil {
		return fmt.Errorf("run_dir: %w", err)
	}
	defer children.Close()
	reg.MustRegister(newChildFigures(children))
	g, ctx := errgroup.WithContext(ctx)
	keeps := upkeep.Config{
		Host: cfg.Host, Owner: namespaceOwner(instance), Bridge: cfg.OVS.IntegrationBridge, RunDir: cfg.RunDir, DB: db,
		Children: children, Audit: auditor, Log: o.Log,
	}
	if slices.Contains(cfg.Roles, "dhcp") {
		keeps.Controller, keeps.Loop = updates.Consumer("dhcp"), o.loops.Loop("dhcp")
		servers := dhcp.New(dhcp.Config{Config: keeps, Options: dhcpOptions(cfg)})
		g.Go(func() error { return servers.Run(ctx) })
	}
	if slices.Contains(cfg.Roles, "l3") || slices.Contains(cfg.Roles, "dvr") {
		keeps.Controller, keeps.Loop = updates.Consumer("l3"), o.loops.Loop("l3")
		routers := l3.New(l3.Config{Config: keeps, Connected: sess.Connected})
		g.Go(func() error { return routers.Run(ctx) })
	}
	if err := serveMetadata(ctx, g, o, metadata.Config{
		Host: cfg.Host, Owner: namespaceOwner(instance), Children: children, DB: db,
	}, updates, reg); err != nil {
		return err
	}
	if cfg.Metrics.Listen != "" {
		m, err := telemetry.Listen(cfg.Metrics.Listen, reg, checks(db, sess, updates)...)
		if err != nil {
			return fmt.Errorf("metrics.listen: %w", err)
		}
		g.Go(func() error { return m.Run(ctx) })
	}
	ctl, err := control.Listen(filepath.Join(cfg.RunDir, "agent.sock"), cfg.Host, auditor, updates)
	if err != nil {
		return fmt.Errorf("run_dir: %w", err)
	}
	g.Go(func() error { return ctl.Run(ctx) })
	g.Go(func() error { return auditor.Run(ctx) })
	g.Go(func() error { return auditor.Tell(ctx, func(p []model.Problem) { updates.Tell("drift", p) }) })
	g.Go(func() error { return packets.Run(ctx) })
	g.Go(func() error { return local.Run(ctx) })
	g.Go(func() error { return hub.Run(ctx) })
	g.Go(func() error { return sess.Run(ctx) })
	g.Go(func() error { return updates.Run(ctx) })
	g.Go(func() error { return loop.Run(ctx) })
	g.Go(func() error {
		return rulestats.Run(ctx, rulestats.Config{
			Read: func(ctx context.Context, f ofp.Filter) ([]ofp.FlowStat, error) {
				return hub.Stats(ctx, cfg.OVS.IntegrationBridge, f)
			},
			Report: sess.ReportRules, Loop: o.loops.Loop("rulestats"), Log: o.Log,
		})
	})
	o.Ready()
	return g.Wait()
}

// openPacketLog prepares the writing of packets for the logs of the API. Lines
// are appended, so that the file may be copied and truncated at any time.
func openPacketLog(o Options, reg prometheus.Registerer) (*packetlog.Log, error) {
	c, out := o.Config.NetworkLog, o.Log.Named("network_log")
	if c.File != "" {
		own := zap.NewProductionConfig()
		own.OutputPaths, own.Sampling, own.DisableCaller = []string{c.File}, nil, true
		own.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		var err error
		if out, err = own.Build(); err != nil {
			return nil, fmt.Errorf("network_log.file: %w", err)
		}
		out = out.Named("network_log")
	}
	return packetlog.New(packetlog.Config{Rate: c.RateLimit, Burst: c.BurstLimit, Out: out, Registerer: reg, Loop: o.loops.Loop("packetlog")}), nil
}

// namespaceOwner is the mark of the network namespaces that an agent makes:
// agents of several hosts may share a machine, in labs.
func namespaceOwner(instance string) string { return "lepton-agent " + instance }

// openDatabase waits for ovsdb-server as long as it takes: at boot the agent
// may be there first. It gives nil when ctx ends before.
func openDatabase(ctx context.Context, cfg config.OVS, log *zap.Logger) (*ovsdb.Client, error) {
	var keys func() *tls.Config
	if t := cfg.TLS; t.Enabled() {
		k, err := (pki.Files{Cert: t.Cert, Key: t.Key, CA: t.CA, CRL: t.CRL}).Open(log)
		if err != nil {
			return nil, fmt.Errorf("ovs.tls: %w", err)
		}
		keys = func() *tls.Config {
			// Open vSwitch need not have TLS 1.3, and the database speaks no HTTP.
			c := k.Client()
			c.MinVersion, c.NextProtos = tls.VersionTLS12, nil
			return c
		}
	}
	for {
		attempt, cancel := context.WithTimeout(ctx, databaseComplaint)
		db, err := ovsdb.DialTLS(attempt, cfg.DB, keys, log)
		cancel()
		switch {
		case err == nil:
			return db, nil
		case ctx.Err() != nil:
			return nil, nil
		case !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
		log.Warn("waiting for Open vSwitch's database", zap.String("endpoint", cfg.DB), zap.Error(err))
	}
}

// hello is how the agent introduces itself.
func hello(o Options, instance string) model.Agent {
	c := o.Config
	a := model.Agent{
		Host: c.Host, Instance: instance, Version: o.Version, Roles: c.Roles,
		BridgeMappings: c.OVS.BridgeMappings, TunnelTypes: c.Tunnel.ModelTypes(), TunnelIP: c.Tunnel.LocalIP,
		VXLANPort: c.Tunnel.VXLANPort, IntegrationBridge: c.OVS.IntegrationBridge,
		DatapathType: c.OVS.DatapathType, AvailabilityZone: c.AvailabilityZone, StartedAt: time.Now().UTC(),
		LocalMetadata: metadataLink(c) != "",
	}
	return a
}

func desiredBridges(c *config.Config) bridges.Desired {
	return bridges.Desired{
		Integration:    c.OVS.IntegrationBridge,
		Tunnel:         c.OVS.TunnelBridge,
		DatapathType:   c.OVS.DatapathType,
		Controller:     "tcp:" + controllerTarget(c.OVS.OpenFlowListen),
		BridgeMappings: c.OVS.BridgeMappings,

		IntegrationTables: tableNames(pipeline.Integration),
		TunnelTables:      tableNames(pipeline.Tunnel),
		ProviderTables:    tableNames(pipeline.Provider),

		LocalIP: c.Tunnel.LocalIP,
		CSUM:    c.Tunnel.CSUM,
		DF:      c.Tunnel.DF,
	}
}

func tableNames(k pipeline.Kind) map[int]string {
	names := map[int]string{}
	for n, name := range pipeline.TableNames(k) {
		names[int(n)] = name
	}
	return names
}

// controllerTarget is the address at which the switch finds a listener: one on
// every address is reached on loopback.
func controllerTarget(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// bridgeOf finds the bridge with a datapath id.
func bridgeOf(s ovsdb.State, dpid uint64) string {
	digits := fmt.Sprintf("%016x", dpid)
	for name, b := range s.Bridges {
		if strings.EqualFold(b.DatapathID, digits) {
			return name
		}
	}
	return ""
}

// plugged are the ids of the ports whose interfaces the switch has.
func plugged(s ovsdb.State) map[string]bool {
	ids := map[string]bool{}
	for _, i := range s.Interfaces {
		if id := i.ExternalIDs["iface-id"]; id != "" && i.OFPort > 0 {
			ids[id] = true
		}
	}
	return ids
}

// lockDir makes the directory and keeps other agents out of it, for two that
// share one identity would take each other's place at the controller for ever.
// The lock ends with the process.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("state_dir: %s is in use by another lepton-agent: %w", dir, err), f.Close())
	}
	return f, nil
}

// lastingID reads the agent's own identity, or makes one at the first start.
// It tells two agents that claim one host name apart from one that restarted.
func lastingID(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		if id, err := uuid.Parse(strings.TrimSpace(string(b))); err == nil {
			return id.String(), nil
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("state_dir: %w", err)
	}
	id := uuid.NewString()
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("state_dir: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("state_dir: %w", err)
	}
	return id, nil
}
