package interest

import "github.com/lepton-sdn/lepton/rpc"

// Feed is what one connected host has still to be told. Like its engine it
// belongs to one goroutine.
type Feed struct {
	host   *host
	engine *Engine
	limit  int
	marks  map[rpc.Ref]int64 // and the revision of the last change that marked them
	told   []Told
	all    bool // a snapshot is due; marks is empty
	ready  bool // the engine is loaded: absence means something
}

// Told is a record that a host was told of, and the store's revision of the
// change that it was told for.
type Told struct {
	Ref      rpc.Ref
	Revision int64
}

// Told is what the last update of Next was about; nothing for a snapshot.
func (f *Feed) Told() []Told { return f.told }

// woken collects the feeds that get their first mark.
type woken struct{ feeds []*Feed }

// Connect opens the feed of a host; a feed that it had before gets nothing
// more. The feed begins with a snapshot.
func (e *Engine) Connect(name string) *Feed {
	h := e.host(name)
	h.feed = &Feed{host: h, engine: e, limit: e.limit, marks: map[rpc.Ref]int64{}, all: true, ready: e.loaded}
	return h.feed
}

// Disconnect ends the feed; one that was replaced is left alone.
func (e *Engine) Disconnect(f *Feed) {
	if f.host.feed == f {
		f.host.feed = nil
		e.pruneHost(f.host)
	}
}

// Host is the name of the feed's host.
func (f *Feed) Host() string { return f.host.name }

// Pending reports whether Next has something to tell.
func (f *Feed) Pending() bool { return f.ready && (f.all || len(f.marks) > 0) }

// Waiting is the number of marked records; all of them counts as one.
func (f *Feed) Waiting() int {
	if f.all {
		return 1
	}
	return len(f.marks)
}

func (f *Feed) mark(r rpc.Ref, w *woken) {
	if f.all {
		return
	}
	if len(f.marks) == 0 && f.ready {
		w.feeds = append(w.feeds, f)
	}
	f.marks[r] = f.engine.applying
	if len(f.marks) > f.limit {
		f.marks, f.all = map[rpc.Ref]int64{}, true
	}
}

func (f *Feed) markAll(w *woken) {
	f.marks, f.all, f.ready = map[rpc.Ref]int64{}, true, true
	w.feeds = append(w.feeds, f)
}

// Next gives what the host must be told to know the engine's present revision:
// the snapshot, or the difference to what Next gave before; nil when there is
// nothing. The records in it are shared and must not be changed. They are in no
// order.
func (e *Engine) Next(f *Feed) *rpc.Update {
	if !f.Pending() || f.host.feed != f {
		return nil
	}
	u := &rpc.Update{Full: f.all, Revision: e.revision}
	f.told = make([]Told, 0, len(f.marks))
	if f.all {
		e.snapshot(f.host, u)
		e.tellGone(f.host, u)
	} else {
		for r, revision := range f.marks {
			f.told = append(f.told, Told{r, revision})
			e.resolve(f.host, r, u)
		}
	}
	f.all = false
	// A map keeps the room of its largest moment: start small again.
	f.marks = map[rpc.Ref]int64{}
	return u
}

// Snapshot gives everything that a host must know at the engine's present
// revision, whether it is connected or not. The records in it are shared and must
// not be changed.
func (e *Engine) Snapshot(name string) *rpc.Update {
	u := &rpc.Update{Full: true, Revision: e.revision}
	if h := e.hosts[name]; h != nil {
		e.snapshot(h, u)
	}
	u.Sort()
	return u
}

// snapshot adds everything that the host is interested in.
func (e *Engine) snapshot(h *host, u *rpc.Update) {
	known := map[*item]struct{}{}
	for t := range h.topics {
		for ref, i := range t.items {
			if !t.shows(i, h) {
				continue
			}
			if len(i.topics) > 1 { // the others may be the host's too
				if _, ok := known[i]; ok {
					continue
				}
				known[i] = struct{}{}
			}
			u.Put(ref.Kind, i.as(h))
		}
	}
	for other, types := range h.peers() {
		if end := other.end(types); end != nil {
			u.Endpoints = append(u.Endpoints, end)
		}
	}
}

// resolve adds what the record is to the host now: its value, or a deletion.
func (e *Engine) resolve(h *host, r rpc.Ref, u *rpc.Update) {
	if i := e.items[r]; i != nil && i.seenBy(h, nil) {
		u.Put(r.Kind, i.as(h))
		return
	}
	if other := e.hosts[r.ID]; r.Kind == rpc.KindEndpoint && other != nil {
		if end := other.end(h.shared(other)); end != nil {
			u.Endpoints = append(u.Endpoints, end)
			return
		}
	}
	u.Delete(r.Kind, r.ID)
}
