package metadata

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/metadata/proxy"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/telemetry"
)

// childName is the proxy's name among the agent's children.
const childName = "metadata-proxy"

// Delays of the work.
const (
	gather     = 50 * time.Millisecond // changes that come together are written together
	retryAfter = 2 * time.Second       // after a file could not be written
	lookEvery  = 10 * time.Second      // whether the proxy runs
)

// Controller is the loop's end of the connection to the controllers
// (*feed.Consumer).
type Controller interface {
	Updates() <-chan rpc.Update
	Ack(revision int64)
	SetProblems(problems []model.Problem)
	SetDevices(n int, inSync bool)
}

// Config says what the loop works with.
type Config struct {
	Host string
	// Owner marks the namespaces of this agent.
	Owner  string
	RunDir string
	// Local has the host's own guests answered by way of a port of the proxy on
	// Bridge; DB is Open vSwitch's.
	Local  bool
	Bridge string
	DB     Database
	// Program is what runs as proxy, and Version what it is: another one takes
	// the place of one that runs.
	Program, Version string
	// Settings are the proxy's, but for those that the controller gives.
	Settings   proxy.Settings
	Children   *child.Supervisor
	Controller Controller
	// Audit takes what was found changed by others; nil: it is only repaired.
	Audit *audit.Auditor
	// Loop counts what is written; nil: nothing does.
	Loop *telemetry.Loop
	// LinkLoop counts looks at the link of mode local; nil: nothing does.
	LinkLoop *telemetry.Loop
	Log      *zap.Logger
}

// Loop keeps the files of the proxy, and the proxy. Use New, then Run.
type Loop struct {
	cfg  Config
	log  *zap.Logger
	dir  string
	view *view

	full, complete bool // something is known; everything, as a controller says
	revision       int64
	dirty          map[string]bool   // scopes
	written        map[string]string // path → digest
	swept          bool              // since the last full update
	problem        string
	linkProblem    string // of the proxy's own port
	held           string // what mode hold keeps from being done

	audits *audit.Consumer
	// Of what keeps the link, in mode local.
	linkAudits *audit.Consumer
	linkTold   []string
}

// New makes a loop that has done nothing yet.
func New(cfg Config) *Loop {
	l := &Loop{
		cfg: cfg, log: cfg.Log, dir: filepath.Join(cfg.RunDir, "metadata"), view: newView(cfg.Host, cfg.Owner),
		dirty: map[string]bool{}, written: map[string]string{},
		audits: cfg.Audit.Consumer(),
	}
	if cfg.Local {
		l.linkAudits = cfg.Audit.Consumer()
	}
	return l
}

// Run works until ctx is done. It leaves the proxy running.
func (l *Loop) Run(ctx context.Context) error {
	updates := l.cfg.Controller.Updates()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	waiting := false // for the timer
	linkProblems := make(chan string)
	var plugged <-chan struct{}
	var watch *ovsdb.Watcher
	if !l.cfg.Local && l.cfg.DB != nil {
		if err := leaveLink(ctx, l.cfg); err != nil {
			l.log.Warn("something of the metadata port is left", zap.Error(err))
		}
	}
	if l.cfg.Local {
		watch = l.cfg.DB.Watch()
		defer watch.Close()
		plugged = watch.Changes()
		ctx, cancel := context.WithCancel(ctx)
		var keeper sync.WaitGroup
		defer keeper.Wait()
		defer cancel()
		keeper.Go(func() {
			l.keepLink(ctx, func(text string) {
				select {
				case linkProblems <- text:
				case <-ctx.Done():
				}
			})
		})
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case u, ok := <-updates:
			if !ok {
				updates = nil
				continue
			}
			if l.take(&u) && !waiting {
				timer.Reset(gather)
				waiting = true
			}
		case <-timer.C:
			if waiting = l.full && !l.write(); waiting {
				timer.Reset(retryAfter)
			}
		case <-look.C:
			l.tell()
		case <-l.audits.Due():
			l.audit()
		case l.linkProblem = <-linkProblems:
			l.tell()
		case <-plugged:
			watch.TakeDirty()
			if l.dirty[localScope] = true; !waiting {
				timer.Reset(gather)
				waiting = true
			}
		}
	}
}

// take brings the records up to date. It reports whether there is something to
// write; an update that concerns nobody is acknowledged at once.
func (l *Loop) take(u *rpc.Update) bool {
	before := l.view.state.Settings()
	maps.Copy(l.dirty, l.view.apply(u))
	l.revision = u.Revision
	if u.Full {
		l.full, l.complete, l.swept = true, u.Stored.IsZero(), false
	}
	if l.cfg.Local && (u.Full || len(u.Ports)+len(u.Deleted.Ports) > 0) {
		l.dirty[localScope] = true
	}
	if u.Full || len(l.dirty) > 0 || before != u.Settings {
		return true
	}
	l.cfg.Controller.Ack(l.revision)
	return false
}

