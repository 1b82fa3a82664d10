package controller

import (
	"net"
	"net/url"

	"go.uber.org/zap"

	leptonconfig "github.com/lepton-sdn/lepton/config"
	"github.com/lepton-sdn/lepton/controller/config"
)

// warnOfPlainText tells of what the configuration may say and what others on the
// way can read: somebody may have put TLS in front.
func warnOfPlainText(cfg *config.Config, log *zap.Logger) {
	if host, _, err := net.SplitHostPort(cfg.API.Listen); err == nil && !leptonconfig.Loopback(host) && !cfg.API.TLS.Enabled() {
		log.Warn("the API is served without TLS (api.tls): tokens and objects pass in plain text", zap.String("listen", cfg.API.Listen))
	}
	for _, e := range cfg.Store.Endpoints {
		if u, err := url.Parse(e); err == nil && u.Scheme == "http" && !leptonconfig.Loopback(u.Hostname()) {
			log.Warn("the store is reached without TLS (https in store.endpoints): whoever is on the way reads and writes all of it", zap.String("endpoint", e))
		}
	}
}
