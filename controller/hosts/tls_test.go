package hosts_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/pki"
)

// certificates issues the files of a name, by a new authority unless one is
// given.
func certificates(t *testing.T, ca *pki.CA, name string) pki.Files {
	t.Helper()
	dir := t.TempDir()
	f := pki.Files{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca.crt")}
	pair, err := ca.Issue(pki.Request{Names: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Save(f.Cert, f.Key); err != nil {
		t.Fatal(err)
	}
	if err := ca.Save(f.CA, filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	return f
}

func authority(t *testing.T) *pki.CA {
	t.Helper()
	ca, err := pki.NewCA("test cloud")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestTheCertificateIsTheHost(t *testing.T) {
	ours, theirs := authority(t), authority(t)
	serverKeys, err := certificates(t, ours, "controller").Open(zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	foreign := certificates(t, theirs, "hv1")
	foreign.CA = certificates(t, ours, "any").CA
	tests := []struct {
		name  string
		files pki.Files
		want  string // part of the agent's log, "" when it is served
	}{
		{"an agent with its own certificate is served", certificates(t, ours, "hv1"), ""},
		{"an agent with another host's certificate is refused", certificates(t, ours, "hv2"), "agent claims host hv1, its certificate is for hv2"},
		{"a certificate for a longer name does not do", certificates(t, ours, "hv1.example.org"), "its certificate is for hv1.example.org"},
		{"a certificate in other letters does not do", certificates(t, ours, "HV1"), "its certificate is for HV1"},
		{"a wildcard names nobody", certificates(t, ours, "*"), "its certificate is for *"},
		{"a certificate of another authority is refused", foreign, "unknown certificate authority"},
		{"a controller of another authority is not trusted", certificates(t, theirs, "hv1"), "unknown authority"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCloud(t)
			ctl := c.serve(hosts.Config{Keys: serverKeys})
			clientKeys, err := tt.files.Open(zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			core, logged := observer.New(zap.WarnLevel)
			h := c.join(session.Config{
				Addresses: []string{"controller:9797"}, Keys: clientKeys, Hello: hello("hv1"), Dial: ctl.dial, Log: zap.New(core),
			})
			if tt.want == "" {
				c.eventually("the connection", h.Connected)
				return
			}
			c.eventually("the refusal in the log", func() bool { return strings.Contains(said(logged), tt.want) })
			if c.agent("hv1") != nil {
				t.Error("the agent was recorded")
			}
		})
	}
}

// said is everything logged, as text.
func said(logged *observer.ObservedLogs) string {
	var b strings.Builder
	for _, e := range logged.All() {
		b.WriteString(e.Message)
		for k, v := range e.ContextMap() {
			if s, ok := v.(string); ok {
				b.WriteString(" " + k + "=" + s)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestAnAgentInPlaintextIsNotServedOverTLS(t *testing.T) {
	c := newCloud(t)
	serverKeys, err := certificates(t, authority(t), "controller").Open(zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctl := c.serve(hosts.Config{Keys: serverKeys})
	core, logged := observer.New(zap.WarnLevel)
	h := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial, Log: zap.New(core)})
	c.eventually("the failure", func() bool { return logged.Len() > 0 })
	if h.Connected() || c.agent("hv1") != nil {
		t.Error("the agent was served")
	}
}

func TestPlaintextIsForLoopbackOnly(t *testing.T) {
	c := newCloud(t)
	lis, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	if err := hosts.New(hosts.Config{DB: c.db}).Serve(t.Context(), lis); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("served every address in plaintext: %v", err)
	}
	for address, keys := range map[string]*pki.Keys{"192.0.2.1:9797": nil, "controller:9797": nil, "no port": {}} {
		s := session.New(session.Config{Addresses: []string{address}, Keys: keys, Hello: hello("hv1")})
		if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAStreamWhoseCertificateIsRevokedEnds(t *testing.T) {
	path := t.TempDir()
	d, err := pki.Create(path, "cloud")
	if err != nil {
		t.Fatal(err)
	}
	files := func(name string) pki.Files {
		dir, err := d.Issue(pki.Request{Names: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		return pki.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: filepath.Join(dir, "ca.pem")}
	}
	open := func(f pki.Files) *pki.Keys {
		k, err := f.Open(zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	server := files("controller")
	server.CRL = filepath.Join(path, "crl.pem")
	c := newCloud(t)
	ctl := c.serve(hosts.Config{Keys: open(server)})
	core, logged := observer.New(zap.WarnLevel)
	join := func(name string) *host {
		return c.join(session.Config{
			Addresses: []string{"controller:9797"}, Keys: open(files(name)), Hello: hello(name), Dial: ctl.dial, Log: zap.New(core),
		})
	}
	stolen, other := join("hv1"), join("hv2")
	c.eventually("both connections", func() bool { return stolen.Connected() && other.Connected() })
	if _, err := d.Revoke("hv1"); err != nil {
		t.Fatal(err)
	}
	c.eventually("the reason in the log", func() bool { return strings.Contains(said(logged), "was revoked") })
	c.eventually("the end", func() bool { return !stolen.Connected() })
	if !other.Connected() {
		t.Error("another host's stream has ended too")
	}
	c.eventually("a refused handshake", func() bool { return strings.Contains(said(logged), "bad certificate") })
	c.eventually("only one agent there", func() bool {
		list, err := ctl.server.Agents(t.Context())
		return err == nil && len(list) == 1 && list[0].Host == "hv2"
	})
}
