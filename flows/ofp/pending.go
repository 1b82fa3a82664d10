package ofp

import (
	"errors"
	"sync"
)

// maxReply bounds the bytes that the answer to one request may have: about two
// million flows.
const maxReply = 512 << 20

// errReplyTooLong ends a request whose answer does not end.
var errReplyTooLong = errors.New("answer of the switch is too long")

// call waits for the messages that answer the transaction ids first to last.
type call struct {
	first, last uint32
	// final says which message ends the call. It runs in the reader.
	final func(h Header, msg []byte) bool

	// The rest belongs to pending until done is closed.
	msgs  [][]byte
	bytes int
	err   error
	done  chan struct{}
}

// pending hands out transaction ids and finds the calls that answers belong
// to. It is safe for concurrent use.
type pending struct {
	mu    sync.Mutex
	next  uint32
	calls []*call
}

// reserve gives the first of n transaction ids in a row that no call uses. It
// never gives 0, which Open vSwitch uses for what nobody asked for.
func (p *pending) reserve(n int) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := p.next
	if first == 0 || uint64(first)+uint64(n) > 1<<32 {
		first = 1
	}
	p.next = first + uint32(n)
	return first
}

// expect registers a call.
func (p *pending) expect(first, last uint32, final func(Header, []byte) bool) *call {
	c := &call{first: first, last: last, final: final, done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, c)
	return c
}

// deliver gives a message to the call it belongs to, if there is one.
func (p *pending) deliver(h Header, msg []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.calls) - 1; i >= 0; i-- {
		c := p.calls[i]
		if h.XID < c.first || h.XID > c.last {
			continue
		}
		c.msgs = append(c.msgs, msg)
		c.bytes += len(msg)
		if c.bytes > maxReply {
			c.err = errReplyTooLong
		}
		if c.err != nil || c.final(h, msg) {
			p.calls = append(p.calls[:i], p.calls[i+1:]...)
			close(c.done)
		}
		return true
	}
	return false
}

// forget removes a call that nobody waits for any more.
func (p *pending) forget(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.calls {
		if other == c {
			p.calls = append(p.calls[:i], p.calls[i+1:]...)
			return
		}
	}
}
