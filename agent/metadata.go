package agent

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/agent/feed"
	"github.com/lepton-sdn/lepton/agent/metadata"
	"github.com/lepton-sdn/lepton/agent/metadata/proxy"
)

// servesMetadata reports whether guests' requests for metadata are answered here.
func servesMetadata(cfg *config.Config) bool { return slices.Contains(cfg.Roles, "metadata") }

// metadataLink is the proxy's port on the integration bridge, "" without one.
func metadataLink(cfg *config.Config) string {
	if servesMetadata(cfg) && cfg.Metadata.Local() {
		return metadata.LocalLink
	}
	return ""
}

// serveMetadata starts the loop that keeps the metadata proxy, which is this
// program again, or removes the one that was here before.
func serveMetadata(ctx context.Context, g *errgroup.Group, o Options, c metadata.Config, updates *feed.Feed, reg prometheus.Registerer) error {
	cfg := o.Config
	var err error
	if c.Program, err = os.Executable(); err != nil {
		return fmt.Errorf("find the program of the metadata proxy: %w", err)
	}
	c.RunDir, c.Version, c.Loop, c.Log = cfg.RunDir, o.Version, o.loops.Loop("metadata"), o.Log
	c.LinkLoop = o.loops.Loop("metadata-link")
	c.Local, c.Bridge = cfg.Metadata.Local(), cfg.OVS.IntegrationBridge
	c.Settings = proxy.Settings{
		Controllers: cfg.Controller.All(), LogLevel: cfg.Log.Level,
		CertFile: cfg.Controller.TLS.Cert, KeyFile: cfg.Controller.TLS.Key, CAFile: cfg.Controller.TLS.CA, CRLFile: cfg.Controller.TLS.CRL,
		RateLimit: float64(cfg.Metadata.RateLimit), BurstLimit: cfg.Metadata.BurstLimit,
	}
	if !servesMetadata(cfg) {
		g.Go(func() error {
			if err := metadata.Leave(ctx, c); err != nil {
				o.Log.Warn("something of the metadata proxy is left", zap.Error(err))
			}
			return nil
		})
		return nil
	}
	reg.MustRegister(metadata.NewMetrics(cfg.RunDir))
	c.Controller, c.Audit = updates.Consumer("metadata"), o.audit
	guests := metadata.New(c)
	g.Go(func() error { return guests.Run(ctx) })
	return nil
}
