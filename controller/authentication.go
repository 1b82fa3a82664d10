package controller

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/config"
	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/telemetry"
)

// authenticator makes what establishes who sends a request, and what has to run
// beside it; nil for nothing.
func authenticator(c config.Auth, loops *telemetry.Loops, log *zap.Logger) (identity.Authenticator, func(context.Context) error, error) {
	switch c.Mode {
	case config.AuthToken:
		t, err := identity.OpenTokens(c.Token.File, log)
		if err != nil {
			return nil, nil, err
		}
		t.Counted = loops.Loop("tokens").Done
		return t, t.Run, nil
	case config.AuthKeystone:
		k := c.Keystone
		return identity.NewKeystone(identity.KeystoneConfig{
			Credentials: identity.Credentials{
				URL: k.URL, Username: k.Username, Password: k.Password, Project: k.Project, Domain: k.Domain,
				Counted: loops.Loop("keystone").Done,
			},
			PublicURL: k.PublicURL,
			CacheTime: time.Duration(k.TokenCacheTime) * time.Second,
		}), nil, nil
	}
	return identity.None{}, nil, nil
}
