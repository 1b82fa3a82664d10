package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// The programs' own limits: lockWait is for the lock that the legacy flavour
// takes, killWait for output that a killed program's children hold open.
const (
	lockWait = "10" // seconds
	killWait = time.Second
)

// maxComplaint bounds what of a program's complaint gets into an error.
const maxComplaint = 2000

// Read gives what the namespace holds, of all tables.
func Read(ctx context.Context, namespace string, f Family) (Saved, error) {
	text, err := run(ctx, namespace, "", f.String()+"-save")
	if err != nil {
		return nil, err
	}
	saved, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s-save in %s: %w", f, namespace, err)
	}
	return saved, nil
}

// TableError is the error of one table. The other tables are as desired.
type TableError struct {
	Family Family
	Table  string
	Err    error
}

func (e *TableError) Error() string { return fmt.Sprintf("%s table %s: %v", e.Family, e.Table, e.Err) }
func (e *TableError) Unwrap() error { return e.Err }

// Apply brings the namespace to what is desired and reports whether anything
// had to be changed. Each table is taken by itself: one that the kernel refuses
// holds what it held before, and a *TableError, joined with those of others,
// tells of it.
func Apply(ctx context.Context, namespace string, f Family, want Ruleset) (changed bool, err error) {
	have, err := Read(ctx, namespace, f)
	if err != nil {
		return false, err
	}
	text, err := Diff(have, want)
	if err != nil || text == "" {
		return false, err
	}
	if err := restore(ctx, namespace, f, text); err == nil || ctx.Err() != nil {
		return err == nil, err
	}
	// The tables before the bad one were taken: find it, and take the others.
	if have, err = Read(ctx, namespace, f); err != nil {
		return true, err
	}
	var errs []error
	for _, t := range want.Tables {
		text, err := Diff(have, Ruleset{Prefix: want.Prefix, Tables: []Table{t}})
		if err == nil && text != "" {
			err = restore(ctx, namespace, f, text)
		}
		if err != nil {
			errs = append(errs, &TableError{f, t.Name, err})
		}
	}
	return true, errors.Join(errs...)
}

func restore(ctx context.Context, namespace string, f Family, text string) error {
	_, err := run(ctx, namespace, text, f.String()+"-restore", "--noflush", "-w", lockWait)
	if err != nil {
		return fmt.Errorf("%w%s", err, culprit(text, err))
	}
	return nil
}

// run starts a program in the namespace and gives what it printed.
func run(ctx context.Context, namespace, input string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = killWait
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &complaint
	err := netns.Do(namespace, cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		text := strings.TrimSpace(complaint.String())
		if ctx.Err() != nil {
			err = errors.Join(ctx.Err(), err)
		}
		return "", fmt.Errorf("run %s in %s: %w: %s", name, namespace, err, text[:min(len(text), maxComplaint)])
	}
	return out.String(), nil
}

// culprit quotes the line of the input that the program complains of.
func culprit(input string, err error) string {
	_, after, ok := strings.Cut(err.Error(), "line ")
	if !ok {
		return ""
	}
	n := 0
	for _, c := range after {
		if c < '0' || c > '9' || n > len(input) {
			break
		}
		n = n*10 + int(c-'0')
	}
	lines := strings.Split(input, "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return fmt.Sprintf(" (%q)", lines[n-1])
}
