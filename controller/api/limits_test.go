package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/store"
)

func TestABodyThatIsTooLargeIsRefusedWithoutReadingIt(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.MaxBody = 1000 })
	status, out, _ := c.call("POST", "/v2.0/networks", `{"network": {"name": "`+strings.Repeat("x", 2000)+`"}}`)
	if status != 413 || refusedType(out) != "HTTPRequestEntityTooLarge" {
		t.Errorf("%d %v", status, out)
	}
	endless := &counter{}
	req, err := http.NewRequest("POST", c.server.URL+"/v2.0/networks", endless)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.server.Client().Do(req)
	if err == nil {
		_ = res.Body.Close()
	}
	if endless.read() > 64<<20 {
		t.Errorf("%d bytes of an endless body were taken", endless.read())
	}
}

// counter is an endless body that knows how much of it was read.
type counter struct {
	mu sync.Mutex
	n  int64
}

func (c *counter) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n > 128<<20 {
		return 0, errors.New("enough")
	}
	c.n += int64(len(b))
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func (c *counter) read() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func TestALostStoreIsReadAsItWasAndNotWritten(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{"name": "n"}`))
	for _, why := range []struct {
		err  error
		says string
	}{
		{store.ErrUnavailable, "does not answer"},
		{store.ErrFull, "no space left"},
	} {
		c.store.Fail(why.err)
		for _, f := range []struct {
			method, path, body string
			status             int
		}{
			{"GET", "/v2.0/networks", "", 200},
			{"GET", "/v2.0/networks/" + n, "", 200},
			{"GET", "/v2.0/security-groups?project_id=nobody-yet", "", 200},
			{"GET", "/v2.0/networks/made-elsewhere-meanwhile", "", 503},
			{"POST", "/v2.0/networks", `{"network": {}}`, 503},
			{"PUT", "/v2.0/networks/" + n, `{"network": {"name": "m"}}`, 503},
			{"DELETE", "/v2.0/networks/" + n, "", 503},
		} {
			var body any
			if f.body != "" {
				body = f.body
			}
			status, out, header := c.call(f.method, f.path, body)
			if status != f.status {
				t.Errorf("%s %s: %d %v", f.method, f.path, status, out)
			}
			if old := header.Get("Lepton-Stale") != ""; old != (f.method == "GET") {
				t.Errorf("%s %s: Lepton-Stale is %q", f.method, f.path, header.Get("Lepton-Stale"))
			}
			if status == 503 && (refusedType(out) != "ServiceUnavailable" || header.Get("Retry-After") == "") {
				t.Errorf("%s %s: %v %v", f.method, f.path, out, header)
			}
			if f.method == "POST" && !strings.Contains(fmt.Sprint(out), why.says) {
				t.Errorf("%s %s: %v does not say that the store %s", f.method, f.path, out, why.says)
			}
		}
	}
	c.store.Fail(nil)
	if got := c.list("networks", "networks"); len(got) != 1 {
		t.Errorf("after the store came back: %v", got)
	}
	if _, _, header := c.call("GET", "/v2.0/networks", nil); header.Get("Lepton-Stale") != "" {
		t.Errorf("after the store came back an answer is old: %v", header)
	}
}

// slow is an authenticator that holds requests until it is let go.
type slow struct {
	entered chan struct{}
	letGo   chan struct{}
}

func (s slow) Authenticate(*http.Request) (identity.Identity, error) {
	s.entered <- struct{}{}
	<-s.letGo
	return identity.Identity{Admin: true, ProjectID: "p"}, nil
}

func (slow) Challenge() string { return "" }

func TestRequestsBeyondTheBoundAreRefusedAtOnce(t *testing.T) {
	s := slow{entered: make(chan struct{}), letGo: make(chan struct{})}
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth, a.MaxInFlight = s, 2 })
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { c.list("networks", "networks") })
		<-s.entered
	}
	status, out, header := c.call("GET", "/v2.0/networks", nil)
	if status != 503 || header.Get("Retry-After") == "" {
		t.Errorf("%d %v", status, out)
	}
	close(s.letGo)
	all.Wait()
}

// broken is an authenticator that panics.
type broken struct{ identity.None }

func (broken) Authenticate(*http.Request) (identity.Identity, error) { panic("broken") }

func TestAPanicIsAnAnswerAndTheServerGoesOn(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth = broken{} })
	for range 3 {
		if status, out, _ := c.call("GET", "/v2.0/networks", nil); status != 500 || refusedType(out) != "HTTPInternalServerError" {
			t.Errorf("%d %v", status, out)
		}
	}
}

func TestEveryRequestIsObserved(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	c := newCloud(t, func(_ *plugin.Config, a *Config) {
		a.Observe = func(o Observation) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprint(o.Method, " ", o.Resource, " ", o.Status))
			if o.Duration <= 0 {
				t.Error("no duration")
			}
		}
	})
	c.network(`{}`)
	c.must(404, "GET", "/v2.0/networks/none", nil)
	c.must(404, "GET", "/v2.0/etc/passwd", nil)
	c.call("GET", "/", nil)
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(seen, ", "); got != "POST networks 201, GET networks 404, GET other 404, GET other 200" {
		t.Errorf("got %s", got)
	}
}

func TestServingEndsWhenRequestsUnderWayAreDone(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	entered, letGo := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-letGo
		_, _ = io.WriteString(w, "done")
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, h, zap.NewNop()) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	cancel()
	select {
	case err := <-ended:
		t.Fatalf("ended with a request under way: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(letGo)
	answer, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil || !strings.HasSuffix(string(answer), "done") {
		t.Errorf("answer %q, %v", answer, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
