package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// newPage makes a page whose identity service knows one account.
func newPage(t *testing.T, change ...func(*Config)) *Page {
	t.Helper()
	c := Config{Auth: AuthKeystone, Domain: "Default", Log: zap.NewNop(), LogIn: func(_ context.Context, a Account) (Session, error) {
		switch {
		case a.Username == "away":
			return Session{}, errors.New("no answer")
		case a != Account{Username: "alice", Password: "secret", Project: "demo"}:
			return Session{}, fmt.Errorf("%w: wrong password", ErrRefused)
		}
		return Session{Token: "gAAAA", User: "alice", Project: "demo"}, nil
	}}
	for _, f := range change {
		f(&c)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ask(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryAnswerForbidsWhatThePageDoesNotDo(t *testing.T) {
	p := newPage(t)
	paths := []string{"", "session", "login", "none", "../page.go", "doc.go"}
	for name := range p.files {
		paths = append(paths, name)
	}
	for _, path := range paths {
		h := ask(p, "GET", Prefix+path, "").Header()
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestFilesAreServedAndNothingElse(t *testing.T) {
	p := newPage(t)
	for path, want := range map[string]struct {
		status    int
		mediaType string
	}{
		"": {200, "text/html"}, "app.js": {200, "text/javascript"}, "base.css": {200, "text/css"}, "icon.svg": {200, "image/svg+xml"},
		"page.go": {404, ""}, "../files.go": {404, ""}, "page/app.js": {404, ""}, "index.htm": {404, ""},
	} {
		w := ask(p, "GET", Prefix+path, "")
		if w.Code != want.status || !strings.HasPrefix(w.Header().Get("Content-Type"), want.mediaType) {
			t.Errorf("%q: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		tag := w.Header().Get("ETag")
		if want.status == 200 {
			if again := ask(p, "GET", Prefix+path, "", "If-None-Match", tag); again.Code != 304 {
				t.Errorf("%q with its tag: %d", path, again.Code)
			}
			if w := ask(p, "POST", Prefix+path, ""); w.Code != 405 {
				t.Errorf("POST of %q: %d", path, w.Code)
			}
		}
	}
}

func TestThePageStandsBesideTheAPI(t *testing.T) {
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	h := newPage(t).Beside(api)
	for path, want := range map[string]int{"/": 418, "/v2.0/networks": 418, "/uix": 418, "/ui": 301, "/ui/": 200, "/ui/v2.0/networks": 404} {
		if w := ask(h, "GET", path, ""); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// The policy would stop these in browsers; here they are stopped before.
func TestFilesNeedNothingThatThePolicyForbids(t *testing.T) {
	elsewhere := regexp.MustCompile(`https?://|//cdn|@import|url\(`)
	for name, f := range newPage(t).files {
		text := strings.ReplaceAll(string(f.content), "http://www.w3.org/2000/svg", "")
		if at := elsewhere.FindString(text); at != "" {
			t.Errorf("%s refers to elsewhere: %s", name, at)
		}
		for _, forbidden := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", " style=\"", "onclick=", "javascript:"} {
			if strings.Contains(text, forbidden) {
				t.Errorf("%s has %s", name, forbidden)
			}
		}
		if lines := strings.Count(text, "\n"); lines > 600 {
			t.Errorf("%s has %d lines", name, lines)
		}
	}
}

func TestHowOneSignsIn(t *testing.T) {
	for name, f := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"Keystone":          {func(*Config) {}, `{"auth":"keystone","domain":"Default"}`},
		"tokens":            {func(c *Config) { c.Auth, c.Domain, c.LogIn = AuthToken, "", nil }, `{"auth":"token","domain":""}`},
		"no authentication": {func(c *Config) { c.Auth, c.Domain, c.LogIn = AuthNone, "", nil }, `{"auth":"none","domain":""}`},
	} {
		if w := ask(newPage(t, f.change), "GET", "/ui/session", ""); w.Code != 200 || w.Body.String() != f.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestLoginsAreTakenFromThePageOnly(t *testing.T) {
	good := `{"username": "alice", "password": "secret", "project": "demo", "domain": ""}`
	json := []string{"Content-Type", "application/json"}
	for name, f := range map[string]struct {
		method, body string
		headers      []string
		want         int
		says         string
	}{
		"a good account":       {"POST", good, json, 200, `"token":"gAAAA"`},
		"from the page":        {"POST", good, append([]string{"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com"}, json...), 200, "gAAAA"},
		"behind a proxy":       {"POST", good, append([]string{"Origin", "https://net.example", "X-Forwarded-Host", "net.example"}, json...), 200, "gAAAA"},
		"from another page":    {"POST", good, append([]string{"Sec-Fetch-Site", "cross-site"}, json...), 403, "another page"},
		"of another origin":    {"POST", good, append([]string{"Origin", "http://evil.example"}, json...), 403, "another page"},
		"of no origin":         {"POST", good, append([]string{"Origin", "null"}, json...), 403, "another page"},
		"a form":               {"POST", good, []string{"Content-Type", "text/plain"}, 400, "Content-Type"},
		"no type":              {"POST", good, nil, 400, "Content-Type"},
		"GET":                  {"GET", "", nil, 405, "POST"},
		"a wrong password":     {"POST", `{"username": "alice", "password": "x", "project": "demo"}`, json, 401, "does not take"},
		"Keystone away":        {"POST", `{"username": "away", "password": "x", "project": "demo"}`, json, 503, "does not answer"},
		"no project":           {"POST", `{"username": "alice", "password": "secret"}`, json, 400, "project is missing"},
		"no JSON":              {"POST", `username=alice`, json, 400, "not an account"},
		"more than an account": {"POST", `{"username": "alice", "methods": ["token"]}`, json, 400, "not an account"},
		"a long name":          {"POST", `{"username": "` + strings.Repeat("x", 256) + `", "password": "x", "project": "demo"}`, json, 400, "username is longer"},
		"more than is read":    {"POST", `{"username": "` + strings.Repeat("x", 20<<10) + `"}`, json, 400, "not an account"},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(newPage(t), f.method, "/ui/login", f.body, f.headers...)
			if w.Code != f.want || !strings.Contains(w.Body.String(), f.says) || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
			}
		})
	}
	noPasswords := newPage(t, func(c *Config) { c.Auth, c.LogIn = AuthToken, nil })
	if w := ask(noPasswords, "POST", "/ui/login", good, json...); w.Code != 404 {
		t.Errorf("without an identity service: %d", w.Code)
	}
}

func TestPasswordsAreNotGuessedQuickly(t *testing.T) {
	p := newPage(t)
	now := time.Unix(1e9, 0)
	p.gate.now = func() time.Time { return now }
	try := func(remote string) int {
		r := httptest.NewRequest("POST", "/ui/login", strings.NewReader(`{"username": "alice", "password": "guess", "project": "demo"}`))
		r.Header.Set("Content-Type", "application/json")
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code == 429 && w.Header().Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		return w.Code
	}
	count := func(remote func(i int) string, n, code int) (k int) {
		for i := range n {
			if try(remote(i)) == code {
				k++
			}
		}
		return k
	}
	if n := count(func(i int) string { return fmt.Sprintf("192.0.2.1:%d", 1000+i) }, 20, 401); n != attempts {
		t.Errorf("%d guesses from one address", n)
	}
	// Addresses of one customer's network are one.
	if n := count(func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i+1) }, 20, 401); n != attempts {
		t.Errorf("%d guesses from one /64", n)
	}
	now = now.Add(attemptPause + time.Second)
	if n := count(func(int) string { return "192.0.2.1:1" }, 5, 401); n != 1 {
		t.Errorf("%d guesses after a pause", n)
	}
	// Many addresses together.
	if n := count(func(i int) string { return fmt.Sprintf("198.51.%d.%d:1", i/250, i%250) }, 500, 401); n > attemptsOfAll {
		t.Errorf("%d guesses from many addresses at once", n)
	}
}

func TestAddressesThatTriedAreForgotten(t *testing.T) {
	now := time.Unix(1e9, 0)
	g := newGate(func() time.Time { return now })
	for i := range 3 * maxAddresses {
		g.allow(who(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)))
		if i%100 == 0 {
			now = now.Add(time.Second)
		}
	}
	if len(g.of) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(g.of))
	}
	now = now.Add(time.Hour)
	if wait := g.allow(who("203.0.113.1:1")); wait != 0 {
		t.Errorf("somebody new waits %s", wait)
	}
}
