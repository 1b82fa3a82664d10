package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
)

// gate is an authenticator that knows some tokens at once, and asks a slow
// service about the others, none of which it knows.
type gate struct {
	asked atomic.Int64
	letGo chan struct{}
}

func (g *gate) Recognize(r *http.Request) (identity.Identity, bool) {
	if r.Header.Get("X-Auth-Token") == "good" {
		return identity.Identity{Admin: true, ProjectID: "p"}, true
	}
	return identity.Identity{}, false
}

func (g *gate) Authenticate(r *http.Request) (identity.Identity, error) {
	g.asked.Add(1)
	select {
	case <-g.letGo:
	case <-r.Context().Done():
	}
	return identity.Identity{}, identity.ErrUnauthorized
}

func (*gate) Challenge() string { return "" }

// TestAFloodOfStrangersKeepsNobodyOut has strangers fill all that they can,
// while clients that are known work.
func TestAFloodOfStrangersKeepsNobodyOut(t *testing.T) {
	g := &gate{letGo: make(chan struct{})}
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.Auth, a.MaxInFlight = g, 4 })
	var all sync.WaitGroup
	var refused, strangers atomic.Int64
	for range 40 {
		all.Go(func() {
			switch status, _, _ := c.call("GET", "/v2.0/networks", nil, "X-Auth-Token", "bad"); status {
			case 503:
				refused.Add(1)
			case 401:
				strangers.Add(1)
			}
		})
	}
	for end := time.Now().Add(10 * time.Second); g.asked.Load() < 4 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	for range 50 {
		if status, out, _ := c.call("GET", "/v2.0/networks", nil, "X-Auth-Token", "good"); status != 200 {
			t.Fatalf("a known client got %d %v", status, out)
		}
	}
	close(g.letGo)
	all.Wait()
	if strangers.Load()+refused.Load() != 40 || strangers.Load() < 4 {
		t.Errorf("%d strangers were told so, %d were refused for want of room", strangers.Load(), refused.Load())
	}
}

// held is a request whose body comes when it is let.
func (c *cloud) held(body io.Reader) (status func() int) {
	answered := make(chan int, 1)
	go func() {
		res, err := http.Post(c.server.URL+"/v2.0/networks", "application/json", body)
		if err != nil {
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	return func() int { return <-answered }
}

func TestPlacesAreForAsManyAsSaidAndAreGivenBack(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) { a.MaxInFlight = 2 })
	var pipes []*io.PipeWriter
	var waiting []func() int
	for range 2 {
		r, w := io.Pipe()
		waiting = append(waiting, c.held(r))
		if _, err := io.WriteString(w, `{"network": `); err != nil {
			t.Fatal(err)
		}
		pipes = append(pipes, w)
	}
	refusedFor := func() int { status, _, _ := c.call("GET", "/v2.0/networks", nil); return status }
	for end := time.Now().Add(10 * time.Second); refusedFor() != 503; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a third request is served")
		}
	}
	for _, w := range pipes {
		_, _ = io.WriteString(w, `{}}`)
		_ = w.Close()
	}
	for _, status := range waiting {
		if got := status(); got != 201 {
			t.Errorf("status %d", got)
		}
	}
	if got := refusedFor(); got != 200 {
		t.Errorf("afterwards %d", got)
	}
}

