// Package controller serves the Networking API, keeps the records and drives
// the agents: it puts the parts of the controller together.
package controller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/lepton-sdn/lepton/controller/api"
	"github.com/lepton-sdn/lepton/controller/config"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/controller/metadata"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/presence"
	"github.com/lepton-sdn/lepton/controller/ratelimit"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/controller/schedule"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/etcd"
	"github.com/lepton-sdn/lepton/telemetry"
)

// Options are what a configuration file does not say.
type Options struct {
	Config  *config.Config
	Version string
	Log     *zap.Logger
	// Ready is called once, when the API and the agents' address are served.
	Ready func()
}

// Run is the controller. It returns when ctx is done and what was under way
// has ended, or with what makes it impossible to work.
func Run(ctx context.Context, o Options) error {
	warnOfPlainText(o.Config, o.Log)
	p := &parts{Options: o, reg: telemetry.Registry(), downTime: time.Duration(o.Config.Network.AgentDownTime) * time.Second}
	p.counts = telemetry.NewLoops(p.reg)
	defer p.close()
	if err := p.open(ctx); err != nil {
		return err
	}
	handler, err := p.handler()
	if err != nil {
		return err
	}
	// Nothing is served before everything can be.
	apiListener, rpcListener, err := listen(ctx, o.Config, o.Log)
	if err != nil {
		return err
	}
	defer apiListener.Close()
	defer rpcListener.Close()
	all, err := p.loops()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range all {
		g.Go(func() error { return run(ctx) })
	}
	g.Go(func() error { return p.agents.Serve(ctx, rpcListener) })
	g.Go(func() error { return api.Serve(ctx, apiListener, handler, o.Log) })
	o.Ready()
	return g.Wait()
}

// parts are what the controller is put together from.
type parts struct {
	Options
	reg      *prometheus.Registry
	counts   *telemetry.Loops
	downTime time.Duration // without a heartbeat until an agent is dead

	auth   identity.Authenticator
	store  store.Store
	events *journal.Journal
	db     *records.DB
	rules  *plugin.Plugin
	agents *hosts.Server
	there  *presence.Presence
	beside loop // runs beside auth; nil: nothing does
}

// open makes the parts.
func (p *parts) open(ctx context.Context) (err error) {
	cfg := p.Config
	if p.auth, p.beside, err = authenticator(cfg.Auth, p.counts, p.Log); err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	st, err := openStore(ctx, cfg, p.counts, p.Log)
	if err != nil {
		return err
	}
	p.store = st
	p.events = journal.New(p.store, p.Log.Named("journal"), journal.NewMetrics(p.reg))
	p.db, err = records.Open(ctx, p.store, p.Log, records.Journal(p.events.Note), records.Counted(p.counts.Loop("records")))
	if err != nil {
		return err
	}
	if p.rules, err = plugin.New(cfg.Network); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	recordMetrics(p.reg, p.db)
	p.db.OnApply(p.rules.NoteHeartbeats)
	p.agents, err = agentServer(cfg, hosts.Config{DB: p.db, Log: p.Log, Journal: p.events, Loops: p.counts, Metrics: hosts.NewMetrics(p.reg)}, p.rules)
	p.there = presence.New(p.db, model.Controller{Name: nameOf(cfg), Version: p.Version, API: cfg.API.Listen, RPC: cfg.RPC.Listen}, p.Log)
	return err
}

// close closes what open has opened, the records before the store.
func (p *parts) close() {
	if p.db != nil {
		_ = p.db.Close()
	}
	if p.store != nil {
		_ = p.store.Close()
	}
}

// handler answers requests to the API and to the operator's page.
func (p *parts) handler() (http.Handler, error) {
	requests := api.New(api.Config{
		RateLimit: rateLimit(p.Config), Limited: limitMetrics(p.reg),
		DB: p.db, Plugin: p.rules, Auth: p.auth, Log: p.Log, Journal: p.events, Observe: requestMetrics(p.reg),
		Hosts: hostRecords{p.agents}, Status: cloudStatus{p.there, p.store, len(p.Config.Store.Endpoints) == 0, nameOf(p.Config)},
		AgentDownTime: p.downTime,
	})
	return withPage(p.Config, p.auth, requests, p.Log)
}

// loop runs until ctx is done.
type loop = func(ctx context.Context) error

// as has a loop be the author of what it changes, as a part of the controller.
func as(part string, run loop) loop {
	return func(ctx context.Context) error { return run(byPart(ctx, part)) }
}

// loops are what runs beside the answering of clients and agents.
func (p *parts) loops() ([]loop, error) {
	cfg := p.Config
	placing := schedule.New(schedule.Config{
		DB: p.db, Rules: p.rules, Log: p.Log.Named("schedule"),
		DownTime: p.downTime, MovesPerSecond: cfg.Network.MovesPerSecond, Loop: p.counts.Loop("schedule"),
	})
	scheduleMetrics(p.reg, placing)
	again := newRebinder(p.db, p.rules, p.downTime, p.Log)
	again.loop = p.counts.Loop("rebind")
	keeper := journal.Keeper{
		Journal: p.events, DB: p.db, Config: cfg.Journal, Alone: len(cfg.Store.Endpoints) == 0,
		DownTime: p.downTime, Log: p.Log.Named("journal"), Loop: p.counts.Loop("journal"),
	}
	all := []loop{
		as("schedule", placing.Run), as("bind", again.run), as("journal", keeper.Run), as("presence", p.there.Run),
		func(ctx context.Context) error { return probe(ctx, p.db, p.reg, p.counts.Loop("store")) },
	}
	if p.beside != nil {
		all = append(all, p.beside)
	}
	if cfg.Nova.URL != "" {
		all = append(all, notifier(cfg, p.db, p.reg, p.counts, p.Log).Run)
	}
	if cfg.Metrics.Listen == "" {
		return all, nil
	}
	figures, err := telemetry.Listen(cfg.Metrics.Listen, p.reg, checks(p.db, p.agents)...)
	if err != nil {
		return nil, fmt.Errorf("metrics.listen: %w", err)
	}
	return append(all, figures.Run), nil
}

