package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Bounds on what Keystone is asked and may answer.
const (
	dialTimeout     = 3 * time.Second
	keystoneTimeout = 5 * time.Second // of one request
	maxAnswer       = 1 << 20         // bytes
	// loginMargin is how long before its end the own token is replaced, at the
	// most: after three quarters of its life at the latest.
	loginMargin = 2 * time.Minute
	// A login that failed is not tried again for a while, which doubles: too
	// many wrong passwords lock an account.
	loginPause    = time.Second
	maxLoginPause = 30 * time.Second
)

// Credentials are those of the network service's own user in Keystone.
type Credentials struct {
	// URL is Keystone's, with or without /v3.
	URL string
	// Username and Project are names in the domain, which is a name too.
	Username, Password, Project, Domain string
	// Counted, if set, is told of every request to Keystone; an error is one
	// without an answer, or with one of the server's failures.
	Counted func(began time.Time, err error)
}

// session speaks with Keystone as the service's own user. It is safe for
// concurrent use.
type session struct {
	as     Credentials
	tokens string // the URL
	client *http.Client
	now    func() time.Time

	// turn holds the one place of who logs in; mu guards the rest.
	turn    chan struct{}
	mu      sync.Mutex
	own     string
	renew   time.Time // replace the own token from then on
	expires time.Time
	// failed is why the last login did not succeed; none before retry.
	failed error
	retry  time.Time
	pause  time.Duration
}

