package ovsdb

import (
	"maps"
	"slices"
	"sync"
)

// maxDirty bounds the names that a watcher remembers. Beyond it the answer is
// Full.
const maxDirty = 8192

// Watcher collects the names of what changed until somebody asks. It belongs
// to one consumer.
type Watcher struct {
	ch chan struct{}

	mu                     sync.Mutex
	full, root             bool
	bridges, ports, ifaces map[string]struct{}
	forget                 func()
}

func newWatcher(forget func()) *Watcher {
	return &Watcher{
		ch:      make(chan struct{}, 1),
		bridges: map[string]struct{}{},
		ports:   map[string]struct{}{},
		ifaces:  map[string]struct{}{},
		forget:  forget,
	}
}

// Changes fires when TakeDirty has something to tell. Its capacity is one:
// many changes make one signal.
func (w *Watcher) Changes() <-chan struct{} { return w.ch }

// TakeDirty gives what changed since it was last asked, and forgets it.
func (w *Watcher) TakeDirty() Dirty {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := Dirty{Full: w.full, Root: w.root}
	if !w.full {
		d.Bridges, d.Ports, d.Interfaces = sortedKeys(w.bridges), sortedKeys(w.ports), sortedKeys(w.ifaces)
	}
	w.full, w.root = false, false
	clear(w.bridges)
	clear(w.ports)
	clear(w.ifaces)
	return d
}

// Close ends the watching.
func (w *Watcher) Close() { w.forget() }

func sortedKeys(m map[string]struct{}) []string {
	if len(m) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(m))
}

func (w *Watcher) mark(d Dirty) {
	if d.Empty() {
		return
	}
	w.mu.Lock()
	w.root = w.root || d.Root
	for _, part := range []struct {
		into  map[string]struct{}
		names []string
	}{{w.bridges, d.Bridges}, {w.ports, d.Ports}, {w.ifaces, d.Interfaces}} {
		for _, name := range part.names {
			part.into[name] = struct{}{}
		}
	}
	if len(w.bridges)+len(w.ports)+len(w.ifaces) > maxDirty {
		w.full = true
		w.bridges, w.ports, w.ifaces = map[string]struct{}{}, map[string]struct{}{}, map[string]struct{}{}
	}
	w.mu.Unlock()
	w.signal()
}

func (w *Watcher) markFull() {
	w.mu.Lock()
	w.full = true
	w.mu.Unlock()
	w.signal()
}

func (w *Watcher) signal() {
	select {
	case w.ch <- struct{}{}:
	default:
	}
}
