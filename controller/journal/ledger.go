package journal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of what is noted of hosts' acknowledgements: a controller writes one
// event a second at most, with up to maxMarks changes. What it cannot write is
// left out and counted.
const (
	ledgerEvery = time.Second
	maxMarks    = 1000
	// maxPairs bounds changes times hosts.
	maxPairs = 200_000
	// writeTimeout bounds one write.
	writeTimeout = 5 * time.Second
)

// Told is a change that a host was told of.
type Told struct {
	Resource, ID string
	// Revision is the store's, of the change.
	Revision int64
}

// Ledger gathers what hosts have applied, and writes it once a second for all
// hosts and changes. It is safe for concurrent use; a nil one notes nothing.
type Ledger struct {
	journal *Journal

	mu      sync.Mutex
	marks   map[Told]map[string]struct{} // hosts
	pairs   int
	leftOut int
}

// NewLedger makes a ledger; Run writes it.
func NewLedger(j *Journal) *Ledger {
	return &Ledger{journal: j, marks: map[Told]map[string]struct{}{}}
}

// Note notes that a host has applied changes. A Told without a resource is
// everything up to its revision.
func (l *Ledger) Note(host string, list []Told) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range list {
		on := l.marks[t]
		if on == nil {
			if len(l.marks) >= maxMarks || l.pairs >= maxPairs {
				l.leftOut++
				continue
			}
			on = map[string]struct{}{}
			l.marks[t] = on
		}
		if _, ok := on[host]; !ok {
			if l.pairs >= maxPairs {
				l.leftOut++
				continue
			}
			on[host] = struct{}{}
			l.pairs++
		}
	}
}

// Run writes what was noted until ctx is done.
func (l *Ledger) Run(ctx context.Context) {
	if l == nil {
		return
	}
	patience := writeTimeout
	tick := time.NewTicker(ledgerEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			ctx, patience = context.WithoutCancel(ctx), time.Second
			_ = l.Flush(ctx, patience) // logged
			return
		case <-tick.C:
			_ = l.Flush(ctx, patience) // logged
		}
	}
}

// Flush writes what was noted. What cannot be written in time is lost and counted:
// the hosts have applied it all the same.
func (l *Ledger) Flush(ctx context.Context, patience time.Duration) error {
	l.mu.Lock()
	marks, leftOut := l.marks, l.leftOut
	l.marks, l.pairs, l.leftOut = map[Told]map[string]struct{}{}, 0, 0
	l.mu.Unlock()
	if len(marks)+leftOut == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	e := &Event{Applied: applied(marks), LeftOut: leftOut}
	l.journal.metrics.lose(leftOut)
	err := l.journal.Write(ctx, e)
	if err != nil {
		l.journal.metrics.lose(len(marks))
		l.journal.log.Warn("what hosts applied cannot be noted", errField(err))
	}
	return err
}

// applied writes marks with the hosts by their places in one list.
func applied(marks map[Told]map[string]struct{}) *Applied {
	all := map[string]struct{}{}
	for _, on := range marks {
		maps.Copy(all, on)
	}
	a := &Applied{Hosts: slices.Sorted(maps.Keys(all))}
	place := make(map[string]int, len(a.Hosts))
	for i, host := range a.Hosts {
		place[host] = i
	}
	for _, t := range slices.SortedFunc(maps.Keys(marks), compareTold) {
		places := make([]int, 0, len(marks[t]))
		for host := range marks[t] {
			places = append(places, place[host])
		}
		slices.Sort(places)
		a.Marks = append(a.Marks, Mark{Resource: t.Resource, ID: t.ID, Revision: t.Revision, Hosts: ranges(places)})
	}
	return a
}

func compareTold(a, b Told) int {
	if a.Revision != b.Revision {
		return int(a.Revision - b.Revision)
	}
	if c := strings.Compare(a.Resource, b.Resource); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// ranges writes sorted numbers as "0-4,7".
func ranges(sorted []int) string {
	var b strings.Builder
	for i := 0; i < len(sorted); {
		end := i
		for end+1 < len(sorted) && sorted[end+1] == sorted[end]+1 {
			end++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		if end > i {
			_, _ = fmt.Fprintf(&b, "%d-%d", sorted[i], sorted[end])
		} else {
			_, _ = fmt.Fprintf(&b, "%d", sorted[i])
		}
		i = end + 1
	}
	return b.String()
}

// HostsOf gives the hosts of a mark.
func (a *Applied) HostsOf(m Mark) []string {
	var out []string
	for part := range strings.SplitSeq(m.Hosts, ",") {
		var from, to int
		if n, err := fmt.Sscanf(part, "%d-%d", &from, &to); n != 2 || err != nil {
			if n, err := fmt.Sscanf(part, "%d", &from); n != 1 || err != nil {
				continue
			}
			to = from
		}
		for i := max(from, 0); i <= to && i < len(a.Hosts); i++ {
			out = append(out, a.Hosts[i])
		}
	}
	return out
}
