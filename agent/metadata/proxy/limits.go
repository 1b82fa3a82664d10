package proxy

import (
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// forgetAfter is how long a port's limiter is kept that has nothing to remember.
const forgetAfter = time.Minute

// limits count the requests of each port.
type limits struct {
	mu    sync.Mutex
	rate  rate.Limit
	burst int
	ports map[string]*limit
	swept time.Time
}

type limit struct {
	*rate.Limiter
	used time.Time
}

func newLimits() *limits {
	return &limits{rate: rate.Inf, ports: map[string]*limit{}, swept: time.Now()}
}

// set changes the limits of all ports.
func (l *limits) set(perSecond float64, burst int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := rate.Limit(perSecond); r != l.rate || burst != l.burst {
		l.rate, l.burst, l.ports = r, burst, map[string]*limit{}
	}
}

// allow reports whether a port may send a request now.
func (l *limits) allow(port string) bool {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > forgetAfter {
		l.swept = now
		for id, p := range l.ports {
			if now.Sub(p.used) > forgetAfter {
				delete(l.ports, id)
			}
		}
	}
	p := l.ports[port]
	if p == nil {
		p = &limit{Limiter: rate.NewLimiter(l.rate, l.burst)}
		l.ports[port] = p
	}
	p.used = now
	return p.AllowN(now, 1)
}

// complaint keeps the log from being filled by guests: an error is told once in
// ten seconds, with the number of those before.
type complaint struct {
	mu     sync.Mutex
	at     time.Time
	silent int
}

func (c *complaint) log(log *zap.Logger, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < 10*time.Second {
		c.silent++
		return
	}
	log.Warn("no answer for a guest", zap.Error(err), zap.Int("more", c.silent))
	c.at, c.silent = time.Now(), 0
}
