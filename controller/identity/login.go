package identity

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Grant is a token that somebody got, and for what.
type Grant struct {
	Token   string
	Expires time.Time
	// User and Project are names.
	User, Project string
}

// LogIn gets a token of Keystone's for somebody else than the service itself:
// user, password and project are as's; without a domain the service's own is
// meant, and URL is always the service's. The error wraps ErrUnauthorized when
// Keystone refuses, and ErrUnavailable when it could not be asked.
func (k *Keystone) LogIn(ctx context.Context, as Credentials) (Grant, error) {
	if as.Domain == "" {
		as.Domain = k.config.Domain
	}
	if err := k.takePlace(ctx); err != nil {
		return Grant{}, err
	}
	defer func() { <-k.places }()
	text, t, err := k.session.logInAs(ctx, as)
	if errors.Is(err, errRefused) {
		return Grant{}, fmt.Errorf("%w: %w", ErrUnauthorized, err)
	}
	if err != nil {
		return Grant{}, err
	}
	if _, err := t.identity(); err != nil {
		return Grant{}, err
	}
	g := Grant{Token: text, Expires: t.expires, User: t.User.Name}
	if t.Project != nil {
		g.Project = t.Project.Name
	}
	return g, nil
}
