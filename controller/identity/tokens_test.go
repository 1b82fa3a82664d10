package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const someTokens = `
tokens:
  - { token: alpha-secret, user: alice, project: p1, roles: [member] }
  # the token is beta-secret
  - { sha256: ` + betaDigest + `, user: bob, project: p2, roles: [Reader] }
  - { token: root-secret, user: root, roles: [admin] }
`

// betaDigest is what printf beta-secret | sha256sum prints.
const betaDigest = "d40ab4efae8afe82f0fda0f0fc785ff61bec7b5f329c6070c453594397e03568"

// write puts a file of tokens in place at once, as an operator should.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func withToken(a Authenticator, token string, more ...string) (Identity, error) {
	r := httptest.NewRequest("GET", "/v2.0/networks", nil)
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	return a.Authenticate(r)
}

func TestAFileOfTokensSaysWhoSends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	write(t, path, someTokens)
	a, err := OpenTokens(path, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		token, user, project string
		admin, reader        bool
		refused              bool
	}{
		"a token as it is":               {token: "alpha-secret", user: "alice", project: "p1"},
		"a token by its digest":          {token: "beta-secret", user: "bob", project: "p2", reader: true},
		"an administrator of nothing":    {token: "root-secret", user: "root", admin: true},
		"blanks around it do no harm":    {token: " alpha-secret ", user: "alice", project: "p1"},
		"no token":                       {refused: true},
		"an unknown token":               {token: "alpha-secre", refused: true},
		"the digest is no token":         {token: betaDigest, refused: true},
		"text that cannot be a token":    {token: "alpha secret", refused: true},
		"a token longer than Keystone's": {token: strings.Repeat("x", maxToken+1), refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := withToken(a, c.token)
			if c.refused {
				if !errors.Is(err, ErrUnauthorized) {
					t.Fatalf("error %v, want ErrUnauthorized", err)
				}
				if c.token != "" && strings.Contains(err.Error(), c.token) {
					t.Fatalf("the error tells the token: %v", err)
				}
				return
			}
			if err != nil || id.UserID != c.user || id.ProjectID != c.project || id.Admin != c.admin || id.Reader != c.reader {
				t.Fatalf("%+v, %v", id, err)
			}
		})
	}
}

func TestAFileOfTokensMayBeJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	write(t, path, `{"tokens": [{"token": "t1", "user": "u", "project": "p", "roles": ["member"]}]}`)
	a, err := OpenTokens(path, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if id, err := withToken(a, "t1"); err != nil || id.ProjectID != "p" {
		t.Fatalf("%+v, %v", id, err)
	}
}

func TestWhatIsWrongWithAFileOfTokensIsNamedWithoutItsSecrets(t *testing.T) {
	const secret = "top-secret-value"
	for name, c := range map[string]struct{ text, want string }{
		"neither token nor digest":  {`tokens: [{user: u, project: p, roles: [member]}]`, "tokens[0]: one of token and sha256"},
		"both":                      {`tokens: [{token: ` + secret + `, sha256: ` + betaDigest + `, user: u, project: p, roles: [member]}]`, "one of token and sha256"},
		"a digest that is none":     {`tokens: [{sha256: ` + secret + `, user: u, project: p, roles: [member]}]`, "sha256 is not 64 hex digits"},
		"no user":                   {`tokens: [{token: ` + secret + `, project: p, roles: [member]}]`, "user is missing"},
		"no roles":                  {`tokens: [{token: ` + secret + `, user: u, project: p}]`, "roles are missing"},
		"no project of a member":    {`tokens: [{token: ` + secret + `, user: u, roles: [member]}]`, "project is missing"},
		"a token with blanks":       {`tokens: [{token: "` + secret + ` x", user: u, project: p, roles: [member]}]`, "printable ASCII"},
		"the same token twice":      {`tokens: [{token: ` + secret + `, user: u, project: p, roles: [member]}, {token: ` + secret + `, user: v, project: p, roles: [member]}]`, "tokens[1]: the same token as tokens[0]"},
		"an unknown key":            {"tokens:\n- {tokn: " + secret + "}", ":2: unknown key"},
		"a token in place of a key": {secret + ": {user: u}", ":1: unknown key"},
		"tokens that are no list":   {"tokens: " + secret, ":1: "},
		"no YAML":                   {"tokens: [" + secret, "tokens.yaml"},
		"nothing":                   {"", "empty"},
		"too much":                  {"#" + strings.Repeat("x", maxTokenFile), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tokens.yaml")
			write(t, path, c.text)
			_, err := OpenTokens(path, zap.NewNop())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Fatalf("the error tells a secret: %v", err)
			}
		})
	}
	if _, err := OpenTokens("/does/not/exist", zap.NewNop()); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Fatalf("error %v", err)
	}
}

// eventually waits for a condition, for at most 5 s.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}

func TestAFileOfTokensIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	line := "tokens: [{token: %s, user: u, project: p, roles: [member]}]"
	write(t, path, fmt.Sprintf(line, "first"))
	core, logs := observer.New(zap.InfoLevel)
	a, err := OpenTokens(path, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	a.poll = time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	valid := func(token string) bool { _, err := withToken(a, token); return err == nil }

	write(t, path, fmt.Sprintf(line, "second"))
	eventually(t, "the new token is valid and the old one not", func() bool { return valid("second") && !valid("first") })

	for _, broken := range []string{"tokens: [", "", "tokens: [{token: third}]"} {
		before := logs.FilterLevelExact(zap.ErrorLevel).Len()
		write(t, path, broken)
		eventually(t, "the bad file is logged", func() bool { return logs.FilterLevelExact(zap.ErrorLevel).Len() > before })
		if !valid("second") {
			t.Fatalf("after the file was %q the last good token is refused", broken)
		}
	}
	before := logs.FilterLevelExact(zap.ErrorLevel).Len()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the missing file is logged", func() bool { return logs.FilterLevelExact(zap.ErrorLevel).Len() > before })
	time.Sleep(20 * time.Millisecond)
	if n := logs.FilterLevelExact(zap.ErrorLevel).Len(); n != before+1 || !valid("second") {
		t.Fatalf("a missing file: %d lines, want one; the last good token valid: %t", n-before, valid("second"))
	}
	write(t, path, fmt.Sprintf(line, "fourth"))
	eventually(t, "the file is used again", func() bool { return valid("fourth") && !valid("second") })
	for _, e := range logs.All() {
		text := fmt.Sprint(e.Message, e.ContextMap())
		if slices.ContainsFunc([]string{"second", "third", "fourth"}, func(s string) bool { return strings.Contains(text, s) }) {
			t.Errorf("the log tells a token: %s", text)
		}
	}
}

func TestAFileOfTokensThatOthersCanReadIsPointedOut(t *testing.T) {
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o400: 0, 0o640: 1, 0o604: 1} {
		path := filepath.Join(t.TempDir(), "tokens.yaml")
		write(t, path, "tokens: []")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		core, logs := observer.New(zap.WarnLevel)
		if _, err := OpenTokens(path, zap.New(core)); err != nil {
			t.Fatal(err)
		}
		if logs.Len() != want {
			t.Errorf("mode %o: %d warnings, want %d", mode, logs.Len(), want)
		}
	}
}

func TestRolesImplyWeakerOnes(t *testing.T) {
	for name, c := range map[string]struct {
		roles                             []string
		admin, writes, reads, acrossPorts bool
	}{
		"admin":                   {roles: []string{"admin"}, admin: true, writes: true, reads: true},
		"manager":                 {roles: []string{"manager"}, writes: true, reads: true},
		"member":                  {roles: []string{"member"}, writes: true, reads: true},
		"the older member":        {roles: []string{"_member_"}, writes: true, reads: true},
		"reader":                  {roles: []string{"reader"}, reads: true},
		"member and reader":       {roles: []string{"reader", "member"}, writes: true, reads: true},
		"in capitals":             {roles: []string{"MEMBER"}, writes: true, reads: true},
		"advsvc alone":            {roles: []string{"advsvc"}, acrossPorts: true},
		"a role of another place": {roles: []string{"swiftoperator"}},
		"none":                    {},
	} {
		t.Run(name, func(t *testing.T) {
			id := WithRoles("u", "p", c.roles)
			target := Target{ProjectID: "p"}
			if id.Admin != c.admin || Member(id, target) != c.writes || Owner(id, target) != c.reads || id.Service != c.acrossPorts {
				t.Errorf("%+v", id)
			}
		})
	}
}

func FuzzTokenFile(f *testing.F) {
	f.Add([]byte(someTokens))
	f.Add([]byte(`{"tokens": [{"token": "t", "user": "u", "project": "p", "roles": ["admin"]}]}`))
	f.Add([]byte("tokens: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		holders, err := parseTokens("f", text)
		if err != nil {
			return
		}
		for i, h := range holders {
			if h.who.UserID == "" || len(h.who.Roles) == 0 || h.who.ProjectID == "" && !h.who.Admin {
				t.Fatalf("entry %d has no user, role or project: %+v", i, h.who)
			}
		}
	})
}

func TestLooksAtTheFileAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("tokens: [{ token: secret-one, user: a, project: p, roles: [member] }]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := OpenTokens(path, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	looks, failures := 0, 0
	tokens.Counted = func(_ time.Time, err error) {
		if looks++; err != nil {
			failures++
		}
	}
	tokens.reload()
	if err := os.WriteFile(path, []byte("tokens: what\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens.reload()
	if looks != 2 || failures != 1 {
		t.Errorf("%d looks, %d failures", looks, failures)
	}
}
