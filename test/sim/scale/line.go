package scale

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// errCut is what the ends of a line see that was cut here.
var errCut = errors.New("cut by the simulation")

// traffic counts the bytes of an agent's connections, TLS included.
type traffic struct{ in, out atomic.Int64 }

// line is a connection to the controller. It counts, and it breaks after a
// number of bytes, wherever in a message that is.
type line struct {
	net.Conn
	count *traffic

	mu   sync.Mutex
	left int64 // bytes that still pass; negative: no limit
}

// take gives how many of n bytes pass, and whether the line is cut behind them.
func (l *line) take(n int) (pass int, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left < 0 {
		return n, false
	}
	pass = int(min(int64(n), l.left))
	l.left -= int64(pass)
	return pass, l.left == 0
}

func (l *line) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	pass, cut := l.take(n)
	l.count.in.Add(int64(pass))
	if cut {
		_ = l.Close() // it ends in any case
		return pass, errCut
	}
	return pass, err
}

func (l *line) Write(b []byte) (int, error) {
	pass, cut := l.take(len(b))
	n, err := l.Conn.Write(b[:pass])
	l.count.out.Add(int64(n))
	if cut && err == nil {
		_ = l.Close() // it ends in any case
		return n, errCut
	}
	return n, err
}
