package etcd

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// firstTry is how long one member may take to answer before the next one is
	// asked. It is shorter than the second or two that a cluster takes to find
	// that its leader is gone: what was asked of a leader that is gone is lost, and
	// has to be asked again. It doubles with every round of the members.
	firstTry = 700 * time.Millisecond
	// Between tries there is a random pause up to this, which doubles likewise.
	tryPause = 20 * time.Millisecond
)

// members are the members of an external cluster. A client uses one of them at
// a time and goes on to the next when that one fails: so one that hangs, or that
// has lost the others, costs one try and not one request in three.
type members struct {
	client *clientv3.Client
	all    []string

	mu    sync.Mutex
	turn  int           // counts the moves
	moved chan struct{} // closed with the next move
}

func newMembers(client *clientv3.Client, endpoints []string) *members {
	return &members{client: client, all: endpoints, moved: make(chan struct{})}
}

// shuffled spreads the clients of several controllers over the members.
func shuffled(endpoints []string) []string {
	out := append([]string(nil), endpoints...)
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// present is the turn that a try is made in, and what is closed at its end.
func (m *members) present() (turn int, moved <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.turn, m.moved
}

// leave goes on to the next member, unless somebody else did so since the turn.
func (m *members) leave(turn int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.turn != turn || len(m.all) < 2 {
		return
	}
	m.turn++
	m.client.SetEndpoints(m.all[m.turn%len(m.all)])
	close(m.moved)
	m.moved = make(chan struct{})
}

// each tries a request with one member after the other until it succeeds, its
// error is final, or ctx ends. An embedded server is asked once. The error is
// the last that a member gave.
func (s *Store) each(ctx context.Context, first time.Duration, final func(error) bool, try func(context.Context) error) error {
	if s.members == nil {
		return try(ctx)
	}
	ctx = clientv3.WithRequireLeader(ctx)
	var last error
	for n := 0; ; n++ {
		turn, _ := s.members.present()
		round := min(n/len(s.members.all), 4)
		bounded, cancel := context.WithTimeout(ctx, first<<round)
		err := try(bounded)
		cancel()
		if err == nil || final(err) {
			return err
		}
		// That the time was up says less than what a member said before.
		if last == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		if ctx.Err() != nil {
			return last
		}
		s.members.leave(turn)
		timer := time.NewTimer(rand.N(tryPause << round))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return last
		}
	}
}
