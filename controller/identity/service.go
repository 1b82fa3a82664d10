package identity

import (
	"context"
	"time"
)

// ServiceTokens gives tokens of the network service's own user, for requests to
// other services. A token is kept until it ends soon. It is safe for concurrent
// use.
type ServiceTokens struct{ session *session }

// NewServiceTokens makes them. Keystone is asked when the first token is wanted.
func NewServiceTokens(as Credentials) *ServiceTokens {
	return &ServiceTokens{session: newSession(as, time.Now)}
}

// Token gives a token that is good for a while. The error wraps ErrUnavailable;
// after a login that failed Keystone is left alone for some seconds.
func (t *ServiceTokens) Token(ctx context.Context) (string, error) { return t.session.login(ctx) }

// Forget drops a token that another service did not take.
func (t *ServiceTokens) Forget(token string) { t.session.forget(token) }
