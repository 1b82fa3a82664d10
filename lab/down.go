package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// stopGrace is how long processes have to end by themselves. What they would
// tidy up is thrown away with the lab.
const stopGrace = 2 * time.Second

// Down takes the lab of that name down, whatever state its building was left
// in, and all that belongs to it. A lab that is not there is fine.
func Down(ctx context.Context, name, dir string) error {
	if err := checkRoot(); err != nil {
		return err
	}
	l, err := Open(name, dir)
	if errors.Is(err, ErrNotFound) {
		return removeEmpty(name, dir)
	}
	if err != nil {
		return err
	}
	return l.Down(ctx)
}

// removeEmpty removes the directory of a lab that never came to have a state.
func removeEmpty(name, dir string) error {
	if dir == "" {
		dir = DefaultDir
	}
	if name == "" {
		name = DefaultName
	}
	led := ledger{filepath.Join(dir, name)}
	if _, err := os.Stat(led.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	release, err := led.hold(true)
	if err != nil {
		return err
	}
	defer release()
	return led.forget()
}

// Down takes the lab down. It stops only processes, and removes only
// namespaces, that carry the lab's mark.
func (l *Lab) Down(ctx context.Context) error {
	release, err := l.ledger.hold(true)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	l.client.CloseIdleConnections()
	return l.clear(ctx)
}

// clear removes everything; the caller holds the lab.
func (l *Lab) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := l.stopProcesses(ctx); err != nil {
		return fmt.Errorf("take down lab %s: %w", l.plan.Lab, err)
	}
	// Guests' namespaces are in the list too, noted before they were made.
	s, err := l.ledger.read()
	if err != nil {
		return fmt.Errorf("take down lab %s: %w", l.plan.Lab, err)
	}
	var errs []error
	for _, ns := range s.Namespaces {
		errs = append(errs, deleteNetns(ns, s.Mark))
	}
	for _, h := range l.plan.Hosts {
		if err := h.deleteAgentNetns(); err != nil {
			errs = append(errs, err)
			continue // its mark is in the directory
		}
		errs = append(errs, os.RemoveAll(h.Dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("take down lab %s: %w; run leptonctl lab down again", l.plan.Lab, err)
	}
	return l.ledger.forget()
}

// deleteAgentNetns removes the namespaces that the host's agent made, those of
// routers for instance. They carry the agent's own lasting identity.
func (h HostPlan) deleteAgentNetns() error {
	id, err := os.ReadFile(filepath.Join(h.stateDir(agentProgram), "instance"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	names, listErr := namespaces("")
	if err := errors.Join(err, listErr); err != nil {
		return err
	}
	mark := "lepton-agent " + strings.TrimSpace(string(id))
	var errs []error
	for _, name := range names {
		if found, exists, err := netnsMark(name); err == nil && exists && found == mark {
			errs = append(errs, deleteNetns(name, mark))
		}
	}
	return errors.Join(errs...)
}

// stopProcesses ends every process with the lab's mark. One that is being
// started while its starter is killed shows up a moment later, hence the
// second look; one that starts others is gone by then.
func (l *Lab) stopProcesses(ctx context.Context) error {
	const looks = 5
	for range looks {
		ps, err := marked(l.mark)
		if err != nil {
			return err
		}
		if len(ps) == 0 {
			return nil
		}
		if err := stopAll(ctx, ps, stopGrace); err != nil {
			return err
		}
	}
	return errors.New("its processes keep starting others")
}

// forget removes the lab's directory; what is not the lab's own stays, and is
// named in the error. The state goes last, so that a Down that was interrupted
// can be repeated.
func (l ledger) forget() error {
	for _, name := range []string{"pki", "template", "state.json.new", "state.lock", "lock", "state.json"} {
		if err := os.RemoveAll(filepath.Join(l.dir, name)); err != nil {
			return fmt.Errorf("remove files of the lab: %w", err)
		}
	}
	if err := os.Remove(l.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove directory of the lab: %w", err)
	}
	return nil
}
