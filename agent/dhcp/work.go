package dhcp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lepton-sdn/lepton/agent/internalport"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/linux/offload"
	"github.com/lepton-sdn/lepton/linux/sysctl"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// namespacePrefix begins the names of servers' namespaces.
const namespacePrefix = "qdhcp-"

// networkKey is the external_id of an interface that says whose server's it is.
const networkKey = "lepton-dhcp"

// job is one attempt to bring one network's server to what is desired.
type job struct {
	cfg  *Config
	id   string
	want *Server // nil: remove it
	// light looks at the link only; first is the first attempt of this agent.
	light, first bool
	// guarded says that the rules of the namespace were in order when this agent
	// last looked.
	guarded bool
	// audit looks for what others changed first; stained says that a file was.
	audit, stained bool

	ns  string
	res result
}

// result is what became of a job.
type result struct {
	id      string
	want    *Server
	err     error
	changes int
	took    time.Duration
	guarded bool
	// at is the namespace that was looked at.
	at string
	// found is what others changed, in the namespace ns.
	found []string
	ns    string
}

func (j *job) run(ctx context.Context) result {
	j.res.id, j.res.want, j.res.guarded = j.id, j.want, j.guarded && !j.audit
	j.res.err = j.attempt(ctx)
	return j.res
}

// dir holds the files of the network's dnsmasq.
func (j *job) dir() string { return filepath.Join(j.cfg.RunDir, "dhcp", j.id) }

// realise brings the server to what is desired, and waits until it answers.
func (j *job) realise(ctx context.Context) error {
	made, err := j.namespace()
	if err != nil {
		return err
	}
	if !j.light || made { // before the link comes, which takes over the defaults
		set, err := sysctl.Apply(j.ns, j.want.Sysctls)
		j.res.changes += len(set)
		if err != nil {
			return err
		}
	}
	if made || j.audit || !j.guarded { // before dnsmasq hears anything
		n, err := guard(ctx, j.ns)
		j.res.changes += n
		if err != nil {
			return err
		}
		j.res.guarded = true
	}
	j.res.at = j.ns
	moved, err := j.ports(ctx)
	if err != nil {
		return err
	}
	if j.light && !made && !moved {
		return nil
	}
	filled, err := offload.FillChecksums(j.ns, j.want.Port.Name)
	if err != nil {
		return err
	}
	if filled {
		j.res.changes++
	}
	done, err := links.Apply(j.ns, j.want.Links)
	j.res.changes += len(done)
	if err != nil {
		return err
	}
	return j.serve(ctx)
}

// serve has dnsmasq run with the files that are desired.
func (j *job) serve(ctx context.Context) error {
	before := readHosts(filepath.Join(j.dir(), hostsName))
	moved := j.first
	for ip, mac := range before {
		moved = moved || j.want.Leases[ip] != mac
	}
	_, runs := j.cfg.Children.Status(childName(j.id))
	if moved && runs {
		// Before the file is written, so that an agent that dies here does it again.
		if err := j.release(before); err != nil {
			return err
		}
	}
	written, err := j.want.writeFiles(j.dir())
	j.res.changes += written
	if err != nil {
		return err
	}
	if err := j.cfg.Children.Ensure(j.want.spec(j.dir(), j.ns)); err != nil {
		return err
	}
	dead := func() bool {
		st, _ := j.cfg.Children.Status(childName(j.id))
		return st.PID == 0 && st.Error != ""
	}
	if err := j.want.awaitReady(ctx, j.ns, dead); err != nil {
		return j.silent(err)
	}
	if moved {
		return j.release(before)
	}
	return nil
}

func (j *job) release(before owners) error {
	n, err := j.want.release(j.ns, j.dir(), before)
	j.res.changes += n
	return err
}

// silent says why dnsmasq does not answer. One that runs and is silent is ended,
// so that another takes its place.
func (j *job) silent(err error) error {
	st, _ := j.cfg.Children.Status(childName(j.id))
	if st.PID == 0 {
		text, _ := os.ReadFile(filepath.Join(j.dir(), logName))
		return fmt.Errorf("%w: %s: %s", errDead, st.Error, last(string(text)))
	}
	if errors.Is(err, errSilent) {
		_ = j.cfg.Children.Signal(childName(j.id), syscall.SIGKILL)
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

// namespace makes the server's namespace if it is not there.
func (j *job) namespace() (made bool, err error) {
	for _, j.ns = range j.names() {
		made, err = netns.Ensure(j.ns, j.cfg.Owner)
		if !errors.Is(err, netns.ErrForeign) {
			break
		}
	}
	if made {
		j.res.changes++
	}
	return made, err
}

// names are those that the namespace may have. Another agent on this machine
// may serve the network too, or still.
func (j *job) names() []string {
	return []string{namespacePrefix + j.id, namespacePrefix + j.id + "-" + j.cfg.Host}
}

// ports brings the server's port on the integration bridge to what is desired
// and its link into the namespace. It reports whether the link was moved.
func (j *job) ports(ctx context.Context) (moved bool, err error) {
	port := j.want.port(j.cfg.Bridge)
	ops := append([]ovsdb.Op{port}, j.surplus(port.Name)...)
	if err := j.cfg.DB.Commit(ctx, ops...); err != nil {
		return false, fmt.Errorf("ports on %s: %w", j.cfg.Bridge, err)
	}
	moved, err = internalport.Fetch(ctx, j.cfg.DB, port, j.cfg.SwitchNamespace, j.ns)
	if moved {
		j.res.changes++
	}
	return moved, err
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

// surplus gives the deletion of the network's ports that are not desired.
func (j *job) surplus(desired string) []ovsdb.Op {
	var ops []ovsdb.Op
	for name, i := range j.cfg.DB.State().Interfaces {
		if i.ExternalIDs[networkKey] == j.id && name != desired {
			ops = append(ops, ovsdb.DeletePort{Name: name})
			j.res.changes++
		}
	}
	return ops
}

// remove takes the server off this host.
func (j *job) remove(ctx context.Context) error {
	if err := j.cfg.Children.Stop(ctx, childName(j.id)); err != nil {
		return err
	}
	if err := internalport.Drop(ctx, j.cfg.DB, j.surplus("")...); err != nil {
		return fmt.Errorf("ports on %s: %w", j.cfg.Bridge, err)
	}
	var errs []error
	for _, name := range j.names() {
		owner, exists, err := netns.Owner(name)
		if err == nil && exists && owner == j.cfg.Owner {
			err = netns.Delete(name, j.cfg.Owner)
			j.res.changes++
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, os.RemoveAll(j.dir()))...)
}
