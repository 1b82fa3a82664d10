package identity

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzAnswersOfKeystoneAreUnderstood lets Keystone answer anything about a token.
// Nobody gets in by an answer that names no user, or has run out.
func FuzzAnswersOfKeystoneAreUnderstood(f *testing.F) {
	for _, s := range []string{
		`{"token": {"user": {"id": "u", "name": "a"}, "project": {"id": "p"}, "roles": [{"name": "admin"}], "expires_at": "2099-01-02T03:04:05.000000Z"}}`,
		`{"token": {"user": {"id": ""}, "expires_at": "2099-01-02T03:04:05Z"}}`, `{"token": {"roles": [{}], "expires_at": "2001-01-01T00:00:00Z"}}`,
		`{"token": null}`, `{}`, `[`, "", `{"token": {"user": {"id": "u"}, "roles": null, "expires_at": "never"}}`,
	} {
		f.Add(200, []byte(s))
		f.Add(500, []byte(s))
	}
	var status int
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("X-Subject-Token", "own")
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{"token": {"expires_at": "2099-01-02T03:04:05.000000Z"}}`))
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	f.Cleanup(server.Close)
	k := NewKeystone(KeystoneConfig{Credentials: Credentials{URL: server.URL, Username: "u", Password: "p", Project: "service", Domain: "Default"}})
	f.Fuzz(func(t *testing.T, code int, b []byte) {
		status, body = 200+(code%400+400)%400, b
		r := httptest.NewRequest(http.MethodGet, "/v2.0/networks", nil)
		r.Header.Set("X-Auth-Token", "token")
		k.invalid = newCache[question, struct{}](maxInvalid)
		who, err := k.Authenticate(r)
		if err == nil && (who.UserID == "" || status != http.StatusOK) {
			t.Errorf("status %d, %q lets %+v in", status, body, who)
		}
	})
}
