package identity

import (
	"context"
	"errors"
	"net/http"
	"testing"
)

func TestSomebodyElseGetsATokenOfKeystones(t *testing.T) {
	f := newFakeKeystone(t)
	k := f.client()
	ctx := context.Background()
	g, err := k.LogIn(ctx, Credentials{Username: "neutron", Password: servicePassword, Project: "service"})
	if err != nil || g.Token != "own-1" || g.Project != "one" || !g.Expires.Equal(f.now.Add(f.ownLife)) {
		t.Errorf("%+v, %v", g, err)
	}
	for name, as := range map[string]Credentials{
		"a wrong password": {Username: "neutron", Password: "wrong", Project: "service"},
		"another domain":   {Username: "neutron", Password: servicePassword, Project: "service", Domain: "elsewhere"},
		"another project":  {Username: "neutron", Password: servicePassword, Project: "admin"},
	} {
		if _, err := k.LogIn(ctx, as); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A refusal of somebody else says nothing of the service's own account.
	if _, err, known := k.session.known(); known {
		t.Errorf("the own login is taken for done: %v", err)
	}
	f.change(func() {
		f.spoil = func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
	})
	if _, err := k.LogIn(ctx, Credentials{Username: "neutron", Password: servicePassword, Project: "service"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a broken Keystone: %v", err)
	}
}
