package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/config"
	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/web"
)

// withPage serves the operator's page beside the API. Where tokens are Keystone's,
// the page gets them through the controller: browsers may reach only this.
func withPage(cfg *config.Config, auth identity.Authenticator, api http.Handler, log *zap.Logger) (http.Handler, error) {
	if !cfg.API.Page {
		return api, nil
	}
	c := web.Config{Auth: cfg.Auth.Mode, Log: log.Named("page")}
	if k, ok := auth.(*identity.Keystone); ok {
		c.Domain = cfg.Auth.Keystone.Domain
		c.LogIn = func(ctx context.Context, a web.Account) (web.Session, error) {
			g, err := k.LogIn(ctx, identity.Credentials{Username: a.Username, Password: a.Password, Project: a.Project, Domain: a.Domain})
			if errors.Is(err, identity.ErrUnauthorized) {
				return web.Session{}, fmt.Errorf("%w: %w", web.ErrRefused, err)
			}
			return web.Session{Token: g.Token, User: g.User, Project: g.Project, Expires: g.Expires}, err
		}
	}
	page, err := web.New(c)
	if err != nil {
		return nil, err
	}
	return page.Beside(api), nil
}
