package rpc

import (
	"iter"
	"maps"
	"time"
)

// State is what updates add up to: all that a host knows. It belongs to one
// goroutine; the records in it are shared and must not be changed.
type State struct {
	revision int64
	settings Settings
	full     bool
	stored   time.Time
	records  map[Ref]any
	rejected map[Ref]Rejected
}

// Known reports whether a full update has come.
func (s *State) Known() bool { return s.full }

// Stored is zero when the state is what a controller says, else since when no
// controller has confirmed it.
func (s *State) Stored() time.Time { return s.stored }

// Settings are those of the last update.
func (s *State) Settings() Settings { return s.settings }

// Records gives every record, in no order.
func (s *State) Records() iter.Seq2[Ref, any] { return maps.All(s.records) }

// Revision is that of the last update.
func (s *State) Revision() int64 { return s.revision }

// Missing gives the records that a full update no longer has, without those that
// it names as deleted or could not carry.
func (s *State) Missing(u *Update) []Ref {
	there := make(map[Ref]bool, u.Len()+len(u.Rejected))
	for r := range u.Records() {
		there[r] = true
	}
	for r := range u.Deletions() {
		there[r] = true
	}
	for _, bad := range u.Rejected {
		there[Ref{bad.Kind, bad.ID}] = true
	}
	var out []Ref
	for r := range s.records {
		if !there[r] {
			out = append(out, r)
		}
	}
	return out
}

// Get gives a record of the kind's type in model, nil when there is none.
func (s *State) Get(r Ref) any { return s.records[r] }

// Apply takes over an update. What an update could not carry in a usable form
// stays as it was.
func (s *State) Apply(u *Update) {
	before := s.records
	if u.Full || s.records == nil {
		s.records, s.rejected = map[Ref]any{}, map[Ref]Rejected{}
	}
	if u.Full {
		s.full, s.stored = true, u.Stored
	}
	s.revision, s.settings = u.Revision, u.Settings
	for r, rec := range u.Records() {
		s.records[r] = rec
		delete(s.rejected, r)
	}
	for r := range u.Deletions() {
		delete(s.records, r)
		delete(s.rejected, r)
	}
	for _, bad := range u.Rejected {
		r := Ref{bad.Kind, bad.ID}
		s.rejected[r] = bad
		if rec, ok := before[r]; ok && u.Full && s.records[r] == nil {
			s.records[r] = rec
		}
	}
}

// Full gives the state as one full update, sorted.
func (s *State) Full() *Update {
	u := &Update{Full: true, Stored: s.stored, Revision: s.revision, Settings: s.settings}
	for r, rec := range s.records {
		u.Put(r.Kind, rec)
	}
	for bad := range maps.Values(s.rejected) {
		u.Rejected = append(u.Rejected, bad)
	}
	u.Sort()
	return u
}