// write brings the files and the proxy to what is desired. It reports whether
// that went well.
func (l *Loop) write() bool {
	began := time.Now()
	changed, err := l.files()
	if err == nil && l.cfg.Audit.Mode() != audit.Hold {
		err = l.cfg.Children.Ensure(l.spec())
	}
	l.cfg.Loop.Done(began, err)
	l.cfg.Loop.Waiting(len(l.dirty))
	if err != nil {
		l.fail(err.Error())
		return false
	}
	if changed > 0 {
		l.log.Info("metadata scopes changed", zap.Int("files", changed), zap.Int64("revision", l.revision))
	}
	l.tell()
	l.cfg.Controller.Ack(l.revision)
	return true
}

// spec is the proxy as a child. It starts with SIGHUP ignored, or one that comes
// before it listens would end it.
func (l *Loop) spec() child.Spec {
	return child.Spec{
		Name: childName, Path: "nohup", Args: []string{l.cfg.Program, "metadata-proxy", "--config", proxy.SettingsFile(l.dir)},
		Env:    []string{"LEPTON_VERSION=" + l.cfg.Version},
		Config: l.digest(), Reload: syscall.SIGHUP,
		Log: filepath.Join(l.dir, "proxy.log"),
	}
}

// digest is of all files.
func (l *Loop) digest() string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(l.written)) {
		fmt.Fprintln(h, path, l.written[path])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// files writes what differs and counts it.
func (l *Loop) files() (changed int, err error) {
	if l.cfg.Audit.Mode() == audit.Hold {
		l.hold()
		return 0, nil
	}
	if err := os.MkdirAll(filepath.Dir(proxy.ScopeFile(l.dir, "x")), 0o700); err != nil {
		return 0, err
	}
	s, state := l.cfg.Settings, l.view.state.Settings()
	s.Host, s.NovaURL, s.Secret = l.cfg.Host, state.NovaMetadataURL, state.MetadataSecret
	put := func(path string, v any) error {
		did, err := l.put(path, v)
		if did {
			changed++
		}
		return err
	}
	errs := []error{put(proxy.SettingsFile(l.dir), s)}
	for name := range l.dirty {
		path := proxy.ScopeFile(l.dir, name)
		scope, here := l.scope(name)
		var err error
		switch {
		case here:
			err = put(path, scope)
		case l.complete || l.written[path] != "":
			delete(l.written, path)
			if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
				err = nil
			} else if err == nil {
				changed++
			}
		}
		if err == nil {
			delete(l.dirty, name)
		}
		errs = append(errs, err)
	}
	if l.complete && !l.swept {
		n, err := l.sweep()
		changed, l.swept = changed+n, err == nil
		errs = append(errs, err)
	}
	return changed, errors.Join(errs...)
}

// hold lists, in mode hold, the files that would be written or removed.
func (l *Loop) hold() {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(l.dirty)) {
		path := proxy.ScopeFile(l.dir, name)
		scope, here := l.scope(name)
		have, err := os.ReadFile(path)
		want, _ := json.MarshalIndent(scope, "", " ") // is what a file is made of
		if here && !bytes.Equal(have, want) || !here && err == nil && l.complete {
			list = append(list, "file "+filepath.Base(path))
		}
	}
	text := ""
	if len(list) > 0 {
		text = heldBack(list).Error()
	}
	if text != l.held {
		if l.held = text; text != "" {
			l.cfg.Audit.Found(audit.Finding{Kind: "metadata", Place: l.dir, Text: text})
		}
	}
}

// scope describes a scope, of whatever kind.
func (l *Loop) scope(name string) (proxy.Scope, bool) {
	if name == localScope {
		return l.local(), l.cfg.Local
	}
	return l.view.scope(name)
}

// sweep removes the files of scopes that an earlier agent left.
func (l *Loop) sweep() (n int, err error) {
	dir := filepath.Dir(proxy.ScopeFile(l.dir, "x"))
	entries, err := os.ReadDir(dir)
	errs := []error{err}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if l.written[path] == "" && !l.dirty[strings.TrimSuffix(e.Name(), ".json")] {
			errs = append(errs, os.Remove(path))
			n++
		}
	}
	return n, errors.Join(errs...)
}

// put writes a file unless it is so already. A reader sees all of it or all of
// what was there before.
func (l *Loop) put(path string, v any) (bool, error) {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(b)
	digest := hex.EncodeToString(sum[:])
	if l.written[path] == digest {
		return false, nil
	}
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, b) {
		l.written[path] = digest
		return false, nil
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, b, 0o600); err != nil {
		return false, err
	}
	if err := os.Rename(fresh, path); err != nil {
		return false, err
	}
	l.written[path] = digest
	return true, nil
}

// tell tells whether the proxy runs.
func (l *Loop) tell() {
	text := cmp.Or(l.held, l.linkProblem)
	if st, ok := l.cfg.Children.Status(childName); ok && st.PID == 0 && st.Error != "" {
		text = "it does not run: " + st.Error
	}
	l.fail(text)
	l.cfg.Controller.SetDevices(0, l.full && text == "")
}

// fail notes a problem, or its end.
func (l *Loop) fail(text string) {
	if text == l.problem {
		return
	}
	l.problem = text
	if text == "" {
		l.cfg.Controller.SetProblems(nil)
		return
	}
	l.log.Warn("guests get no metadata", zap.String("text", text))
	l.cfg.Controller.SetProblems([]model.Problem{{Object: "metadata proxy", Text: text, Since: time.Now().UTC()}})
}