// hostile are bodies that no client has reason to send.
func hostile() map[string]string {
	const mib = 1 << 20
	fill := func(head, item, tail string) string {
		return head + strings.Repeat(item, (mib-len(head)-len(tail)-1)/len(item)) + tail
	}
	return map[string]string{
		"nested as deep as fits":       strings.Repeat("[", mib-1),
		"nested objects":               fill("", `{"a":`, "1"),
		"empty lists":                  fill(`{"network": {"name": [`, "[],", "[]]}}"),
		"numbers":                      fill(`{"network": {"name": [`, "1,", "1]}}"),
		"members":                      fill(`{"network": {`, `"a":1,`, `"b":2}}`),
		"a bulk of nothing":            fill(`{"networks": [`, "{},", "{}]}"),
		"a million tags":               fill(`{"network": {"tags": [`, `"a",`, `"b"]}}`),
		"a number of a million digits": `{"network": {"mtu": ` + strings.Repeat("9", mib-100) + `}}`,
		"a name of a million letters":  `{"network": {"name": "` + strings.Repeat("n", mib-100) + `"}}`,
		"a member of a million":        `{"network": {"` + strings.Repeat("n", mib-100) + `": 1}}`,
		"illegal UTF-8":                fill(`{"network": {"name": "`, "\xff\xfe", `"}}`),
		"cut":                          fill(`{"network": {"name": "`, "x", ""),
		"quotes":                       strings.Repeat(`"`, mib-1),
		"backslashes":                  `{"a":"` + strings.Repeat(`\`, mib-7),
		"closing brackets":             strings.Repeat("]", mib-1),
		"commas":                       strings.Repeat(",", mib-1),
	}
}

func TestHostileBodiesAreRefusedQuicklyAndCheaply(t *testing.T) {
	c := newCloud(t)
	h := New(Config{DB: c.db, Plugin: c.plugin, Log: zap.NewNop()})
	before := len(c.claims())
	for name, body := range hostile() {
		t.Run(name, func(t *testing.T) {
			var was, is runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&was)
			began := time.Now()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", "/v2.0/networks", strings.NewReader(body)))
			took := time.Since(began)
			runtime.ReadMemStats(&is)
			if w.Code != 400 {
				t.Errorf("status %d", w.Code)
			}
			if w.Body.Len() > 2000 {
				t.Errorf("the refusal has %d bytes", w.Body.Len())
			}
			if took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
			// Reading a body of 1 MiB in growing pieces takes some 6 MiB.
			if bytes := is.TotalAlloc - was.TotalAlloc; bytes > 24<<20 {
				t.Errorf("it took %d bytes of memory", bytes)
			}
		})
	}
	if after := len(c.claims()); after != before {
		t.Errorf("%d keys are taken after refused requests, %d before", after, before)
	}
}

// TestManyLargeBodiesAtOnceTakeBoundedMemory sends many more large bodies than
// are read at once.
func TestManyLargeBodiesAtOnceTakeBoundedMemory(t *testing.T) {
	c := newCloud(t, unlimited)
	// As many values as pass the bounds, refused only when they are looked at.
	body := `{"network": {"nothing": {` + strings.TrimSuffix(strings.Repeat(`"x":[`+strings.TrimSuffix(strings.Repeat("[],", 4900), ",")+`],`, 10), ",") + `}}}`
	var peak atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 150}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for range 150 {
		all.Go(func() {
			res, err := client.Post(c.server.URL+"/v2.0/networks", "application/json", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			if res.StatusCode != 400 && res.StatusCode != 503 {
				t.Errorf("status %d", res.StatusCode)
			}
		})
	}
	all.Wait()
	close(stop)
	<-stopped
	t.Logf("150 bodies of %d KiB at once: at most %d MiB", len(body)>>10, peak.Load()>>20)
	if peak.Load() > 600<<20 {
		t.Errorf("%d MiB of memory", peak.Load()>>20)
	}
}

func TestAnObjectHasSoManyTagsAndNoMore(t *testing.T) {
	c := newCloud(t)
	tags := "/v2.0/networks/" + id(c.network(`{}`)) + "/tags"
	several := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"%d"`, i))
		}
		return `{"tags": [` + strings.Join(all, ",") + `]}`
	}
	for _, n := range []int{maxTags + 1, maxItems, 100_000} {
		began := time.Now()
		if status, out, _ := c.call("PUT", tags, several(n)); status != 400 {
			t.Errorf("%d tags: %d %v", n, status, out)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%d tags took %s", n, took)
		}
	}
	if status, out, _ := c.call("PUT", tags, several(maxTags)); status != 200 {
		t.Errorf("%d tags: %d %v", maxTags, status, out)
	}
	if status, out, _ := c.call("PUT", tags+"/more", nil); status != 400 || refusedType(out) != "InvalidInput" {
		t.Errorf("one more: %d %v", status, out)
	}
}

func TestBodiesThatAreCodedAreRefused(t *testing.T) {
	c := newCloud(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, `{"network": {}}`)
	_ = z.Close()
	for _, coding := range []string{"gzip", "deflate", "br", "nonsense", ""} {
		headers := []string{"Content-Encoding", coding}
		if coding == "" {
			headers = nil // gzip that does not say so
		}
		status, out, _ := c.call("POST", "/v2.0/networks", zipped.String(), headers...)
		if status != 400 || refusedType(out) != "HTTPBadRequest" {
			t.Errorf("%q: %d %v", coding, status, out)
		}
	}
	c.must(201, "POST", "/v2.0/networks", `{"network": {}}`, "Content-Encoding", "identity")
}

func TestAnswersAreCompressedAsAcceptEncodingSays(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false,
		"*": true, "*;q=0": false, "gzip;q=0, *": false, "identity": false, "GZIP": true, "x-gzip": true, "xgzip": false, "gzip;q=": true, ";;,,": false,
	} {
		if got := takesGzip(http.Header{"Accept-Encoding": {header}}); got != want {
			t.Errorf("%q: %t", header, got)
		}
	}
}

