package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Prefix is where the page is served.
const Prefix = "/ui/"

// Ways to sign in, as /ui/session tells them.
const (
	AuthNone     = "none"
	AuthToken    = "token"
	AuthKeystone = "keystone"
)

// Account is who wants to sign in.
type Account struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Project  string `json:"project"`
	// Domain is the name of the domain of user and project; empty for the
	// controller's own.
	Domain string `json:"domain"`
}

// Session is what somebody has who signed in.
type Session struct {
	Token   string    `json:"token"`
	User    string    `json:"user"`
	Project string    `json:"project"`
	Expires time.Time `json:"expires"`
}

// ErrRefused is what Config.LogIn returns for an account that the identity service
// does not take. Every other error means that it could not tell.
var ErrRefused = errors.New("refused")

// Config is what the page needs.
type Config struct {
	// Auth is AuthNone, AuthToken or AuthKeystone.
	Auth string
	// Domain is offered to those who sign in.
	Domain string
	// LogIn gets a token for an account; nil where tokens are pasted only.
	LogIn func(ctx context.Context, a Account) (Session, error)
	Log   *zap.Logger
}

// Page is the HTTP handler of everything below Prefix.
type Page struct {
	config Config
	files  map[string]file
	gate   *gate
}

// New makes the handler.
func New(c Config) (*Page, error) {
	files, err := load()
	if err != nil {
		return nil, err
	}
	return &Page{config: c, files: files, gate: newGate(time.Now)}, nil
}

// Beside serves the page below Prefix and everything else by another handler.
func (p *Page) Beside(other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, Prefix):
			p.ServeHTTP(w, r)
		case r.URL.Path+"/" == Prefix:
			http.Redirect(w, r, Prefix, http.StatusMovedPermanently)
		default:
			other.ServeHTTP(w, r)
		}
	})
}

// ServeHTTP answers a request below Prefix.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	switch name := strings.TrimPrefix(r.URL.Path, Prefix); name {
	case "":
		p.serveFile(w, r, "index.html")
	case "session":
		p.serveSession(w, r)
	case "login":
		p.serveLogin(w, r)
	default:
		p.serveFile(w, r, name)
	}
}

// serveSession tells how one signs in, and nothing else.
func (p *Page) serveSession(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed, "Use GET.")
		return
	}
	auth := p.config.Auth
	if auth == AuthKeystone && p.config.LogIn == nil {
		auth = AuthToken
	}
	answer(w, http.StatusOK, map[string]string{"auth": auth, "domain": p.config.Domain})
}

// maxAccount is the largest body of a login in bytes.
const maxAccount = 16 << 10

// loginTimeout bounds one login.
const loginTimeout = 15 * time.Second

// serveLogin asks the identity service for a token. What is tried is limited, for
// each address and altogether; nothing of an account is logged but its name.
func (p *Page) serveLogin(w http.ResponseWriter, r *http.Request) {
	switch {
	case p.config.LogIn == nil:
		refuse(w, http.StatusNotFound, "Nobody signs in with a password here.")
		return
	case r.Method != http.MethodPost:
		refuse(w, http.StatusMethodNotAllowed, "Use POST.")
		return
	case !sameOrigin(r):
		refuse(w, http.StatusForbidden, "This request comes from another page.")
		return
	}
	account, wrong := readAccount(http.MaxBytesReader(w, r.Body, maxAccount), r.Header.Get("Content-Type"))
	if wrong != "" {
		refuse(w, http.StatusBadRequest, wrong)
		return
	}
	leave, wait := p.gate.enter(r.RemoteAddr)
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		refuse(w, http.StatusTooManyRequests, fmt.Sprintf("Too many attempts. Try again in %d s.", int(wait.Seconds())+1))
		return
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), loginTimeout)
	defer cancel()
	session, err := p.config.LogIn(ctx, account)
	log := p.config.Log.With(zap.String("user", account.Username), zap.String("project", account.Project), zap.String("remote", r.RemoteAddr))
	switch {
	case errors.Is(err, ErrRefused):
		log.Info("login refused", zap.Error(err))
		refuse(w, http.StatusUnauthorized, "Keystone does not take this user, password and project.")
	case err != nil:
		log.Warn("login failed", zap.Error(err))
		refuse(w, http.StatusServiceUnavailable, "Keystone does not answer. Try again.")
	default:
		answer(w, http.StatusOK, session)
	}
}

// sameOrigin reports whether a request comes from the page itself, as far as
// browsers tell (Fetch Metadata; Origin, RFC 6454, section 7). Requests that are no
// browser's pass.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && (strings.EqualFold(u.Host, r.Host) || strings.EqualFold(u.Host, r.Header.Get("X-Forwarded-Host")))
}

// readAccount reads the body of a login, or says what is wrong with it. Other pages
// cannot send JSON without being asked first, so nothing else is taken.
func readAccount(body io.Reader, contentType string) (a Account, wrong string) {
	if t, _, err := mime.ParseMediaType(contentType); err != nil || t != "application/json" {
		return a, "Content-Type is not application/json."
	}
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return a, "The body is not an account in JSON."
	}
	for _, field := range []struct {
		name, value string
		most        int
		needed      bool
	}{
		{"username", a.Username, 255, true},
		{"password", a.Password, 4096, true},
		{"project", a.Project, 255, true},
		{"domain", a.Domain, 255, false},
	} {
		if field.needed && field.value == "" {
			return a, field.name + " is missing."
		}
		if len(field.value) > field.most {
			return a, fmt.Sprintf("%s is longer than %d bytes.", field.name, field.most)
		}
	}
	return a, ""
}

func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // maps and sessions can be written
		panic("web: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may be gone
}
