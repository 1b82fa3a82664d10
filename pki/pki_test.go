package pki

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// room is a directory with one authority and the files issued by it.
type room struct {
	dir string
	ca  *CA
}

func newRoom(t *testing.T) room {
	t.Helper()
	ca, err := NewCA("test cloud")
	if err != nil {
		t.Fatal(err)
	}
	r := room{dir: t.TempDir(), ca: ca}
	if err := ca.Save(r.path("ca.crt"), r.path("ca.key")); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r room) path(name string) string { return filepath.Join(r.dir, name) }

// files issues a certificate for the name and gives where it lies.
func (r room) files(t *testing.T, req Request) Files {
	t.Helper()
	pair, err := r.ca.Issue(req)
	if err != nil {
		t.Fatal(err)
	}
	f := Files{Cert: r.path(req.Names[0] + ".crt"), Key: r.path(req.Names[0] + ".key"), CA: r.path("ca.crt")}
	if err := pair.Save(f.Cert, f.Key); err != nil {
		t.Fatal(err)
	}
	return f
}

// handshake connects the two ends and gives what the server saw.
func handshake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a, b := net.Pipe()
	s, c := tls.Server(a, server), tls.Client(b, client)
	result := make(chan error, 1)
	go func() {
		err := c.HandshakeContext(ctx)
		if err == nil {
			_, err = c.Read(make([]byte, 1)) // TLS 1.3 tells a refused client only here
		}
		result <- err
		b.Close()
	}()
	err := s.HandshakeContext(ctx)
	if err == nil {
		_, err = s.Write([]byte{1})
	}
	state := s.ConnectionState()
	a.Close()
	clientErr := <-result
	if errors.Is(clientErr, io.EOF) {
		clientErr = nil
	}
	return state, errors.Join(err, clientErr)
}

func clientOf(t *testing.T, f Files, server string) *tls.Config {
	t.Helper()
	cfg := open(t, f).Client()
	cfg.ServerName = server
	return cfg
}

func serverOf(t *testing.T, f Files) *tls.Config {
	t.Helper()
	return open(t, f).Server()
}

