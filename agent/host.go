package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/agent/feed"
	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/agent/snapshot"
	"github.com/lepton-sdn/lepton/agent/switches"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/telemetry"
)

// This file: what the loops of a host share, and how it comes about.

// host is what the loops of a host share.
type host struct {
	Options
	instance string // of the agent's own identity
	reg      *prometheus.Registry
	counts   *telemetry.Loops
	audit    *audit.Auditor
	db       *ovsdb.Client
	hub      *switches.Hub
	session  *session.Session
	updates  *feed.Feed
	children *child.Supervisor
}

// open reaches Open vSwitch and makes all that the loops share. It gives nil when
// ctx ends before.
func open(ctx context.Context, o Options) (h *host, err error) {
	h = &host{Options: o, reg: telemetry.Registry()}
	h.counts = telemetry.NewLoops(h.reg)
	if h.instance, err = lastingID(filepath.Join(o.Config.StateDir, "instance")); err != nil {
		return nil, err
	}
	var keys *pki.Keys
	if t := o.Config.Controller.TLS; t.Enabled() {
		if keys, err = (pki.Files{Cert: t.Cert, Key: t.Key, CA: t.CA, CRL: t.CRL}).Open(o.Log); err != nil {
			return nil, fmt.Errorf("controller.tls: %w", err)
		}
	}
	h.audit = audit.New(audit.Config{
		Mode: audit.Mode(o.Config.Drift.Mode), Interval: time.Duration(o.Config.Drift.AuditInterval) * time.Second,
		Registerer: h.reg, Log: o.Log,
	})
	if h.db, err = openDatabase(ctx, o.Config.OVS, o.Log); err != nil || h.db == nil {
		return nil, err
	}
	if err := h.openRest(ctx, keys); err != nil {
		h.db.Close()
		return nil, err
	}
	return h, nil
}

// openRest makes what is made when Open vSwitch is there.
func (h *host) openRest(ctx context.Context, keys *pki.Keys) (err error) {
	cfg := h.Config
	h.hub, err = switches.Listen(ctx, switches.Config{
		Address: cfg.OVS.OpenFlowListen, RunDir: cfg.OVS.RunDir, Log: h.Log,
		Names: func(dpid uint64) string { return bridgeOf(h.db.State(), dpid) },
	})
	if err != nil {
		return fmt.Errorf("ovs.openflow_listen: %w", err)
	}
	h.session = session.New(session.Config{
		Addresses: cfg.Controller.All(), Keys: keys, Hello: hello(h.Options, h.instance), Log: h.Log,
		Loop: h.counts.Loop("session"), Findings: h.audit.Newest,
	})
	h.updates = feed.NewWith(h.session, feed.Config{
		Archive: snapshot.New(filepath.Join(cfg.StateDir, "records"), snapshot.Owner{Host: cfg.Host, Instance: h.instance}),
		Brake: feed.Brake{
			Host: cfg.Host, Share: cfg.Brake.Share, Floor: cfg.Brake.Floor,
			Plugged: func() map[string]bool { return plugged(h.db.State()) },
		},
		Metrics: feed.NewMetrics(h.reg), Loop: h.counts.Loop("feed"), Log: h.Log,
	})
	// Programs that give up root's rights read their files in it.
	if err := os.MkdirAll(cfg.RunDir, 0o755); err != nil {
		return fmt.Errorf("run_dir: %w", err)
	}
	if h.children, err = child.New(filepath.Join(cfg.RunDir, "children"), h.Log); err != nil {
		return fmt.Errorf("run_dir: %w", err)
	}
	h.reg.MustRegister(newChildFigures(h.children))
	return nil
}

func (h *host) close() {
	h.children.Close()
	h.db.Close()
}

// databaseComplaint is how often a missing ovsdb-server is told.
const databaseComplaint = 10 * time.Second

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

// namespaceOwner is the mark of the network namespaces that an agent makes:
// agents of several hosts may share a machine, in labs.
func namespaceOwner(instance string) string { return "lepton-agent " + instance }

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
