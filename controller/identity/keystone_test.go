package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeKeystone answers logins and validations as Keystone's Identity API v3
// does, with time of its own.
type fakeKeystone struct {
	t      testing.TB
	server *httptest.Server

	mu    sync.Mutex
	now   time.Time
	own   map[string]time.Time // tokens of the service's user
	users map[string]*fakeToken
	// ownLife is how long tokens of the service's user are good.
	ownLife             time.Duration
	logins, validations int
	// spoil, if set, answers in place of Keystone; false leaves it to it.
	spoil func(w http.ResponseWriter, r *http.Request) bool
}

type fakeToken struct {
	scope   string // a member of the token: `"project": {...}`
	roles   []string
	expires time.Time
}

const (
	servicePassword = "service-password"
	inProject1      = `"project": {"id": "p1", "name": "one", "domain": {"id": "default"}}`
)

func newFakeKeystone(t testing.TB) *fakeKeystone {
	f := &fakeKeystone{
		t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), own: map[string]time.Time{}, users: map[string]*fakeToken{},
		ownLife: time.Hour,
	}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

// give makes a token of a user in project p1.
func (f *fakeKeystone) give(token string, life time.Duration, roles ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users[token] = &fakeToken{scope: inProject1, roles: roles, expires: f.now.Add(life)}
}

func (f *fakeKeystone) change(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

func (f *fakeKeystone) pass(d time.Duration) { f.change(func() { f.now = f.now.Add(d) }) }

func (f *fakeKeystone) counts() (logins, validations int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins, f.validations
}

func (f *fakeKeystone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	switch r.Method {
	case http.MethodPost:
		f.logins++
	case http.MethodGet:
		f.validations++
	}
	spoil := f.spoil
	f.mu.Unlock()
	if r.URL.Path != "/v3/auth/tokens" {
		f.t.Errorf("request of %s", r.URL.Path)
	}
	if !r.Close {
		f.t.Error("a request without Connection: close")
	}
	if spoil != nil && spoil(w, r) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodPost {
		f.login(w, r)
		return
	}
	f.validate(w, r)
}

func (f *fakeKeystone) login(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Auth struct {
			Identity struct {
				Methods  []string
				Password struct {
					User struct {
						Name, Password string
						Domain         struct{ Name string }
					}
				}
			}
			Scope struct {
				Project struct {
					Name   string
					Domain struct{ Name string }
				}
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		f.t.Errorf("login: %v", err)
	}
	user, project := body.Auth.Identity.Password.User, body.Auth.Scope.Project
	if user.Name != "neutron" || user.Password != servicePassword || user.Domain.Name != "Default" || project.Name != "service" || project.Domain.Name != "Default" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	token := fmt.Sprintf("own-%d", f.logins)
	f.own[token] = f.now.Add(f.ownLife)
	w.Header().Set("X-Subject-Token", token)
	w.WriteHeader(http.StatusCreated)
	f.body(w, &fakeToken{scope: inProject1, roles: []string{"service"}, expires: f.own[token]})
}

func (f *fakeKeystone) validate(w http.ResponseWriter, r *http.Request) {
	if until, ok := f.own[r.Header.Get("X-Auth-Token")]; !ok || !until.After(f.now) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	subject := r.Header.Get("X-Subject-Token")
	t, ok := f.users[subject]
	if !ok || !t.expires.After(f.now) && r.URL.Query().Get("allow_expired") != "1" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("X-Subject-Token", subject)
	f.body(w, t)
}

func (f *fakeKeystone) body(w http.ResponseWriter, t *fakeToken) {
	var roles []string
	for _, name := range t.roles {
		roles = append(roles, fmt.Sprintf(`{"id": "r-%s", "name": %q}`, name, name))
	}
	scope := t.scope
	if scope != "" {
		scope += ","
	}
	_, _ = fmt.Fprintf(w, `{"token": {"methods": ["password"], "user": {"id": "u1", "name": "alice"}, %s "roles": [%s], "expires_at": %q}}`,
		scope, strings.Join(roles, ","), t.expires.Format("2006-01-02T15:04:05.000000Z"))
}

// client makes an authenticator that lives in the fake's time.
func (f *fakeKeystone) client(change ...func(*KeystoneConfig)) *Keystone {
	c := KeystoneConfig{
		Credentials: Credentials{URL: f.server.URL + "/v3/", Username: "neutron", Password: servicePassword, Project: "service", Domain: "Default"},
		CacheTime:   MaxCacheTime,
	}
	for _, fn := range change {
		fn(&c)
	}
	k := NewKeystone(c)
	k.now = func() time.Time {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.now
	}
	k.session.now = k.now
	return k
}

func TestKeystoneSaysWhoSends(t *testing.T) {
	f := newFakeKeystone(t)
	f.give("member-token", time.Hour, "member", "reader")
	f.give("admin-token", time.Hour, "admin")
	f.give("late-token", -time.Second, "member")
	f.change(func() {
		later := f.now.Add(time.Hour)
		f.users["system-token"] = &fakeToken{`"system": {"all": true}`, []string{"admin"}, later}
		f.users["domain-token"] = &fakeToken{`"domain": {"id": "default"}`, []string{"member"}, later}
		f.users["unscoped-token"] = &fakeToken{"", nil, later}
	})
	k := f.client()
	for name, c := range map[string]struct {
		token   string
		project string
		admin   bool
		refused bool
	}{
		"a member":                       {token: "member-token", project: "p1"},
		"an administrator":               {token: "admin-token", project: "p1", admin: true},
		"an administrator of the system": {token: "system-token", admin: true},
		"a member of a domain":           {token: "domain-token"},
		"a token without scope":          {token: "unscoped-token", refused: true},
		"an expired token":               {token: "late-token", refused: true},
		"an unknown token":               {token: "no-such-token", refused: true},
		"no token":                       {refused: true},
		"text that cannot be a token":    {token: "a\tb", refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := withToken(k, c.token)
			if c.refused {
				if !errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrUnavailable) {
					t.Fatalf("%+v, %v, want ErrUnauthorized", id, err)
				}
				return
			}
			if err != nil || id.UserID != "u1" || id.ProjectID != c.project || id.Admin != c.admin {
				t.Fatalf("%+v, %v", id, err)
			}
		})
	}
	if logins, _ := f.counts(); logins != 1 {
		t.Errorf("%d logins, want one", logins)
	}
	if got, want := k.Challenge(), fmt.Sprintf("Keystone uri=%q", f.server.URL+"/v3"); got != want {
		t.Errorf("challenge %s, want %s", got, want)
	}
}

func TestKeystonesAnswerIsRememberedForItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		cache, life, pass time.Duration
		asked             int
	}{
		"within the time":              {MaxCacheTime, time.Hour, MaxCacheTime - time.Second, 1},
		"after it":                     {MaxCacheTime, time.Hour, MaxCacheTime, 2},
		"never longer than 5 minutes":  {time.Hour, time.Hour, MaxCacheTime, 2},
		"not at all":                   {0, time.Hour, 0, 2},
		"not longer than the token is": {MaxCacheTime, time.Minute, time.Minute, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeKeystone(t)
			f.give("token", c.life, "member")
			k := f.client(func(kc *KeystoneConfig) { kc.CacheTime = c.cache })
			if _, err := withToken(k, "token"); err != nil {
				t.Fatal(err)
			}
			f.pass(c.pass)
			_, err := withToken(k, "token")
			if _, asked := f.counts(); asked != c.asked || (err == nil) != (c.pass < c.life) {
				t.Errorf("asked %d times, want %d; %v", asked, c.asked, err)
			}
		})
	}
}

func TestARevokedTokenWorksNoLongerThanItIsRemembered(t *testing.T) {
	f := newFakeKeystone(t)
	f.give("token", time.Hour, "member")
	k := f.client(func(c *KeystoneConfig) { c.CacheTime = time.Minute })
	if _, err := withToken(k, "token"); err != nil {
		t.Fatal(err)
	}
	f.change(func() { delete(f.users, "token") })
	f.pass(time.Minute)
	if _, err := withToken(k, "token"); !errors.Is(err, ErrUnauthorized) {
		t.Fatalf("error %v, want ErrUnauthorized", err)
	}
}

func TestAnUnknownTokenIsAskedAboutAgainSoon(t *testing.T) {
	f := newFakeKeystone(t)
	k := f.client()
	for range 3 {
		if _, err := withToken(k, "token"); !errors.Is(err, ErrUnauthorized) {
			t.Fatalf("error %v, want ErrUnauthorized", err)
		}
	}
	if _, asked := f.counts(); asked != 1 {
		t.Errorf("asked %d times about an unknown token, want once", asked)
	}
	f.give("token", time.Hour, "member")
	f.pass(negativeTime)
	if _, err := withToken(k, "token"); err != nil {
		t.Errorf("a token that is known by now: %v", err)
	}
}

