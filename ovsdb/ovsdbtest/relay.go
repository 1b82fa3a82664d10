package ovsdbtest

import (
	"net"
	"sync"
)

// relay stands between the clients and the server, so that connections can be
// broken or held.
type relay struct {
	listener net.Listener
	inner    string // unix socket of the server
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	frozen chan struct{} // not nil while nothing is passed on; closed at the thaw
	down   bool          // refuse new connections
}

func newRelay(listener net.Listener, inner string) *relay {
	r := &relay{listener: listener, inner: inner, conns: map[net.Conn]struct{}{}}
	r.running.Add(1)
	go r.accept()
	return r
}

func (r *relay) accept() {
	defer r.running.Done()
	for {
		outside, err := r.listener.Accept()
		if err != nil {
			return
		}
		inside, err := net.Dial("unix", r.inner)
		if err != nil || !r.track(outside, inside) {
			outside.Close()
			if inside != nil {
				inside.Close()
			}
			continue
		}
		r.running.Add(2)
		go r.pass(outside, inside)
		go r.pass(inside, outside)
	}
}

// track remembers a pair of connections; false when there must be none.
func (r *relay) track(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return false
	}
	for _, c := range conns {
		r.conns[c] = struct{}{}
	}
	return true
}

// pass copies one direction and ends both when it ends.
func (r *relay) pass(from, to net.Conn) {
	defer r.running.Done()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if hold := r.held(); hold != nil {
			<-hold
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	from.Close()
	to.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, from)
	delete(r.conns, to)
}

func (r *relay) held() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frozen
}

// cut closes all connections; with down new ones are refused too.
func (r *relay) cut(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
	for c := range r.conns {
		c.Close()
	}
}

func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.frozen == nil {
		r.frozen = make(chan struct{})
	}
}

func (r *relay) thaw() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.frozen != nil {
		close(r.frozen)
		r.frozen = nil
	}
}

func (r *relay) close() {
	r.listener.Close()
	r.cut(true)
	r.thaw()
	r.running.Wait()
}
