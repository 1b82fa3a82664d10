package controller

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/config"
	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/nova"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/telemetry"
)

// notifier makes what tells Nova of its servers' ports.
func notifier(cfg *config.Config, db *records.DB, reg prometheus.Registerer, loops *telemetry.Loops, log *zap.Logger) *nova.Notifier {
	var tokens nova.Tokens = nova.Static(cfg.Nova.Token)
	if k := cfg.Nova.Keystone; cfg.Nova.Token == "" {
		tokens = identity.NewServiceTokens(identity.Credentials{
			URL: k.URL, Username: k.Username, Password: k.Password, Project: k.Project, Domain: k.Domain,
			Counted: loops.Loop("nova-keystone").Done,
		})
	}
	return nova.New(nova.Config{
		DB: db, URL: cfg.Nova.URL, As: nameOf(cfg), Tokens: tokens, Log: log,
		Alone:   len(cfg.Store.Endpoints) == 0, // an embedded store has one controller
		Metrics: nova.NewMetrics(reg),
	})
}
