package dhcp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lepton-sdn/lepton/agent/upkeep"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/offload"
	"github.com/lepton-sdn/lepton/linux/sysctl"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// networkKey is the external_id of an interface that says whose server's it is.
const networkKey = "lepton-dhcp"

// job is one attempt to bring one network's server to what is desired.
type job struct {
	upkeep.Job
	cfg  *Config
	want *Server // nil: remove it
	// guarded says that the rules of the namespace were in order when this agent
	// last looked.
	guarded bool
	// stained says that somebody changed a file.
	stained bool
	// at is the namespace in which the server was looked after.
	at string
}

// dir holds the files of the network's dnsmasq.
func (j *job) dir() string { return filepath.Join(j.cfg.RunDir, "dhcp", j.ID) }

// Realise brings the server to what is desired, and waits until it answers.
func (j *job) Realise(ctx context.Context) error {
	if err := j.realise(ctx); err != nil || !j.stained {
		return err
	}
	return j.cfg.Children.Signal(childName(j.ID), syscall.SIGHUP) // it may have read what somebody wrote
}

func (j *job) realise(ctx context.Context) error {
	made, err := j.EnsureNamespace()
	if err != nil {
		return err
	}
	if !j.Light || made { // before the link comes, which takes over the defaults
		set, err := sysctl.Apply(j.Namespace, j.want.Sysctls)
		j.Changes += len(set)
		if err != nil {
			return err
		}
	}
	if j.guarded = j.guarded && !made; !j.guarded { // before dnsmasq hears anything
		n, err := guard(ctx, j.Namespace)
		j.Changes += n
		if err != nil {
			return err
		}
		j.guarded = true
	}
	j.at = j.Namespace
	moved, err := j.EnsurePorts(ctx, j.want.port(j.cfg.Bridge))
	if err != nil {
		return err
	}
	if j.Light && !made && !moved {
		return nil
	}
	filled, err := offload.FillChecksums(j.Namespace, j.want.Port.Name)
	if err != nil {
		return err
	}
	if filled {
		j.Changes++
	}
	done, err := links.Apply(j.Namespace, j.want.Links)
	j.Changes += len(done)
	if err != nil {
		return err
	}
	return j.serve(ctx)
}

// serve has dnsmasq run with the files that are desired.
func (j *job) serve(ctx context.Context) error {
	before := readHosts(filepath.Join(j.dir(), hostsName))
	moved := j.First
	for ip, mac := range before {
		moved = moved || j.want.Leases[ip] != mac
	}
	_, runs := j.cfg.Children.Status(childName(j.ID))
	if moved && runs {
		// Before the file is written, so that an agent that dies here does it again.
		if err := j.release(before); err != nil {
			return err
		}
	}
	written, err := j.want.writeFiles(j.dir())
	j.Changes += written
	if err != nil {
		return err
	}
	if err := j.cfg.Children.Ensure(j.want.spec(j.dir(), j.Namespace)); err != nil {
		return err
	}
	dead := func() bool {
		st, _ := j.cfg.Children.Status(childName(j.ID))
		return st.PID == 0 && st.Error != ""
	}
	if err := j.want.awaitReady(ctx, j.Namespace, dead); err != nil {
		return j.silent(err)
	}
	if moved {
		return j.release(before)
	}
	return nil
}

func (j *job) release(before owners) error {
	n, err := j.want.release(j.Namespace, j.dir(), before)
	j.Changes += n
	return err
}

// silent says why dnsmasq does not answer. One that runs and is silent is ended,
// so that another takes its place.
func (j *job) silent(err error) error {
	st, _ := j.cfg.Children.Status(childName(j.ID))
	if st.PID == 0 {
		text, _ := os.ReadFile(filepath.Join(j.dir(), logName))
		return fmt.Errorf("%w: %s: %s", errDead, st.Error, last(string(text)))
	}
	if errors.Is(err, errSilent) {
		_ = j.cfg.Children.Signal(childName(j.ID), syscall.SIGKILL)
	}
	return err
}

// last is the last line of a text, or as much of it as fits in a message.
func last(text string) string {
	for len(text) > 0 && text[len(text)-1] == '\n' {
		text = text[:len(text)-1]
	}
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == '\n' {
			text = text[i+1:]
			break
		}
	}
	return text[:min(len(text), 200)]
}

// port is the server's port as the database should have it.
func (s *Server) port(bridge string) ovsdb.EnsurePort {
	return ovsdb.EnsurePort{
		Bridge: bridge, Name: s.Port.Name, Type: "internal", MTURequest: s.Port.MTU,
		ExternalIDs: map[string]string{
			"iface-id": s.Port.ID, "attached-mac": s.Port.MAC.String(), "iface-status": "active", networkKey: s.NetworkID,
		},
	}
}

// Remove takes the server off this host.
func (j *job) Remove(ctx context.Context) error {
	if err := j.cfg.Children.Stop(ctx, childName(j.ID)); err != nil {
		return err
	}
	if err := j.DropPorts(ctx, j.Surplus()...); err != nil {
		return err
	}
	return errors.Join(j.DeleteNamespace(), os.RemoveAll(j.dir()))
}
