package l3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/linux/announce"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// This file: what a worker does for an ha router.

// The files below run_dir/ha: the script that keepalived calls, the directory
// with what it was last told of each router, and, in each router's directory,
// the file that says whether the host forwards.
const (
	haRoom     = "ha"
	notifyFile = "notify"
	statesDir  = "states"
	activeFile = "active"
)

// notifyScript is called by keepalived with a router's id, "INSTANCE", the
// instance's name, its state and its priority.
const notifyScript = `#!/bin/sh
cd "${0%/*}/states" && echo "$4" > ".$1" && mv -f ".$1" "$1"
`

// haKey is the external_id of a port of an ha router that says whether it is in
// use on this host.
const haKey = "lepton-ha"

func keepalivedName(id string) string { return "keepalived-" + id }
func conntrackdName(id string) string { return "conntrackd-" + id }

// part is the value of haKey.
func (h *HAState) part() string {
	if h.Active {
		return "active"
	}
	return "standby"
}

// switchOver brings the links to what they are to be, before anything else is
// looked at: a router that has been on standby lacks nothing but them.
func (j *job) switchOver() {
	if j.want.HA == nil || j.First {
		return
	}
	done, err := links.Apply(j.Namespace, j.want.Links)
	j.took(done)
	if err != nil || !j.want.HA.Active {
		return // it comes again at the end
	}
	for _, c := range done {
		if c.Address == nil || c.Delete || c.Address.Prefix == metadataV6 {
			continue
		}
		if err := announce.Send(j.Namespace, c.Address.Link, c.Address.Prefix.Addr()); err != nil {
			j.cfg.Log.Debug("address not announced", zap.Error(err))
		}
	}
}

// took notes what was changed of the links.
func (j *job) took(done []links.Change) {
	j.Changes += len(done)
	for _, c := range done {
		if c.Address != nil && !c.Delete && !slices.Contains(j.appeared, *c.Address) {
			j.appeared = append(j.appeared, *c.Address)
		}
	}
}

// watch has keepalived and conntrackd run as the records say.
func (j *job) watch(ctx context.Context) error {
	ha := j.want.HA
	if ha == nil || ha.Link == "" {
		return j.unwatch(ctx)
	}
	if err := j.haFiles(ha); err != nil {
		return fmt.Errorf("ha: %w", err)
	}
	err := j.cfg.Children.Ensure(child.Spec{
		Name: conntrackdName(j.ID), Namespace: j.Namespace, Path: "conntrackd",
		Args: []string{"-C", filepath.Join(ha.Dir, "conntrackd.conf")}, Config: digest(ha.Conntrackd),
		Log: filepath.Join(ha.Dir, "conntrackd.log"),
	})
	if err != nil {
		return err
	}
	return j.cfg.Children.Ensure(child.Spec{
		Name: keepalivedName(j.ID), Namespace: j.Namespace, Path: "keepalived",
		Args: []string{
			"-n", "-l", "-P", "-f", filepath.Join(ha.Dir, "keepalived.conf"),
			"-p", filepath.Join(ha.Dir, "pid"), "-r", filepath.Join(ha.Dir, "vrrp.pid"),
		},
		Config: digest(ha.Keepalived), Reload: syscall.SIGHUP, Log: filepath.Join(ha.Dir, "keepalived.log"),
	})
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// haFiles writes the files of the router's programs.
func (j *job) haFiles(ha *HAState) error {
	room := filepath.Dir(ha.Dir)
	if err := os.MkdirAll(filepath.Join(room, statesDir), 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(ha.Dir, 0o755); err != nil {
		return err
	}
	active := strconv.Itoa(ha.Weight) + "\n"
	for _, f := range []struct {
		path, text string
		mode       os.FileMode
	}{
		{filepath.Join(room, notifyFile), notifyScript, 0o755},
		{filepath.Join(ha.Dir, activeFile), active, 0o644},
		{filepath.Join(ha.Dir, "conntrackd.conf"), ha.Conntrackd, 0o644},
		{filepath.Join(ha.Dir, "keepalived.conf"), ha.Keepalived, 0o644},
	} {
		did, err := replaceFile(f.path, f.text, f.mode)
		if err != nil {
			return err
		}
		if did {
			j.Changes++
		}
	}
	return nil
}

// replaceFile writes a file that holds something else.
func replaceFile(path, text string, mode os.FileMode) (did bool, err error) {
	if have, err := os.ReadFile(path); err == nil && string(have) == text {
		return false, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return false, err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is of no use
	}
	return true, err
}

// resync has a host on standby ask the others for their connections: it may have
// missed some while it could not hear them.
func (j *job) resync(ctx context.Context) {
	ha := j.want.HA
	if ha == nil || ha.Link == "" || ha.Active || j.Light {
		return
	}
	if st, ok := j.cfg.Children.Status(conntrackdName(j.ID)); !ok || st.PID == 0 {
		return // it asks when it starts
	}
	if out, err := exec.CommandContext(ctx, "conntrackd", "-C", filepath.Join(ha.Dir, "conntrackd.conf"), "-n").CombinedOutput(); err != nil {
		j.cfg.Log.Debug("connections not asked for", zap.String("router", j.ID), zap.ByteString("output", out), zap.Error(err))
	}
}

// unwatch stops keepalived, which tells the other hosts that this one goes, and
// conntrackd, and removes their files.
func (j *job) unwatch(ctx context.Context) error {
	for _, name := range []string{keepalivedName(j.ID), conntrackdName(j.ID)} {
		if err := j.cfg.Children.Stop(ctx, name); err != nil {
			return err
		}
	}
	room := filepath.Join(j.cfg.RunDir, haRoom)
	return errors.Join(os.RemoveAll(filepath.Join(room, j.ID)), os.RemoveAll(filepath.Join(room, statesDir, j.ID)))
}

// haMaster reports whether keepalived has made this host the master of a router:
// it has the address then, also when the agent was not there to be told.
func haMaster(ns string, ha *HAState) bool {
	found := false
	err := netns.WithHandle(ns, func(h *netlink.Handle) error {
		l, err := h.LinkByName(ha.Link)
		if err != nil {
			return err
		}
		addrs, err := h.AddrList(l, unix.AF_INET)
		for _, a := range addrs {
			found = found || a.IP.String() == ha.VIP.Addr().String()
		}
		return err
	})
	return err == nil && found
}

// wasActive reports whether the host forwarded when the last agent ended.
func wasActive(runDir, id string) bool {
	b, err := os.ReadFile(filepath.Join(runDir, haRoom, id, activeFile))
	return err == nil && strings.TrimSpace(string(b)) != "0"
}
