package metadata

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/metadata/proxy"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cloud plays the controller.
type cloud struct {
	updates chan rpc.Update
	mu      sync.Mutex
	acked   int64
	problem string
}

func (c *cloud) Updates() <-chan rpc.Update { return c.updates }
func (c *cloud) SetDevices(int, bool)       {}

func (c *cloud) Ack(revision int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked = revision
}

func (c *cloud) SetProblems(problems []model.Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem = fmt.Sprint(problems)
}

// host is a directory in which agents come and go, with a program that writes
// down what happens to it in the place of the proxy.
type host struct {
	*testing.T
	dir, program string
	cloud        *cloud
	audit        *audit.Auditor
}

func newHost(t *testing.T) *host {
	h := &host{T: t, dir: t.TempDir(), cloud: &cloud{updates: make(chan rpc.Update)}}
	h.program = filepath.Join(h.dir, "program")
	script := "#!/bin/sh\ntrap 'echo hup >> " + h.dir + "/events' HUP\necho start $$ >> " + h.dir + "/events\nwhile :; do sleep 0.05; done\n"
	// A shell cannot catch a signal that was ignored when it began; Go's programs can.
	script = strings.Replace(script, "#!/bin/sh", "#!/usr/bin/env -S --default-signal=HUP /bin/sh", 1)
	if err := os.WriteFile(h.program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return h
}

// agent runs a loop until the function that it gives is called.
func (h *host) agent(version string) (stop func(keep bool)) {
	h.Helper()
	children, err := child.New(filepath.Join(h.dir, "children"), zap.NewNop())
	if err != nil {
		h.Fatal(err)
	}
	l := New(Config{
		Host: "hv1", Owner: "o", RunDir: h.dir, Program: h.program, Version: version, Children: children,
		Settings: proxy.Settings{Controllers: []string{"127.0.0.1:1"}, RateLimit: 1, BurstLimit: 1}, Controller: h.cloud, Audit: h.audit, Log: zap.NewNop(),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func(keep bool) {
		cancel()
		if err := <-done; err != nil {
			h.Error(err)
		}
		if !keep {
			if err := children.Stop(context.Background(), childName); err != nil {
				h.Error(err)
			}
		}
		children.Close()
	}
}

// send sends an update and waits until it is acknowledged.
func (h *host) send(u *rpc.Update) {
	h.Helper()
	h.cloud.updates <- *u
	h.until(fmt.Sprintf("revision %d acknowledged", u.Revision), func() bool {
		h.cloud.mu.Lock()
		defer h.cloud.mu.Unlock()
		return h.cloud.acked == u.Revision
	})
}

func (h *host) until(what string, ok func() bool) {
	h.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("not within 10 s: %s; problems %s, events %q", what, h.cloud.problem, h.events())
		}
	}
}

func (h *host) events() string {
	b, _ := os.ReadFile(filepath.Join(h.dir, "events"))
	return string(b)
}

// stamps are the files' times and contents.
func (h *host) stamps() string {
	var b strings.Builder
	err := filepath.WalkDir(filepath.Join(h.dir, "metadata"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".log") {
			return err
		}
		st, err := os.Stat(path)
		if err == nil {
			fmt.Fprintln(&b, strings.TrimPrefix(path, h.dir), st.ModTime().UnixNano(), st.Sys().(*syscall.Stat_t).Ino, st.Mode())
		}
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return b.String()
}

func (h *host) scope(name string) bool {
	_, err := os.Stat(proxy.ScopeFile(filepath.Join(h.dir, "metadata"), name))
	return !errors.Is(err, fs.ErrNotExist)
}

func TestARestartOnAnUnchangedHostWritesNothingAndTellsNobody(t *testing.T) {
	h := newHost(t)
	stop := h.agent("1")
	h.send(site())
	h.until("the proxy to start", func() bool { return strings.HasPrefix(h.events(), "start") })
	before, events := h.stamps(), h.events()
	if !strings.Contains(before, "settings.json") || strings.Contains(before, "rw-r") {
		t.Errorf("files %s", before)
	}
	stop(true)
	stop = h.agent("1")
	h.send(site())
	time.Sleep(200 * time.Millisecond)
	if now := h.stamps(); now != before || h.events() != events {
		t.Errorf("files before:\n%s\nand after:\n%s\nevents before %q, after %q", before, now, events, h.events())
	}
	stop(true)

	// Another version takes the place of the proxy that runs.
	stop = h.agent("2")
	h.send(site())
	h.until("another proxy", func() bool { return strings.Count(h.events(), "start") == 2 })
	stop(false)
}

func TestChangesReachTheProxyAndWhatIsGoneOnlyWhenAControllerSaysSo(t *testing.T) {
	h := newHost(t)
	stop := h.agent("1")
	defer func() { stop(false) }()
	h.send(site())
	h.until("the proxy to start", func() bool { return strings.HasPrefix(h.events(), "start") })
	u := &rpc.Update{Revision: 2, Ports: []*model.Port{port(13, 1, "compute:nova", "vm-3", "10.1.0.6")}}
	h.send(u)
	h.until("SIGHUP", func() bool { return strings.Count(h.events(), "hup") == 1 })
	h.send(&rpc.Update{Revision: 3, Networks: []*model.Network{{Meta: model.Meta{ID: uuid(1)}, MTU: 1400}}})
	time.Sleep(100 * time.Millisecond)
	if strings.Count(h.events(), "hup") != 1 {
		t.Error("the proxy was told of a change that does not concern it")
	}
	dhcp, router := dhcpScope+uuid(2), routerScope+uuid(50)
	stored := &rpc.Update{Full: true, Stored: time.Unix(1, 0), Revision: 4}
	stop(true)
	stop = h.agent("1")
	h.send(stored)
	if !h.scope(dhcp) || !h.scope(router) {
		t.Error("a scope was removed because of records on the disk")
	}
	gone := site()
	gone.Revision, gone.DHCPBindings = 5, nil
	h.send(gone)
	if h.scope(dhcp) || !h.scope(router) {
		t.Errorf("DHCP's scope is there: %t, the router's: %t", h.scope(dhcp), h.scope(router))
	}
}

func TestFilesThatOthersChangeAreFoundByAudits(t *testing.T) {
	for _, mode := range []audit.Mode{audit.Repair, audit.Watch} {
		t.Run(string(mode), func(t *testing.T) {
			h := newHost(t)
			h.audit = audit.New(audit.Config{Mode: mode, Interval: time.Hour})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			stop := h.agent("1")
			go func() { ended <- h.audit.Run(ctx) }()
			defer func() {
				stop(false)
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}()
			h.send(site())
			h.until("the proxy to start", func() bool { return strings.HasPrefix(h.events(), "start") })
			h.until("its process is noted", func() bool {
				b, _ := os.ReadFile(filepath.Join(h.dir, "children", childName+".json"))
				return strings.Contains(string(b), strings.TrimSpace(strings.TrimPrefix(h.events(), "start")))
			})
			look := func() (texts []string) {
				t.Helper()
				bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
				defer cancel()
				if err := h.audit.Now(bounded); err != nil {
					t.Fatal(err)
				}
				list, _ := h.audit.Findings()
				for _, f := range list {
					texts = append(texts, f.Kind+" "+f.Text)
				}
				return texts
			}
			if got := look(); len(got) > 0 {
				t.Fatalf("found before anything was changed: %q", got)
			}
			dir := filepath.Join(h.dir, "metadata")
			content := func() (all string) {
				files, _ := filepath.Glob(filepath.Join(dir, "*", "*.json"))
				for _, f := range append(files, proxy.SettingsFile(dir)) {
					b, _ := os.ReadFile(f)
					all += filepath.Base(f) + " " + string(b) + "\n"
				}
				return all
			}
			before := content()
			dhcp, router, stranger := proxy.ScopeFile(dir, dhcpScope+uuid(2)), proxy.ScopeFile(dir, routerScope+uuid(50)), proxy.ScopeFile(dir, "qrouter-foreign")
			for path, text := range map[string]string{dhcp: "{}", proxy.SettingsFile(dir): `{"secret": "other"}`, stranger: "{}"} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Remove(router); err != nil {
				t.Fatal(err)
			}
			changed := content()
			got := strings.Join(look(), "\n")
			for _, want := range []string{
				"metadata file " + filepath.Base(dhcp) + " of the metadata proxy was changed", filepath.Base(router) + " of the metadata proxy is missing",
				"settings.json of the metadata proxy was changed", filepath.Base(stranger) + " of the metadata proxy is not ours",
			} {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			if mode == audit.Watch {
				if content() != changed {
					t.Error("files were changed although they are only watched")
				}
				return
			}
			if content() != before {
				t.Errorf("the files are\n%s\nand were\n%s", content(), before)
			}
			h.until("the proxy to read them again", func() bool { return strings.Count(h.events(), "hup") == 1 })
			if again := look(); len(again) != 4 {
				t.Errorf("an audit of what is right finds %q", again)
			}
		})
	}
}
