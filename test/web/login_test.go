package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestStrangersSeeTheLoginOnly(t *testing.T) {
	s := Small(Hostile)
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens.yaml")
	text := "tokens:\n  - { token: admin-token, user: root, project: ops, roles: [admin] }\n  - { token: shop-token, user: alice, project: shop, roles: [reader] }\n"
	if err := os.WriteFile(tokens, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serve(t, s, fmt.Sprintf("{ mode: token, token: { file: %q } }", tokens))
	b := open(t, c.url+"/ui/#view=physical&selected=host%3Acompute-1")
	b.troubled = true
	b.says("#login", "Sign in with a token")
	if text := b.text("body"); strings.Contains(text, "compute-1") || strings.Contains(text, "shop") {
		t.Errorf("a stranger reads %q", text)
	}
	b.signIn("wrong")
	b.says("#login-error", "The controller does not know this token.")

	b.signIn("shop-token")
	b.ready()
	b.says("#rows", "shop-web")
	b.says("#rows", "public")
	b.says("#totals", "48")
	for _, foreign := range []string{"ci-runners", "sandbox", "mail-in", "compute-2"} {
		if strings.Contains(b.text("#app"), foreign) {
			t.Errorf("alice of project shop reads of %s", foreign)
		}
	}
	if value[bool](b, `[...document.querySelectorAll(".tabs button")].some((t) => !t.hidden && t.dataset.view !== "logical")`) {
		t.Error("a member is offered hosts")
	}
	b.run(chromedp.Reload())
	b.ready() // the token is kept with the tab
	if value[bool](b, `JSON.stringify(localStorage).includes("shop-token") || document.cookie !== ""`) {
		t.Error("the token is kept beyond the tab")
	}
	b.click("#sign-out")
	b.says("#login", "Sign in with a token")
	b.signIn("admin-token")
	b.says("#inspector h2", "compute-1")

	// A token that is taken away ends the session.
	if err := os.WriteFile(tokens, []byte(strings.ReplaceAll(text, "admin-token", "other-token")), 0o600); err != nil {
		t.Fatal(err)
	}
	b.says("#login-error", "Your session has ended.")
	b.harmless()
}

func TestAnAccountOfKeystonesSignsIn(t *testing.T) {
	var away atomic.Bool
	keystone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		keystoneAnswer(w, r)
	}))
	t.Cleanup(keystone.Close)
	c := serve(t, Small("lab-mirror"), fmt.Sprintf("{ mode: keystone, keystone: { url: %q, username: neutron, password: secret } }", keystone.URL))
	b := open(t, c.url+"/ui/")
	b.troubled = true
	b.says("#login", "Sign in with your account in Keystone.")
	fill := func(user, password string) {
		b.run(chromedp.SetValue(chromedp.CSS("[name=username]"), user), chromedp.SetValue(chromedp.CSS("[name=password]"), password),
			chromedp.SetValue(chromedp.CSS("[name=project]"), "shop"))
		b.run(chromedp.Focus(chromedp.CSS("[name=project]")), chromedp.KeyEvent(kb.Enter))
	}
	fill("alice", "guess")
	b.says("#login-error", "Keystone does not take this user, password and project.")
	away.Store(true)
	fill("alice", "secret")
	b.says("#login-error", "Keystone does not answer.")
	away.Store(false)
	fill("alice", "secret")
	b.ready()
	b.says("#rows", "shop-web")
	if title := value[string](b, `document.querySelector("#sign-out").title`); title != "alice in shop" {
		t.Errorf("signed in as %q", title)
	}
	if value[bool](b, `document.querySelector("[name=password]").value !== "" || JSON.stringify(sessionStorage).includes("secret")`) {
		t.Error("the password is still there")
	}
	b.harmless()
}

// keystoneAnswer answers as Keystone's Identity API v3 does to logins with the
// password secret, and to questions about the tokens that it gave.
func keystoneAnswer(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSuffix(r.Header.Get("X-Subject-Token"), "-token")
	if r.Method == http.MethodPost {
		var body struct {
			Auth struct {
				Identity struct {
					Password struct {
						User struct{ Name, Password string }
					}
				}
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		user := body.Auth.Identity.Password.User
		if name = user.Name; user.Password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-Subject-Token", name+"-token")
		w.WriteHeader(http.StatusCreated)
	}
	project, role := "service", "service"
	if name == "alice" {
		project, role = "shop", "member"
	}
	_, _ = fmt.Fprintf(w, `{"token": {"user": {"id": %q, "name": %q}, "project": {"id": %q, "name": %q}, "roles": [{"id": "r", "name": %q}], "expires_at": %q}}`,
		name, name, project, project, role, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

func (b *tab) signIn(token string) {
	b.t.Helper()
	b.run(chromedp.SetValue(chromedp.CSS("#login-form [name=token]"), token))
	b.click("#login-form button.primary")
}