func open(t *testing.T, f Files) *Keys {
	t.Helper()
	k, err := f.Open(zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestHandshake(t *testing.T) {
	ours, theirs := newRoom(t), newRoom(t)
	controller := Request{Names: []string{"controller"}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
	server := ours.files(t, controller)
	agent := ours.files(t, Request{Names: []string{"hv1"}})
	expired := ours.files(t, Request{Names: []string{"old"}, Lifetime: time.Nanosecond})

	tests := []struct {
		name   string
		client Files
		dial   string
		want   string // part of the error, "" for success
	}{
		{"a host of the same cloud is served", agent, "controller", ""},
		{"the controller may be dialled by address", agent, "192.0.2.1", ""},
		{"a host of another cloud trusts no controller of ours", theirs.files(t, Request{Names: []string{"hv1"}}), "controller", "unknown authority"},
		{
			"a host with another cloud's certificate is refused",
			Files{Cert: theirs.path("hv1.crt"), Key: theirs.path("hv1.key"), CA: ours.path("ca.crt")},
			"controller", "unknown authority",
		},
		{"a controller under another name is not trusted", agent, "controller2", "not controller2"},
		{"a controller under another address is not trusted", agent, "192.0.2.2", "not 192.0.2.2"},
		{"an expired certificate is refused", expired, "controller", "expired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state, err := handshake(t, serverOf(t, server), clientOf(t, tt.client, tt.dial))
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want == "":
				if state.Version != tls.VersionTLS13 || state.PeerCertificates[0].DNSNames[0] != "hv1" {
					t.Errorf("version %x, names %v", state.Version, state.PeerCertificates[0].DNSNames)
				}
			case err == nil || !strings.Contains(err.Error(), tt.want):
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestAClientWithoutCertificateIsRefused(t *testing.T) {
	r := newRoom(t)
	server := serverOf(t, r.files(t, Request{Names: []string{"controller"}}))
	client := clientOf(t, r.files(t, Request{Names: []string{"hv1"}}), "controller")
	client.GetClientCertificate = nil
	if _, err := handshake(t, server, client); err == nil {
		t.Error("handshake succeeded")
	}
}

func TestARenewedCertificateIsUsedWithoutRestart(t *testing.T) {
	r := newRoom(t)
	files := r.files(t, Request{Names: []string{"controller"}})
	server := serverOf(t, files)
	agent := r.files(t, Request{Names: []string{"hv1"}})
	keys := open(t, agent)
	dial := func(name string) *tls.Config {
		cfg := keys.Client()
		cfg.ServerName = name
		return cfg
	}
	before, err := handshake(t, server, dial("controller"))
	if err != nil {
		t.Fatal(err)
	}

	r.files(t, Request{Names: []string{"controller", "new.example.org"}})
	r.files(t, Request{Names: []string{"hv1"}})
	after, err := handshake(t, server, dial("new.example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if before.PeerCertificates[0].SerialNumber.Cmp(after.PeerCertificates[0].SerialNumber) == 0 {
		t.Error("the agent still presents its old certificate")
	}
}

func TestANewAuthorityIsTrustedByTheServerWithoutRestart(t *testing.T) {
	old, next := newRoom(t), newRoom(t)
	files := old.files(t, Request{Names: []string{"controller"}})
	server := serverOf(t, files)
	agent := next.files(t, Request{Names: []string{"hv1"}})
	agent.CA = old.path("ca.crt")
	client := clientOf(t, agent, "controller")
	if _, err := handshake(t, server, client); err == nil {
		t.Fatal("an unknown authority was trusted")
	}
	both := append(old.ca.CertPEM(), next.ca.CertPEM()...)
	if err := os.WriteFile(files.CA, both, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(t, server, client); err != nil {
		t.Error(err)
	}
}

func TestBrokenFilesLeaveTheOldCertificateInUse(t *testing.T) {
	r := newRoom(t)
	files := r.files(t, Request{Names: []string{"controller"}})
	core, logged := observer.New(zap.ErrorLevel)
	keys, err := files.Open(zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	server := keys.Server()
	client := clientOf(t, r.files(t, Request{Names: []string{"hv1"}}), "controller")
	if err := os.WriteFile(files.Key, []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := handshake(t, server, client); err != nil {
			t.Fatal(err)
		}
	}
	if logged.Len() != 1 {
		t.Errorf("%d lines logged for one broken state, want 1", logged.Len())
	}
}

func TestFilesThatCannotBeUsedAreNamed(t *testing.T) {
	r, other := newRoom(t), newRoom(t)
	good := r.files(t, Request{Names: []string{"hv1"}})
	foreign := other.files(t, Request{Names: []string{"hv1"}})
	empty := r.path("empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		files Files
		want  string
	}{
		{"a missing certificate", Files{Cert: r.path("none.crt"), Key: good.Key, CA: good.CA}, "none.crt"},
		{"a key of another certificate", Files{Cert: good.Cert, Key: foreign.Key, CA: good.CA}, foreign.Key},
		{"a missing authority", Files{Cert: good.Cert, Key: good.Key, CA: r.path("none")}, "none"},
		{"an empty authority", Files{Cert: good.Cert, Key: good.Key, CA: empty}, empty},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.files.Open(zap.NewNop()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that names %s", err, tt.want)
			}
		})
	}
}

func TestAnAuthorityIsSavedOnceAndLoaded(t *testing.T) {
	r := newRoom(t)
	info, err := os.Stat(r.path("ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("key has mode %o", info.Mode().Perm())
	}
	if err := r.ca.Save(r.path("other.crt"), r.path("ca.key")); !errors.Is(err, os.ErrExist) {
		t.Errorf("an existing key was replaced: %v", err)
	}
	ca, err := LoadCA(r.path("ca.crt"), r.path("ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	r.ca = ca
	server := serverOf(t, r.files(t, Request{Names: []string{"controller"}}))
	client := clientOf(t, r.files(t, Request{Names: []string{"hv1"}}), "controller")
	if _, err := handshake(t, server, client); err != nil {
		t.Error(err)
	}
}

func TestAnAuthorityThatIsNoneIsNotLoaded(t *testing.T) {
	r, other := newRoom(t), newRoom(t)
	host := r.files(t, Request{Names: []string{"hv1"}})
	tests := []struct{ name, cert, key string }{
		{"a host's certificate", host.Cert, host.Key},
		{"another authority's key", r.path("ca.crt"), other.path("ca.key")},
		{"a certificate in place of the key", r.path("ca.crt"), r.path("ca.crt")},
		{"a missing file", r.path("none"), r.path("ca.key")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := LoadCA(tt.cert, tt.key); err == nil {
				t.Error("loaded")
			}
		})
	}
}

func TestACertificateWithoutNameIsNotIssued(t *testing.T) {
	if _, err := newRoom(t).ca.Issue(Request{}); err == nil {
		t.Error("issued")
	}
}
