package lab

import (
	"errors"
	"fmt"
)

// The kinds of failure that a caller may want to tell apart with errors.Is.
// The error itself says what it is about and what to do next.
var (
	ErrUsage    = errors.New("bad request")
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrBusy     = errors.New("busy")
	ErrRoot     = errors.New("root is needed")
)

// failure is an error of a kind, whose text does not repeat the kind.
type failure struct{ kind, err error }

func (f failure) Error() string   { return f.err.Error() }
func (f failure) Unwrap() []error { return []error{f.kind, f.err} }

func fail(kind error, format string, args ...any) error {
	return failure{kind, fmt.Errorf(format, args...)}
}
