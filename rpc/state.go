package rpc

import "maps"

// State is what updates add up to: all that a host knows. It belongs to one
// goroutine; the records in it are shared and must not be changed.
type State struct {
	revision int64
	settings Settings
	full     bool
	records  map[Ref]any
	rejected map[Ref]Rejected
}

// Known reports whether a full update has come.
func (s *State) Known() bool { return s.full }

// Get gives a record of the kind's type in model, nil when there is none.
func (s *State) Get(r Ref) any { return s.records[r] }

// Apply takes over an update. What an update could not carry in a usable form
// stays as it was.
func (s *State) Apply(u *Update) {
	before := s.records
	if u.Full || s.records == nil {
		s.records, s.rejected = map[Ref]any{}, map[Ref]Rejected{}
	}
	s.full = s.full || u.Full
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
	u := &Update{Full: true, Revision: s.revision, Settings: s.settings}
	for r, rec := range s.records {
		u.Put(r.Kind, rec)
	}
	for bad := range maps.Values(s.rejected) {
		u.Rejected = append(u.Rejected, bad)
	}
	u.Sort()
	return u
}