func TestFloodsOfTokensAreForgotten(t *testing.T) {
	c := newCache[int, int](10)
	now := time.Now()
	for i := range 1000 {
		c.put(i, i, now.Add(time.Hour))
		if _, ok := c.get(0, now); !ok {
			t.Fatal("what is used all the time was forgotten")
		}
	}
	if c.len() != 10 {
		t.Errorf("%d are remembered, want 10", c.len())
	}
	if _, ok := c.get(500, now); ok {
		t.Error("what was not used is remembered")
	}
}

func TestTheOwnTokenIsReplaced(t *testing.T) {
	f := newFakeKeystone(t)
	k := f.client(func(c *KeystoneConfig) { c.CacheTime = 0 })
	f.give("token", 100*time.Hour, "member")
	check := func(when string, logins int) {
		t.Helper()
		if _, err := withToken(k, "token"); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if n, _ := f.counts(); n != logins {
			t.Fatalf("%s: %d logins, want %d", when, n, logins)
		}
	}
	check("first", 1)
	f.pass(f.ownLife - loginMargin - time.Second)
	check("while it is good", 1)
	f.pass(time.Second)
	check("shortly before its end", 2)
	f.change(func() { clear(f.own) })
	check("when Keystone does not take it any more", 3)
	f.change(func() { clear(f.own); f.ownLife = 20 * time.Second })
	check("with one of a short life", 4)
	f.pass(14 * time.Second)
	check("in the short life", 4)
	f.pass(time.Second)
	check("after three quarters of it", 5)
}

func TestTheOwnTokenIsUsedToItsEndWhenALoginFails(t *testing.T) {
	f := newFakeKeystone(t)
	k := f.client(func(c *KeystoneConfig) { c.CacheTime = 0 })
	f.give("token", 100*time.Hour, "member")
	if _, err := withToken(k, "token"); err != nil {
		t.Fatal(err)
	}
	f.change(func() {
		f.spoil = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusInternalServerError)
			}
			return r.Method == http.MethodPost
		}
	})
	f.pass(f.ownLife - time.Second)
	for range 3 {
		if _, err := withToken(k, "token"); err != nil {
			t.Fatalf("while it is good: %v", err)
		}
	}
	if n, _ := f.counts(); n != 2 {
		t.Errorf("%d logins, want a second one that is not repeated at once", n)
	}
}

func TestAServiceMayActWithAUsersExpiredToken(t *testing.T) {
	f := newFakeKeystone(t)
	f.give("expired", -time.Minute, "member")
	f.give("fresh", time.Hour, "member")
	f.give("nova", time.Hour, "admin", "service")
	f.give("mallory", time.Hour, "member")
	k := f.client()
	for _, c := range []struct {
		name, user, service string
		ok                  bool
	}{
		{"an expired token alone", "expired", "", false},
		{"with a service's", "expired", "nova", true},
		{"with that of somebody else", "expired", "mallory", false},
		{"with one that is unknown", "expired", "no-such-token", false},
		{"a fresh token with a service's", "fresh", "nova", true},
		{"a fresh token with somebody else's", "fresh", "mallory", true},
		{"a fresh token with one that is unknown", "fresh", "no-such-token", false},
		{"an unknown token with a service's", "nobody", "nova", false},
		{"an expired token alone, again", "expired", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var more []string
			if c.service != "" {
				more = []string{"X-Service-Token", c.service}
			}
			id, err := withToken(k, c.user, more...)
			if c.ok && (err != nil || id.ProjectID != "p1" || id.HasRole("service")) {
				t.Errorf("%+v, %v, want the user's identity", id, err)
			}
			if !c.ok && !errors.Is(err, ErrUnauthorized) {
				t.Errorf("error %v, want ErrUnauthorized", err)
			}
		})
	}
}

