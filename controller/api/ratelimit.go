package api

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/ratelimit"
)

// maxClients is how many clients, and how many strangers, are remembered.
const maxClients = 8192

// limits keeps clients from taking what others need: each has a bucket of tokens
// by its user and project, and strangers have one by their address. One client
// has at most half of the places of requests that are served. Nil limits nothing.
type limits struct {
	clients, strangers *ratelimit.Limiter
	places             int // that one client may have
	refused            func(stranger bool)
}

func newLimits(c Config) *limits {
	if c.RateLimit.PerSecond <= 0 {
		return nil
	}
	l := &limits{
		clients: ratelimit.New(c.RateLimit, maxClients), strangers: ratelimit.New(c.RateLimit, maxClients),
		places: max(c.MaxInFlight/2, 1), refused: c.Limited,
	}
	if l.refused == nil {
		l.refused = func(bool) {}
	}
	return l
}

// stranger takes one request from whoever is not known yet.
func (l *limits) stranger(r *http.Request) error {
	if l == nil {
		return nil
	}
	if _, wait := l.strangers.Take(addressOf(r), time.Now()); wait > 0 {
		l.refused(true)
		return &tooMany{wait}
	}
	return nil
}

// enter takes one request from a client's bucket, and one of the client's places
// until leave is called.
func (l *limits) enter(who identity.Identity) (leave func(), err error) {
	if l == nil {
		return func() {}, nil
	}
	b, wait := l.clients.Take(who.ProjectID+"\x00"+who.UserID, time.Now())
	if wait == 0 && !l.clients.Occupy(b, l.places) {
		wait = time.Second
	}
	if wait > 0 {
		l.refused(false)
		return nil, &tooMany{wait}
	}
	return func() { l.clients.Vacate(b) }, nil
}

// addressOf is what strangers are told apart by: the address of the connection,
// of IPv6 the first 64 bits, which one host has for itself.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if a = a.Unmap(); a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// tooMany is the refusal of a client that asks too much.
type tooMany struct{ wait time.Duration }

func (e *tooMany) Error() string { return fmt.Sprintf("too many requests: wait %s", e.wait) }

// seconds is what Retry-After says: whole seconds, at least one.
func (e *tooMany) seconds() int { return int((e.wait + time.Second - 1) / time.Second) }

func asTooMany(err error) *tooMany {
	t := (*tooMany)(nil)
	if errors.As(err, &t) {
		return t
	}
	return nil
}
