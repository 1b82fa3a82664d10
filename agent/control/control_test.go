package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/model"
)

// A refused request's connection is closed half a second later, by net/http.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// brake keeps as many records as it says.
type brake struct {
	held atomic.Int64
	err  error
}

func (b *brake) Held() (int, model.Problem) {
	n := int(b.held.Load())
	if n == 0 {
		return 0, model.Problem{}
	}
	return n, model.Problem{Object: "brake", Text: fmt.Sprintf("keeps %d", n)}
}

func (b *brake) Release(context.Context) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return int(b.held.Swap(0)), nil
}

// agent serves the socket of a host with one loop that audits at once.
func agent(t *testing.T, path string, b Brake) *audit.Auditor {
	t.Helper()
	a := audit.New(audit.Config{Mode: audit.Watch, Interval: time.Minute})
	c := a.Consumer()
	s, err := Listen(path, "hv1", a, b)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 3)
	go func() { done <- s.Run(ctx) }()
	go func() { done <- a.Run(ctx) }()
	go func() {
		defer func() { done <- nil }()
		for {
			select {
			case <-ctx.Done():
				return
			case <-c.Due():
				a.Found(audit.Finding{Kind: "flow", Place: "br-int", Text: "found by an audit"})
				c.Done()
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return a
}

func socket(t *testing.T) string { return filepath.Join(t.TempDir(), "run", "agent.sock") }

func TestAnOperatorSeesFindingsAndHasTheAgentLook(t *testing.T) {
	path, b := socket(t), &brake{}
	b.held.Store(3)
	a := agent(t, path, b)
	a.Found(audit.Finding{Kind: "port", Text: "before"})
	var st Status
	if err := Call(t.Context(), path, http.MethodGet, "/audit", &st); err != nil {
		t.Fatal(err)
	}
	if st.Host != "hv1" || st.Mode != audit.Watch || st.Interval != 60 || st.Total != 1 || len(st.Findings) != 1 || st.Findings[0].Text != "before" ||
		st.Held != 3 || st.Brake == nil || st.Brake.Text != "keeps 3" {
		t.Errorf("%+v", st)
	}
	st = Status{}
	if err := Call(t.Context(), path, http.MethodPost, "/audit", &st); err != nil || st.Total != 2 || st.Findings[1].Text != "found by an audit" || st.Findings[1].Repaired {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestAnOperatorReleasesWhatTheBrakeKeeps(t *testing.T) {
	path, b := socket(t), &brake{}
	agent(t, path, b)
	b.held.Store(9)
	var r Released
	if err := Call(t.Context(), path, http.MethodPost, "/release", &r); err != nil || r.Records != 9 {
		t.Errorf("%+v, %v", r, err)
	}
	var st Status
	if err := Call(t.Context(), path, http.MethodGet, "/audit", &st); err != nil || st.Held != 0 || st.Brake != nil {
		t.Errorf("%+v, %v", st, err)
	}
	b.err = errors.New("the feed has ended")
	if err := Call(t.Context(), path, http.MethodPost, "/release", &r); err == nil || !strings.Contains(err.Error(), "the feed has ended") {
		t.Errorf("a release that fails: %v", err)
	}
}

func TestTheSocketIsForItsOwnerAndTakesThePlaceOfADeadOne(t *testing.T) {
	path := socket(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	agent(t, path, &brake{})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode()&os.ModeSocket == 0 || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		t.Errorf("socket %v, %v", info.Mode(), err)
	}
	var st Status
	if err := Call(t.Context(), path, http.MethodGet, "/audit", &st); err != nil {
		t.Error(err)
	}
}

func TestRequestsThatAreNoneAreRefused(t *testing.T) {
	path := socket(t)
	agent(t, path, &brake{})
	for _, tc := range []struct{ method, what, want string }{
		{http.MethodGet, "/release", "Method Not Allowed"},
		{http.MethodDelete, "/audit", "Method Not Allowed"},
		{http.MethodGet, "/", "404"},
		{http.MethodGet, "/audit/../etc/passwd", "404"},
		{http.MethodGet, "/audit?" + strings.Repeat("x", 64<<10), "431"},
	} {
		var st Status
		err := Call(t.Context(), path, tc.method, tc.what, &st)
		if err == nil || !strings.Contains(err.Error(), tc.want) || st.Host != "" {
			t.Errorf("%s %.40s: %v, %+v", tc.method, tc.what, err, st)
		}
	}
	if err := Call(t.Context(), filepath.Join(t.TempDir(), "none"), http.MethodGet, "/audit", &Status{}); err == nil || !strings.Contains(err.Error(), "ask the agent") {
		t.Errorf("without an agent: %v", err)
	}
}

// An agent whose loops hang answers nevertheless.
func TestAnAgentThatDoesNotAnswerIsWaitedForWithinBounds(t *testing.T) {
	path := socket(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := Call(ctx, path, http.MethodGet, "/audit", &Status{}); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}
