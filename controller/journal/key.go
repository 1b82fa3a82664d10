package journal

import (
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The prefixes of the two series of events.
const (
	prefix        = "journal/"
	changesPrefix = prefix + "changes/"
	hostsPrefix   = prefix + "hosts/"
)

// Series are the two kinds of events that are kept apart, so that many words of
// hosts do not push changes out.
type series string

const (
	changes series = changesPrefix
	hosts   series = hostsPrefix
)

// The keys of a series begin with its prefix and go on with the complement of
// the event's id in hexadecimal digits. An id begins with the time in
// milliseconds, so the newest event has the first key, and a page of the newest
// is a range with a limit: etcd reads nothing else for it.

// key gives the place of an event in a series.
func (s series) key(id uuid.UUID) string { return string(s) + complement(id) }

func complement(id uuid.UUID) string {
	for i := range id {
		id[i] = ^id[i]
	}
	return hex.EncodeToString(id[:])
}

// idOf gives the event's id of a key.
func idOf(key string) (uuid.UUID, error) {
	var id uuid.UUID
	_, digits, ok := strings.Cut(strings.TrimPrefix(key, prefix), "/")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != len(id) {
		return id, errors.New("not a key of the journal: " + key)
	}
	for i := range b {
		id[i] = ^b[i]
	}
	return id, nil
}

// end is behind all keys of the series: a slash is followed by 0.
func (s series) end() string { return strings.TrimSuffix(string(s), "/") + "0" }

// at is the first key of the events that are not after a time, to the
// millisecond.
func (s series) at(t time.Time) string {
	ms := uint64(max(t.UnixMilli(), 0))
	var id uuid.UUID
	for i := range id {
		id[i] = 0xff
	}
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return s.key(id)
}

// before is the first key of the events that are before a time.
func (s series) before(t time.Time) string { return s.at(t.Add(-time.Millisecond)) }

// timeOf is when an event with the id was made, to the millisecond.
func timeOf(id uuid.UUID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}
