// Package controller serves the Networking API, keeps the records and drives
// the agents: it puts the parts of the controller together.
package controller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/lepton-sdn/lepton/controller/api"
	"github.com/lepton-sdn/lepton/controller/config"
	"github.com/lepton-sdn/lepton/controller/hosts"
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
	cfg := o.Config
	warnOfPlainText(cfg, o.Log)
	reg := telemetry.Registry()
	loops := telemetry.NewLoops(reg)
	auth, authRun, err := authenticator(cfg.Auth, loops, o.Log)
	if err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	st, err := openStore(ctx, cfg, loops, o.Log)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	events := journal.New(st, o.Log.Named("journal"), journal.NewMetrics(reg))
	db, err := records.Open(ctx, st, o.Log, records.Journal(events.Note), records.Counted(loops.Loop("records")))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	rules, err := plugin.New(cfg.Network)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	recordMetrics(reg, db)
	db.OnApply(rules.NoteHeartbeats)
	agents, err := agentServer(cfg, hosts.Config{DB: db, Log: o.Log, Journal: events, Loops: loops, Metrics: hosts.NewMetrics(reg)}, rules)
	if err != nil {
		return err
	}
	name := nameOf(cfg)
	there := presence.New(db, model.Controller{Name: name, Version: o.Version, API: cfg.API.Listen, RPC: cfg.RPC.Listen}, o.Log)
	refused := limitMetrics(reg)
	handler := api.New(api.Config{
		RateLimit: rateLimit(cfg), Limited: refused,
		DB: db, Plugin: rules, Auth: auth, Log: o.Log, Journal: events, Observe: requestMetrics(reg),
		Hosts: hostRecords{agents}, Status: cloudStatus{there, st, len(cfg.Store.Endpoints) == 0, name},
		AgentDownTime: time.Duration(cfg.Network.AgentDownTime) * time.Second,
	})
	served, err := withPage(cfg, auth, handler, o.Log)
	if err != nil {
		return err
	}
	// Nothing is served before everything can be.
	apiListener, rpcListener, err := listen(ctx, cfg, o.Log)
	if err != nil {
		return err
	}
	defer apiListener.Close()
	defer rpcListener.Close()

	g, ctx := errgroup.WithContext(ctx)
	if authRun != nil {
		g.Go(func() error { return authRun(ctx) })
	}
	if cfg.Metrics.Listen != "" {
		m, err := telemetry.Listen(cfg.Metrics.Listen, reg, checks(db, agents)...)
		if err != nil {
			return fmt.Errorf("metrics.listen: %w", err)
		}
		g.Go(func() error { return m.Run(ctx) })
	}
	placing := schedule.New(schedule.Config{
		DB: db, Rules: rules, Log: o.Log.Named("schedule"),
		DownTime: time.Duration(cfg.Network.AgentDownTime) * time.Second, MovesPerSecond: cfg.Network.MovesPerSecond,
		Loop: loops.Loop("schedule"),
	})
	scheduleMetrics(reg, placing)
	again := newRebinder(db, rules, time.Duration(cfg.Network.AgentDownTime)*time.Second, o.Log)
	again.loop = loops.Loop("rebind")
	g.Go(func() error { return again.run(byPart(ctx, "bind")) })
	g.Go(func() error { return probe(ctx, db, reg, loops.Loop("store")) })
	keeper := journal.Keeper{
		Journal: events, DB: db, Config: cfg.Journal, Alone: len(cfg.Store.Endpoints) == 0,
		DownTime: time.Duration(cfg.Network.AgentDownTime) * time.Second, Log: o.Log.Named("journal"),
		Loop: loops.Loop("journal"),
	}
	g.Go(func() error { return keeper.Run(byPart(ctx, "journal")) })
	if cfg.Nova.URL != "" {
		events := notifier(cfg, db, reg, loops, o.Log)
		g.Go(func() error { return events.Run(ctx) })
	}
	g.Go(func() error { return there.Run(byPart(ctx, "presence")) })
	g.Go(func() error { return placing.Run(byPart(ctx, "schedule")) })
	g.Go(func() error { return agents.Serve(ctx, rpcListener) })
	g.Go(func() error { return api.Serve(ctx, apiListener, served, o.Log) })
	o.Ready()
	return g.Wait()
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
