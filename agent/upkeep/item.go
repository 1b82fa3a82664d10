package upkeep

import (
	"errors"
	"time"

	"github.com/lepton-sdn/lepton/model"
)

// Delays between two tries of an object that fails: the first, doubled up to the
// last.
const (
	retryFirst = 500 * time.Millisecond
	retryMax   = time.Minute
)

// Object is something to be kept, such as a router: a type with an Item in it.
type Object interface {
	AsItem() *Item
	// Wanted reports whether the object is to be on this host.
	Wanted() bool
	// Problems are those of what is desired of it, such as a part that is left out.
	Problems() []model.Problem
}

// Item is what is known of one object's upkeep.
type Item struct {
	ID string
	// Stale says that the records have changed since it was worked out what is
	// desired. A loop that describes its objects at once does not need it.
	Stale bool
	// Reported is what the controllers were told of it, by kind and id.
	Reported map[string]model.ObjectStatus

	// due is when it is to be worked on next; light says that only its links are
	// to be looked at.
	due     time.Time
	light   bool
	busy    bool
	audit   bool // it is looked at because of an audit
	again   bool // something happened to it since the last job began
	known   bool // it has been brought to what was desired once
	tried   bool // what is desired has been worked on, and problem is what came of it
	wait    time.Duration
	problem string
	since   time.Time
}

// NewItem gives that of an object of which nothing is known. It is due at once.
func NewItem(id string) Item { return Item{ID: id, wait: retryFirst} }

// AsItem is the item itself, for Object.
func (i *Item) AsItem() *Item { return i }

// Busy reports whether a worker has the object.
func (i *Item) Busy() bool { return i.busy }

// Again reports whether something happened to the object that no job that has
// ended can have seen.
func (i *Item) Again() bool { return i.again }

// Known reports whether the object has been brought to what was desired once.
func (i *Item) Known() bool { return i.known }

// Tried reports whether what is desired has been worked on, and nothing has
// happened to the object since.
func (i *Item) Tried() bool { return i.tried }

// Trouble is why the last job failed; nil when it did not.
func (i *Item) Trouble() error {
	if i.problem == "" {
		return nil
	}
	return errors.New(i.problem)
}

// Change has the object worked on because something else is desired of it. An
// audit that was due would find just that.
func (i *Item) Change() {
	i.due, i.light, i.again, i.wait = time.Now(), false, i.busy, retryFirst
	i.audit, i.tried = i.audit && i.busy, false
}

// Look has the object looked at soon, or only its links, because the switch did
// something to them. One that failed waits for its time.
func (i *Item) Look(light bool) {
	switch soon := time.Now(); {
	case i.busy:
		i.again = true
	case i.audit:
		i.audit = false // it would find what the switch did
	case i.problem == "" && i.due.After(soon):
		i.due, i.light = soon, light
	}
}

// News gives, of what there is to be told of an object, what was not told yet,
// and all of it as Reported has it.
func (i *Item) News(all []model.ObjectStatus) (news []model.ObjectStatus, told map[string]model.ObjectStatus) {
	told = map[string]model.ObjectStatus{}
	for _, s := range all {
		told[s.Key()] = s
		if i.Reported[s.Key()] != s {
			news = append(news, s)
		}
	}
	return news, told
}
