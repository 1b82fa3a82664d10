package agent

import (
	"context"
	"fmt"
	"os"
	"slices"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/config"
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

// metadata is the loop that keeps the metadata proxy, which is this program
// again, or the removal of the one that was here before.
func (h *host) metadata() ([]loop, error) {
	cfg := h.Config
	c := metadata.Config{
		Host: cfg.Host, Owner: namespaceOwner(h.instance), RunDir: cfg.RunDir, Version: h.Version,
		Local: cfg.Metadata.Local(), Bridge: cfg.OVS.IntegrationBridge, DB: h.db, Children: h.children,
		Loop: h.counts.Loop("metadata"), LinkLoop: h.counts.Loop("metadata-link"), Log: h.Log,
		Settings: proxy.Settings{
			Controllers: cfg.Controller.All(), LogLevel: cfg.Log.Level,
			CertFile: cfg.Controller.TLS.Cert, KeyFile: cfg.Controller.TLS.Key, CAFile: cfg.Controller.TLS.CA, CRLFile: cfg.Controller.TLS.CRL,
			RateLimit: float64(cfg.Metadata.RateLimit), BurstLimit: cfg.Metadata.BurstLimit,
		},
	}
	var err error
	if c.Program, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find the program of the metadata proxy: %w", err)
	}
	if !servesMetadata(cfg) {
		return []loop{func(ctx context.Context) error {
			if err := metadata.Leave(ctx, c); err != nil {
				h.Log.Warn("something of the metadata proxy is left", zap.Error(err))
			}
			return nil
		}}, nil
	}
	h.reg.MustRegister(metadata.NewMetrics(cfg.RunDir))
	c.Controller, c.Audit = h.updates.Consumer("metadata"), h.audit
	return []loop{metadata.New(c).Run}, nil
}
