package records

import (
	"errors"
	"fmt"

	"github.com/lepton-sdn/lepton/store"
)

// Errors that callers tell apart, by errors.Is.
var (
	// ErrUnavailable is a store that cannot be reached: nothing can be written,
	// and nothing read but by ReadStale. After an Update it leaves open whether
	// the changes happened.
	ErrUnavailable = store.ErrUnavailable
	// ErrConflict is an Update that others overtook time and again.
	ErrConflict = errors.New("too many concurrent changes")
	// ErrClosed is a database that was closed.
	ErrClosed = errors.New("database closed")
)

// TakenError is a claim on a key that is taken.
type TakenError struct {
	Key, Owner string
}

// Error says which key, and who has it.
func (e *TakenError) Error() string { return fmt.Sprintf("%s is taken by %s", e.Key, e.Owner) }

// InUseError is an Update that required that nothing is claimed under a prefix,
// when something is.
type InUseError struct {
	Prefix, Key, Owner string
}

// Error says which claim is in the way.
func (e *InUseError) Error() string {
	return fmt.Sprintf("%s is in use: %s is taken by %s", e.Prefix, e.Key, e.Owner)
}