func TestMethodsAreListedWhereTheyAreAskedForAndWhereOneIsRefused(t *testing.T) {
	c := newCloud(t)
	n := id(c.network(`{}`))
	for _, tc := range []struct {
		request string
		status  int
		allow   string
	}{
		{"OPTIONS /", 200, "GET, HEAD, OPTIONS"},
		{"HEAD /", 200, ""},
		{"OPTIONS /v2.0/networks", 200, "GET, POST, OPTIONS"},
		{"OPTIONS /v2.0/networks/" + n, 200, "GET, PUT, DELETE, OPTIONS"},
		{"OPTIONS /v2.0/nothing", 404, ""},
		{"HEAD /v2.0/networks", 405, "GET, POST, OPTIONS"},
		{"HEAD /v2.0/networks/" + n, 405, "GET, PUT, DELETE, OPTIONS"},
		{"PATCH /v2.0/networks/" + n, 405, "GET, PUT, DELETE, OPTIONS"},
		{"POST /v2.0/networks/" + n + "/tags", 405, "GET, PUT, DELETE, OPTIONS"},
		{"POST /v2.0/agents", 405, "GET, OPTIONS"},
		{"DELETE /v2.0/extensions", 405, "GET, OPTIONS"},
		{"TRACE /v2.0/networks", 405, "GET, POST, OPTIONS"},
	} {
		method, path, _ := strings.Cut(tc.request, " ")
		status, _, header := c.call(method, path, nil)
		if status != tc.status || header.Get("Allow") != tc.allow {
			t.Errorf("%s: %d, Allow %q", tc.request, status, header.Get("Allow"))
		}
		if id := header.Get("X-Openstack-Request-Id"); strings.HasPrefix(path, "/v2.0/") != strings.HasPrefix(id, "req-") {
			t.Errorf("%s: request id %q", tc.request, id)
		}
	}
}

func TestHostileQueriesAreRefusedQuickly(t *testing.T) {
	c := newCloud(t, unlimited)
	for range 20 {
		bulk := strings.TrimSuffix(strings.Repeat(`{},`, 100), ",")
		c.must(201, "POST", "/v2.0/networks", `{"networks": [`+bulk+`]}`)
	}
	many := func(part string, n int) string { return strings.TrimSuffix(strings.Repeat(part+"&", n), "&") }
	for name, tc := range map[string]struct {
		query  string
		status int
	}{
		"a limit beyond all numbers":   {"limit=" + strings.Repeat("9", 1000), 400},
		"the largest limit":            {"limit=9223372036854775807", 200},
		"a limit that is a number":     {"limit=1e3", 400},
		"thousands of parameters":      {many("a=b", 6000), 400},
		"thousands of sort keys":       {many("sort_key=name&sort_dir=asc", 2000), 200},
		"thousands of names":           {many("name=x", 4000), 200},
		"thousands of tags":            {"tags=" + strings.Repeat("a,", 20000), 200},
		"thousands of tags to be not":  {"not-tags-any=" + strings.Repeat("b,", 20000), 200},
		"illegal UTF-8":                {"name=%ff%fe", 400},
		"illegal UTF-8 in a name":      {"%ff=a", 400},
		"a cut escape":                 {"name=%f", 400},
		"a marker of thousands":        {"limit=1&marker=" + strings.Repeat("x", 20000), 404},
		"an unknown parameter":         {"colour=red", 400},
		"a long unknown parameter":     {strings.Repeat("c", 20000) + "=red", 400},
		"fields that nobody has":       {many("fields=nothing", 4000), 200},
		"a long sort direction":        {"sort_key=name&sort_dir=" + strings.Repeat("u", 20000), 400},
		"a query longer than is taken": {"name=" + strings.Repeat("x", 100_000), 431},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			res, err := http.Get(c.server.URL + "/v2.0/networks?" + tc.query)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != tc.status && !(tc.status == 431 && res.StatusCode == 200) {
				t.Errorf("status %d, %v", res.StatusCode, err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
			if res.StatusCode >= 400 && len(body) > 1000 {
				t.Errorf("the refusal has %d bytes", len(body))
			}
		})
	}
}

func TestAServerThatDrainsTakesNobodyNewAndEndsInTime(t *testing.T) {
	entered, letGo := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(entered)
			<-letGo
		}
		_, _ = io.WriteString(w, "done")
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, h, zap.NewNop()) }()
	url := "http://" + l.Addr().String()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	get := func(path string) (string, bool, error) {
		res, err := client.Get(url + path)
		if err != nil {
			return "", false, err
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		return string(b), res.Close, err
	}
	if text, closes, err := get("/"); text != "done" || closes || err != nil {
		t.Fatalf("%q, connection closes %t, %v", text, closes, err)
	}
	slow := make(chan error, 1)
	go func() {
		text, _, err := get("/slow")
		if err == nil && text != "done" {
			err = fmt.Errorf("answer %q", text)
		}
		slow <- err
	}()
	<-entered
	cancel()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		_ = conn.Close()
		if time.Now().After(end) {
			t.Fatal("new connections are taken while the server drains")
		}
	}
	close(letGo)
	if err := <-slow; err != nil {
		t.Errorf("a request under way: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
