package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/store"
)

// pageSize is how many events are read at once.
const pageSize = 200

// Query says which events are read.
type Query struct {
	// Since and Until bound their time, both included, to the millisecond; zero:
	// not at all.
	Since, Until time.Time
	// From is the id of an event: those as old as it or older, itself included;
	// Nil: from the newest one on.
	From uuid.UUID
	// NoChanges and NoHosts leave one of the two series out.
	NoChanges, NoHosts bool
}

// Read calls visit with events, the newest first, until there is no more or
// visit returns false. Writers' clocks order them: events of several controllers
// are as far out of order as these clocks are apart.
func (j *Journal) Read(ctx context.Context, q Query, visit func(*Event) bool) error {
	var open []*cursor
	if !q.NoChanges {
		open = append(open, j.cursor(changes, q))
	}
	if !q.NoHosts {
		open = append(open, j.cursor(hosts, q))
	}
	for {
		var newest *cursor
		for _, c := range open {
			kv, err := c.peek(ctx)
			if err != nil {
				return err
			}
			if kv != nil && (newest == nil || kv.Key[len(c.series):] < newest.page[0].Key[len(newest.series):]) {
				newest = c
			}
		}
		if newest == nil {
			return nil
		}
		e, err := decode(newest.next())
		if err != nil {
			j.log.Error("an event of the journal cannot be read", errField(err))
			continue
		}
		if !visit(e) {
			return nil
		}
	}
}

func decode(kv store.KV) (*Event, error) {
	id, err := idOf(kv.Key)
	if err != nil {
		return nil, err
	}
	e := &Event{}
	if err := json.Unmarshal(kv.Value, e); err != nil {
		return nil, fmt.Errorf("%s: %w", kv.Key, err)
	}
	e.ID, e.Revision = id.String(), kv.Revision
	return e, nil
}

// cursor reads one series in pages.
type cursor struct {
	store    store.Store
	series   series
	from, to string
	page     []store.KV
	last     bool // the page is the last one
}

func (j *Journal) cursor(s series, q Query) *cursor {
	c := &cursor{store: j.store, series: s, from: string(s), to: s.end()}
	if !q.Until.IsZero() {
		c.from = max(c.from, s.at(q.Until))
	}
	if q.From != uuid.Nil {
		c.from = max(c.from, s.key(q.From))
	}
	if !q.Since.IsZero() {
		c.to = s.before(q.Since)
	}
	return c
}

// peek gives the next key without going on; nil at the end.
func (c *cursor) peek(ctx context.Context) (*store.KV, error) {
	if len(c.page) == 0 && !c.last {
		if c.from >= c.to {
			c.last = true
			return nil, nil
		}
		page, err := c.store.Scan(ctx, store.Scan{From: c.from, To: c.to, Limit: pageSize})
		if err != nil {
			return nil, fmt.Errorf("read the journal: %w", err)
		}
		c.page, c.last = page, len(page) < pageSize
		if len(page) > 0 {
			c.from = page[len(page)-1].Key + "\x00"
		}
	}
	if len(c.page) == 0 {
		return nil, nil
	}
	return &c.page[0], nil
}

func (c *cursor) next() store.KV {
	kv := c.page[0]
	c.page = c.page[1:]
	return kv
}