func newSession(as Credentials, now func() time.Time) *session {
	base := strings.TrimSuffix(strings.TrimRight(as.URL, "/"), "/v3")
	return &session{
		as: as, tokens: base + "/v3/auth/tokens", now: now, turn: make(chan struct{}, 1),
		client: &http.Client{
			Timeout: keystoneTimeout,
			// Keystone under uwsgi drops connections that are kept.
			Transport: &http.Transport{
				DisableKeepAlives:      true,
				DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
				MaxResponseHeaderBytes: 64 << 10,
			},
			// Tokens in headers are for Keystone only.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// token is what Keystone says of a token.
type token struct {
	User    *named  `json:"user"`
	Project *named  `json:"project"`
	Domain  *named  `json:"domain"`
	System  any     `json:"system"`
	Roles   []named `json:"roles"`
	Expires string  `json:"expires_at"`
	expires time.Time
}

type named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// errNoToken says that Keystone does not know a token.
var errNoToken = errors.New("token is not valid")

// errOwnToken says that Keystone does not take the own token.
var errOwnToken = errors.New("the service's own token is not valid")

// validate asks Keystone about a token. The error is errNoToken, or wraps
// ErrUnavailable.
func (s *session) validate(ctx context.Context, subject string, allowExpired bool) (*token, error) {
	for again := true; ; again = false {
		own, err := s.login(ctx)
		if err != nil {
			return nil, err
		}
		t, err := s.ask(ctx, own, subject, allowExpired)
		if !errors.Is(err, errOwnToken) {
			return t, err
		}
		s.forget(own)
		if !again {
			return nil, fmt.Errorf("%w: %w right after the login", ErrUnavailable, err)
		}
	}
}

// ask sends one validation (Identity API v3, "Validate and show information for
// token").
func (s *session) ask(ctx context.Context, own, subject string, allowExpired bool) (*token, error) {
	url := s.tokens + "?nocatalog=1"
	if allowExpired {
		url += "&allow_expired=1"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r.Header.Set("X-Auth-Token", own)
	r.Header.Set("X-Subject-Token", subject)
	status, header, body, err := s.do(r)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound:
		return nil, errNoToken
	case status == http.StatusUnauthorized:
		return nil, errOwnToken
	case status != http.StatusOK:
		return nil, fmt.Errorf("%w: Keystone answers a validation with status %d", ErrUnavailable, status)
	}
	if about := header.Get("X-Subject-Token"); about != "" && about != subject {
		return nil, fmt.Errorf("%w: Keystone answers about another token", ErrUnavailable)
	}
	return readToken(body)
}

// readToken reads the body of an answer about a token.
func readToken(body []byte) (*token, error) {
	var answer struct {
		Token *token `json:"token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%w: Keystone's answer is not JSON of a token", ErrUnavailable)
	}
	t := answer.Token
	if t == nil || t.User == nil || t.User.ID == "" {
		return nil, fmt.Errorf("%w: Keystone's answer has no user", ErrUnavailable)
	}
	var err error
	if t.expires, err = time.Parse(time.RFC3339Nano, t.Expires); err != nil {
		return nil, fmt.Errorf("%w: Keystone's answer has no expiry", ErrUnavailable)
	}
	return t, nil
}

// login gives the own token, made anew when there is none or it ends soon. One
// caller logs in at a time; others wait for it.
func (s *session) login(ctx context.Context) (string, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", fmt.Errorf("%w: wait for the login: %w", ErrUnavailable, ctx.Err())
	}
	if own, err, known := s.known(); known {
		return own, err
	}
	own, expires, err := s.logIn(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		now := s.now()
		s.own, s.expires, s.failed, s.pause = own, expires, nil, 0
		s.renew = expires.Add(-min(loginMargin, expires.Sub(now)/4))
		return own, nil
	}
	s.pause = min(max(loginPause, 2*s.pause), maxLoginPause)
	s.failed, s.retry = err, s.now().Add(s.pause/2+rand.N(s.pause/2))
	if s.own != "" && s.now().Before(s.expires) {
		return s.own, nil // good for a little longer
	}
	return "", err
}

// known gives the outcome of a login without one: the own token is good for
// long enough, or the last login failed only just now.
func (s *session) known() (own string, err error, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	paused := s.failed != nil && now.Before(s.retry)
	switch {
	case s.own != "" && (now.Before(s.renew) || paused && now.Before(s.expires)):
		return s.own, nil, true
	case paused:
		return "", s.failed, true
	}
	return "", nil, false
}

// forget drops the own token, unless it was replaced meanwhile.
func (s *session) forget(own string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own == own {
		s.own = ""
	}
}

// errRefused says that Keystone does not take an account.
var errRefused = errors.New("wrong name, password or project")

// logIn gets the own token. That Keystone refuses the account is a fault of the
// configuration, about which whoever asks can do nothing.
func (s *session) logIn(ctx context.Context) (own string, expires time.Time, err error) {
	own, t, err := s.logInAs(ctx, s.as)
	if errors.Is(err, errRefused) {
		return "", expires, fmt.Errorf("%w: Keystone refuses user %q of domain %q in project %q: %w",
			ErrUnavailable, s.as.Username, s.as.Domain, s.as.Project, err)
	}
	if err != nil {
		return "", expires, err
	}
	return own, t.expires, nil
}

// logInAs sends a login (Identity API v3, "Password authentication with scoped
// authorization"). The error is errRefused, or wraps ErrUnavailable.
func (s *session) logInAs(ctx context.Context, as Credentials) (text string, t *token, err error) {
	type object = map[string]any
	domain := object{"name": as.Domain}
	body, err := json.Marshal(object{"auth": object{
		"identity": object{
			"methods":  []string{"password"},
			"password": object{"user": object{"name": as.Username, "domain": domain, "password": as.Password}},
		},
		"scope": object{"project": object{"name": as.Project, "domain": domain}},
	}})
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.tokens+"?nocatalog=1", bytes.NewReader(body))
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r.Header.Set("Content-Type", "application/json")
	status, header, answer, err := s.do(r)
	switch {
	case err != nil:
		return "", nil, err
	case status == http.StatusUnauthorized:
		return "", nil, errRefused
	case status != http.StatusCreated && status != http.StatusOK:
		return "", nil, fmt.Errorf("%w: Keystone answers the login with status %d", ErrUnavailable, status)
	}
	text = header.Get("X-Subject-Token")
	if !validToken(text) {
		return "", nil, fmt.Errorf("%w: Keystone's answer to the login has no token", ErrUnavailable)
	}
	t, err = readToken(answer)
	return text, t, err
}

// do sends a request and reads a bounded answer.
func (s *session) do(r *http.Request) (status int, header http.Header, body []byte, err error) {
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "lepton-controller")
	began := time.Now()
	defer func() { s.count(began, status, err) }()
	res, err := s.client.Do(r)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%w: read Keystone's answer: %w", ErrUnavailable, err)
	}
	if len(body) > maxAnswer {
		return 0, nil, nil, fmt.Errorf("%w: Keystone's answer is larger than %d bytes", ErrUnavailable, maxAnswer)
	}
	return res.StatusCode, res.Header, body, nil
}

// count counts a request.
func (s *session) count(began time.Time, status int, err error) {
	if s.as.Counted == nil {
		return
	}
	if err == nil && status >= http.StatusInternalServerError {
		err = ErrUnavailable
	}
	s.as.Counted(began, err)
}
