package schedule

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// kind is what a scheduler places.
type kind int

const (
	router kind = iota
	network
	// translated is a port with its floating addresses.
	translated
)

func (k kind) String() string { return [...]string{"router", "network", "port"}[k] }

// item is a router, a network, or a port.
type item struct {
	kind kind
	id   string
}

// Bounds on the wait after an attempt that failed, or that found too few
// addresses.
const (
	minBackoff = time.Second
	maxBackoff = 5 * time.Minute
)

// queue is what has to be looked at, and when; at most as much as there is.
type queue struct {
	at    map[item]time.Time
	tries map[item]int
}

func newQueue() *queue { return &queue{at: map[item]time.Time{}, tries: map[item]int{}} }

// add makes an item due at a time, unless it is due earlier.
func (q *queue) add(i item, at time.Time) {
	if old, ok := q.at[i]; !ok || at.Before(old) {
		q.at[i] = at
	}
}

// retry makes an item due after a while that grows with the attempts.
func (q *queue) retry(i item, now time.Time) {
	wait := min(minBackoff<<min(q.tries[i], 16), maxBackoff)
	q.tries[i]++
	q.add(i, now.Add(wait/2+rand.N(wait)))
}

// settled forgets how often an item was tried.
func (q *queue) settled(i item) { delete(q.tries, i) }

// take removes and gives what is due, in order, but no more than most.
func (q *queue) take(now time.Time, most int) []item {
	var out []item
	for i, at := range q.at {
		if !at.After(now) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b item) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id)) })
	out = out[:min(len(out), most)]
	for _, i := range out {
		delete(q.at, i)
	}
	return out
}

// next is when the next item is due; zero for none.
func (q *queue) next() time.Time {
	var first time.Time
	for _, at := range q.at {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}