// byPart names a part of the controller as the author of what it changes.
func byPart(ctx context.Context, name string) context.Context {
	return journal.By(ctx, &journal.Author{Kind: journal.ByController, Part: name})
}

// rateLimit is what one client may ask for. Where nobody is told apart there is
// no limit.
func rateLimit(cfg *config.Config) ratelimit.Limit {
	if cfg.Auth.Mode == config.AuthNone {
		return ratelimit.Limit{}
	}
	return ratelimit.Limit{PerSecond: cfg.API.RateLimit.RequestsPerSecond, Burst: cfg.API.RateLimit.Burst}
}

// listen opens the addresses of the API and of the agents.
func listen(ctx context.Context, cfg *config.Config, log *zap.Logger) (apiListener, rpcListener net.Listener, err error) {
	var lc net.ListenConfig
	if apiListener, err = lc.Listen(ctx, "tcp", cfg.API.Listen); err != nil {
		return nil, nil, fmt.Errorf("api.listen: %w", err)
	}
	secured, err := withTLS(apiListener, cfg.API.TLS, log)
	if err != nil {
		return nil, nil, errors.Join(err, apiListener.Close())
	}
	if rpcListener, err = lc.Listen(ctx, "tcp", cfg.RPC.Listen); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("rpc.listen: %w", err), apiListener.Close())
	}
	return secured, rpcListener, nil
}

func openStore(ctx context.Context, cfg *config.Config, loops *telemetry.Loops, log *zap.Logger) (store.Store, error) {
	compacted := loops.Loop("compactor").Done
	if len(cfg.Store.Endpoints) == 0 {
		return etcd.OpenEmbedded(ctx, etcd.Embedded{Dir: cfg.Store.Embedded.Dir, Log: log, Compacted: compacted})
	}
	ext := etcd.External{Endpoints: cfg.Store.Endpoints, Log: log, Compacted: compacted}
	if t := cfg.Store.TLS; t.Enabled() {
		keys, err := (pki.Files{Cert: t.Cert, Key: t.Key, CA: t.CA}).Open(log)
		if err != nil {
			return nil, fmt.Errorf("store.tls: %w", err)
		}
		ext.Keys = keys
	}
	return etcd.OpenExternal(ctx, ext)
}

// agentServer completes what serves the agents by the configuration.
func agentServer(cfg *config.Config, c hosts.Config, rules *plugin.Plugin) (*hosts.Server, error) {
	c.Guests = &metadata.Service{DB: c.DB, Plugin: rules, Domain: cfg.Network.DNSDomain}
	c.Settings = rpc.Settings{
		L2Population: cfg.Network.L2Population, DNSDomain: cfg.Network.DNSDomain, LocalDHCP: cfg.Network.LocalDHCP,
		NovaMetadataURL: cfg.Metadata.NovaMetadataURL, MetadataSecret: cfg.Metadata.SharedSecret,
	}
	c.AgentDownTime = time.Duration(cfg.Network.AgentDownTime) * time.Second
	c.Alive = rules.Alive
	if t := cfg.RPC.TLS; t.Enabled() {
		var err error
		if c.Keys, err = (pki.Files{Cert: t.Cert, Key: t.Key, CA: t.CA, CRL: t.CRL}).Open(c.Log); err != nil {
			return nil, fmt.Errorf("rpc.tls: %w", err)
		}
	}
	return hosts.New(c), nil
}

// hostRecords tells the API what hosts are sent.
type hostRecords struct{ agents *hosts.Server }

func (h hostRecords) Tell(ctx context.Context, host string, revision int64) (*rpc.Update, string, error) {
	t, err := h.agents.Tell(ctx, host, revision)
	switch {
	case err != nil || !t.Connected:
		return t.Update, "", err
	case t.Waiting > 0:
		return t.Update, fmt.Sprintf("the host has not been sent %d changed records yet", t.Waiting), nil
	case t.Unconfirmed:
		return t.Update, "the host has not confirmed all that it was sent yet", nil
	}
	return t.Update, "", nil
}

// withTLS puts TLS in front of the API when it is configured.
func withTLS(ln net.Listener, t config.TLS, log *zap.Logger) (net.Listener, error) {
	if !t.Enabled() {
		return ln, nil
	}
	keys, err := pki.Files{Cert: t.Cert, Key: t.Key}.Open(log)
	if err != nil {
		return nil, fmt.Errorf("api.tls: %w", err)
	}
	return tls.NewListener(ln, keys.Public()), nil
}
