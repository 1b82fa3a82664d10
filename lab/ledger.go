package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// State is what a lab's state file holds: everything that Down has to find.
type State struct {
	// Mark is random; the lab's processes and namespaces carry it.
	Mark      string    `json:"mark"`
	CreatedAt time.Time `json:"created_at"`
	// Bare labs have Open vSwitch and links but no Lepton.
	Bare bool `json:"bare,omitempty"`
	// BinDir is where the programs were found.
	BinDir string `json:"bin_dir,omitempty"`
	// Ready is set when everything had started.
	Ready      bool      `json:"ready"`
	Plan       *Plan     `json:"plan"`
	Namespaces []string  `json:"namespaces"`
	Processes  []Process `json:"processes"`
	Guests     []Guest   `json:"guests"`
}

// Guest is a namespace that stands for a virtual machine.
type Guest struct {
	Name      string `json:"name"`
	ID        string `json:"id"` // the instance's UUID, device_id of its ports
	Host      string `json:"host"`
	Namespace string `json:"namespace"`
	NICs      []NIC  `json:"nics"`
}

// NIC is a guest's end of a port.
type NIC struct {
	Port      string         `json:"port"`      // the port's id
	Tap       string         `json:"tap"`       // link on the host, port of br-int
	Link      string         `json:"link"`      // link in the guest
	MAC       string         `json:"mac"`       // of the port's record
	MTU       int            `json:"mtu"`       // of the network
	Addresses []netip.Prefix `json:"addresses"` // with the subnets' prefix lengths
}

// IP gives the guest's first address of the family, 4 or 6; invalid without one.
func (g Guest) IP(family int) netip.Addr {
	for _, n := range g.NICs {
		for _, a := range n.Addresses {
			if a.Addr().Is4() == (family == 4) {
				return a.Addr()
			}
		}
	}
	return netip.Addr{}
}

// ledger is the state file. Several programs may use it at the same time, so
// each change locks it, reads it, and replaces it as a whole.
type ledger struct{ dir string }

func (l ledger) file() string { return filepath.Join(l.dir, "state.json") }

// read gives the present state.
func (l ledger) read() (State, error) {
	var s State
	b, err := os.ReadFile(l.file())
	if errors.Is(err, fs.ErrNotExist) {
		return s, fail(ErrNotFound, "no lab in %s: start one with leptonctl lab up", l.dir)
	}
	if err != nil {
		return s, fmt.Errorf("read state of the lab: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read state of the lab in %s: %w", l.file(), err)
	}
	return s, nil
}

// update changes the state. If f fails nothing is written.
func (l ledger) update(f func(*State) error) error {
	unlock, err := lockFile(filepath.Join(l.dir, "state.lock"), unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := l.read()
	if err != nil {
		return err
	}
	if err := f(&s); err != nil {
		return err
	}
	return l.write(s)
}

// write replaces the file in one step, so that a reader or a crash sees the
// old or the new state and nothing between.
func (l ledger) write(s State) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write state of the lab: %w", err)
	}
	tmp := l.file() + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("write state of the lab: %w", err)
	}
	if err := os.Rename(tmp, l.file()); err != nil {
		return fmt.Errorf("write state of the lab: %w", err)
	}
	return nil
}

// hold takes the lab for a longer change: alone for up and down, shared for
// changes of guests and programs. It does not wait longer than a moment, so
// that no command hangs behind another. The lock ends with the program that
// holds it; one that was killed while it started another leaves the lock to
// that one until it runs.
func (l ledger) hold(alone bool) (release func(), err error) {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		release, err = lockFile(filepath.Join(l.dir, "lock"), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return release, err
		}
		if time.Now().After(deadline) {
			return nil, fail(ErrBusy, "another program is changing the lab in %s: try again when it has ended", l.dir)
		}
	}
}

// lockPatience is how long a program waits for a lab that another one changes.
const lockPatience = time.Second

func lockFile(path string, how int) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(ErrNotFound, "no lab in %s: start one with leptonctl lab up", filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	return func() { f.Close() }, nil
}

// setProcess notes a process under its name and host, in place of an earlier one.
func (s *State) setProcess(p Process) {
	i := slices.IndexFunc(s.Processes, func(q Process) bool { return q.Name == p.Name && q.Host == p.Host })
	if i < 0 {
		s.Processes = append(s.Processes, p)
		return
	}
	s.Processes[i] = p
}

// process finds a process by name and host.
func (s *State) process(host, name string) (Process, bool) {
	i := slices.IndexFunc(s.Processes, func(p Process) bool { return p.Name == name && p.Host == host })
	if i < 0 {
		return Process{}, false
	}
	return s.Processes[i], true
}

// guest finds a guest by name.
func (s *State) guest(name string) *Guest {
	for i := range s.Guests {
		if s.Guests[i].Name == name {
			return &s.Guests[i]
		}
	}
	return nil
}