func TestAKeystoneThatDoesNotAnswerWellIsNotTheUsersFault(t *testing.T) {
	status := func(n int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				return false
			}
			w.WriteHeader(n)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	for name, spoil := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"an error":                        status(500, "oops"),
		"overload":                        status(503, ""),
		"too many requests":               status(429, ""),
		"a refusal of service":            status(403, ""),
		"an own token that is never good": status(401, ""),
		"no JSON":                         status(200, "<html>"),
		"JSON of no token":                status(200, `{"error": {}}`),
		"nothing":                         status(200, ""),
		"a token of nobody":               status(200, `{"token": {"project": {"id": "p"}, "expires_at": "2999-01-01T00:00:00Z"}}`),
		"a token without end":             status(200, `{"token": {"user": {"id": "u"}, "project": {"id": "p"}}}`),
		"a project of no name":            status(200, `{"token": {"user": {"id": "u"}, "project": {}, "expires_at": "2999-01-01T00:00:00Z"}}`),
		"a flood":                         status(200, strings.Repeat(" ", maxAnswer+1)),
		"another place": func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "/v3/elsewhere", http.StatusFound)
			return true
		},
		"another token": func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("X-Subject-Token", "another")
			return r.Method != http.MethodPost && status(200, `{"token": {"user": {"id": "u"}, "project": {"id": "p"}, "expires_at": "2999-01-01T00:00:00Z"}}`)(w, r)
		},
		"a connection that breaks": func(w http.ResponseWriter, r *http.Request) bool { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeKeystone(t)
			f.give("user-token", time.Hour, "member")
			f.spoil = spoil
			k := f.client()
			id, err := withToken(k, "user-token")
			if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnauthorized) {
				t.Fatalf("%+v, %v, want ErrUnavailable", id, err)
			}
			for _, secret := range []string{"user-token", servicePassword, "own-1"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error tells a secret: %v", err)
				}
			}
			f.change(func() { f.spoil = nil })
			f.pass(time.Minute)
			if _, err := withToken(k, "user-token"); err != nil {
				t.Errorf("after Keystone has recovered: %v", err)
			}
		})
	}
}

func TestAKeystoneThatIsAwayIsAskedAgainLater(t *testing.T) {
	f := newFakeKeystone(t)
	k := f.client()
	f.server.Close()
	if _, err := withToken(k, "token"); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("error %v, want ErrUnavailable", err)
	}
}

func TestAWrongPasswordIsNotTriedWithEveryRequest(t *testing.T) {
	f := newFakeKeystone(t)
	k := f.client(func(c *KeystoneConfig) { c.Password = "wrong-password" })
	for i := range 20 {
		_, err := withToken(k, fmt.Sprint("token", i))
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), `refuses user "neutron"`) || strings.Contains(err.Error(), "wrong-password") {
			t.Fatalf("error %v", err)
		}
	}
	if logins, _ := f.counts(); logins != 1 {
		t.Errorf("%d logins, want one", logins)
	}
	f.pass(maxLoginPause)
	_, _ = withToken(k, "token")
	if logins, _ := f.counts(); logins != 2 {
		t.Errorf("%d logins after a while, want two", logins)
	}
}

func TestManyRequestsWithOneTokenAreOneQuestion(t *testing.T) {
	f := newFakeKeystone(t)
	f.give("token", time.Hour, "member")
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	f.spoil = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			arrived <- struct{}{}
			<-release
		}
		return false
	}
	k := f.client()
	// The first asks and leaves; the question goes on for the others.
	ctx, leave := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() {
		_, err := k.identify(ctx, "token", false)
		left <- err
	}()
	<-arrived
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := withToken(k, "token"); err != nil {
				t.Error(err)
			}
		})
	}
	leave()
	if err := <-left; !errors.Is(err, ErrUnavailable) {
		t.Errorf("the first: %v", err)
	}
	close(release)
	wg.Wait()
	if _, asked := f.counts(); asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
}

func TestASlowKeystoneHoldsUpNobodyWhoIsKnown(t *testing.T) {
	f := newFakeKeystone(t)
	f.give("known", time.Hour, "member")
	k := f.client()
	k.waiting, k.timeout = 20*time.Millisecond, 300*time.Millisecond
	if _, err := withToken(k, "known"); err != nil {
		t.Fatal(err)
	}
	f.change(func() {
		f.spoil = func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return true
		}
	})
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range 3 * maxAsking {
		wg.Go(func() {
			if _, err := withToken(k, fmt.Sprint("unknown", i)); !errors.Is(err, ErrUnavailable) {
				t.Errorf("error %v, want ErrUnavailable", err)
			}
		})
	}
	if _, err := withToken(k, "known"); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("answers took %s", d)
	}
}

func TestATokenIsGoodAsLongAsKeystoneSaysHoweverWrongOurClockIs(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"ahead": 3 * time.Hour, "behind": -3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			f := newFakeKeystone(t)
			f.give("token", time.Minute, "member")
			k := f.client()
			right := k.now
			k.now = func() time.Time { return right().Add(ahead) }
			k.session.now = k.now
			if _, err := withToken(k, "token"); err != nil {
				t.Errorf("a token that Keystone takes: %v", err)
			}
			f.pass(k.config.CacheTime + 2*time.Minute)
			if _, err := withToken(k, "token"); !errors.Is(err, ErrUnauthorized) {
				t.Errorf("a token that has expired: %v, want ErrUnauthorized", err)
			}
		})
	}
}
