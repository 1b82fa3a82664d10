package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Proxy serves the scopes of a directory.
type Proxy struct {
	dir string
	log *zap.Logger

	handler  *handler
	server   *http.Server
	settings *Settings
	scopes   map[string]*Scope
	mu       sync.Mutex // guards doors for readers elsewhere
	doors    map[string]*opened
	running  sync.WaitGroup
	total    atomic.Int64
}

// opened is a door with the way to shut it.
type opened struct {
	*door
	shut context.CancelFunc
}

// retired is how long a backend that another one replaced goes on with what was
// under way.
const retired = askTimeout + 5*time.Second

// New makes a proxy.
func New(f *Files, log *zap.Logger) (*Proxy, error) {
	p := &Proxy{dir: f.Dir, log: log, handler: newHandler(log), doors: map[string]*opened{}}
	p.server = p.handler.server()
	return p, p.set(f.Settings)
}

// Run serves until ctx is done. Whenever the process gets SIGHUP it reads the
// files again.
func (p *Proxy) Run(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	ctx, cancel := context.WithCancel(ctx)
	defer p.running.Wait()
	defer cancel()
	defer func() { (*p.handler.backend.Load()).close() }()
	defer p.server.Close()
	p.running.Go(func() { p.keepCounters(ctx) })
	for {
		p.reload(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
		}
	}
}

// reload reads the files and follows what has changed.
func (p *Proxy) reload(ctx context.Context) {
	s, err := readSettings(p.dir)
	if err == nil {
		err = p.set(s)
	}
	if err != nil {
		p.log.Warn("settings not taken", zap.Error(err))
	}
	scopes, err := readScopes(p.dir, p.scopes)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.log.Warn("scopes not taken", zap.Error(err))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, d := range p.doors {
		if scopes[name] == nil {
			d.shut()
			delete(p.doors, name)
		}
	}
	for name, s := range scopes {
		p.place(ctx, name, s)
	}
	p.scopes = scopes
}

// place makes a scope served, or changes how it is.
func (p *Proxy) place(ctx context.Context, name string, s *Scope) {
	if d := p.doors[name]; d != nil {
		if !reflect.DeepEqual(p.scopes[name], s) {
			d.take(s)
		}
		return
	}
	d := &door{name: name, log: p.log, total: &p.total, refused: p.handler.counts.refused, serve: func(l net.Listener) { _ = p.server.Serve(l) }}
	d.take(s)
	ctx, shut := context.WithCancel(ctx)
	p.doors[name] = &opened{d, shut}
	p.running.Go(func() { d.run(ctx) })
}

// set takes settings.
func (p *Proxy) set(s *Settings) error {
	if p.settings != nil && reflect.DeepEqual(*p.settings, *s) {
		return nil
	}
	var next backend
	if s.NovaURL != "" {
		next = newNova(s.NovaURL, s.Secret)
	} else {
		c, err := newControllers(s, p.log)
		if err != nil {
			return fmt.Errorf("%s: %w", SettingsFile(p.dir), err)
		}
		next = c
	}
	p.handler.limits.set(s.RateLimit, s.BurstLimit)
	if old := p.handler.backend.Swap(&next); old != nil {
		time.AfterFunc(retired, (*old).close)
	}
	p.settings = s
	return nil
}
