package web

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds on logins.
const (
	// attempts of one address at once, and then one every attemptPause.
	attempts     = 6
	attemptPause = 6 * time.Second
	// attemptsOfAll at once, and then so many a second.
	attemptsOfAll = 40
	ratePerSecond = 10
	// atOnce logins are under way.
	atOnce = 16
	// maxAddresses are remembered; when all of them have tried lately, others wait.
	maxAddresses = 4096
)

// gate limits logins: those of one address, so that nobody guesses passwords
// quickly, and all of them, so that the identity service is not flooded. It is
// safe for concurrent use.
type gate struct {
	now   func() time.Time
	all   *rate.Limiter
	turns chan struct{}
	mu    sync.Mutex
	of    map[netip.Prefix]*rate.Limiter
}

func newGate(now func() time.Time) *gate {
	return &gate{
		now: now, all: rate.NewLimiter(ratePerSecond, attemptsOfAll),
		turns: make(chan struct{}, atOnce), of: map[netip.Prefix]*rate.Limiter{},
	}
}

// enter lets somebody try, or says how long to wait. leave is to be called when
// the attempt is over.
func (g *gate) enter(remote string) (leave func(), wait time.Duration) {
	if wait := g.allow(who(remote)); wait > 0 {
		return nil, wait
	}
	select {
	case g.turns <- struct{}{}:
		return func() { <-g.turns }, 0
	default:
		return nil, time.Second
	}
}

func (g *gate) allow(p netip.Prefix) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	own := g.of[p]
	if own == nil {
		if len(g.of) >= maxAddresses {
			g.forget(now)
		}
		if len(g.of) >= maxAddresses {
			return attemptPause
		}
		own = rate.NewLimiter(rate.Every(attemptPause), attempts)
		g.of[p] = own
	}
	if !own.AllowN(now, 1) {
		return attemptPause
	}
	if !g.all.AllowN(now, 1) {
		return time.Second
	}
	return 0
}

// forget drops the addresses that could begin anew.
func (g *gate) forget(now time.Time) {
	for p, l := range g.of {
		if l.TokensAt(now) >= attempts {
			delete(g.of, p)
		}
	}
}

// who is the address that attempts are counted for: an IPv4 address, or the /64 of
// an IPv6 one, which is one customer's.
func who(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the length is one of the address' own
	return p
}
