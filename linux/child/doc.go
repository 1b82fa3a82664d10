// Package child runs programs that do part of the data plane's work, radvd for
// instance, and that outlive the agent: they go on when it stops, and the next
// agent adopts them instead of starting them again.
//
//	Ensure(Spec) ─► goroutine of the child ─► start │ adopt │ reload │ restart │ stop
//	                        │
//	                        └─ <dir>/<name>.json: pid, start time, boot, what was started
//
// A pid alone names nothing: the file says when the process started and in
// which boot of the machine, and a process is adopted, signalled or stopped
// only through a pidfd (pidfd_open(2)) that was checked against both. A file
// is written before its process is started, so that an agent that dies in
// between finds the process again by the mark in its environment.
//
// A child that ends by itself is started again, after a delay that doubles from
// half a second to half a minute, with jitter.
package child

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Spec says what is to run.
type Spec struct {
	// Name tells children of one Supervisor apart; it becomes the name of a file.
	Name string
	// Namespace is the named network namespace to run in; "" is the agent's own.
	Namespace string
	// Path is the program, found as exec(3) does when it has no slash; it must
	// stay in the foreground. Args come after its name.
	Path string
	Args []string
	Env  []string // in addition to the agent's own
	// Config is a digest of the files that the program reads. When it changes,
	// the program gets the signal Reload, or is restarted when that is 0.
	Config string
	Reload syscall.Signal
	// Log gets what the program prints; "" throws it away.
	Log string
}

// command identifies what cannot be changed in a running process.
func (s Spec) command() string {
	b, err := json.Marshal([]any{s.Namespace, s.Path, s.Args, s.Env})
	if err != nil { // strings only
		panic(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// same reports whether the Specs ask for the same.
func (s Spec) same(o Spec) bool { return s.command() == o.command() && s.Config == o.Config }

func (s Spec) validate() error {
	if s.Name == "" || s.Name[0] == '.' || len(s.Name) > 200 || strings.ContainsAny(s.Name, "/\x00") {
		return fmt.Errorf("%q is not the name of a child", s.Name)
	}
	if s.Path == "" || slices.ContainsFunc(append([]string{s.Path}, s.Args...), func(a string) bool { return strings.Contains(a, "\x00") }) {
		return fmt.Errorf("child %s: %q is no program", s.Name, s.Path)
	}
	return nil
}

// Status is what a child is doing.
type Status struct {
	Name string
	// PID of the running process; 0: it does not run.
	PID int
	// Since is when the agent started or adopted it.
	Since    time.Time
	Restarts int // because it had ended by itself
	// Error is why it does not run, or how it ended the last time.
	Error string
}
