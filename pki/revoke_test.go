package pki

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// cloud is a directory with a controller and an agent.
func cloud(t *testing.T) (*Directory, string) {
	t.Helper()
	path := t.TempDir()
	d, err := Create(path, "cloud")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ctl1", "hv1", "hv2"} {
		if _, err := d.Issue(Request{Names: []string{name}}); err != nil {
			t.Fatal(err)
		}
	}
	return d, path
}

func withList(path, host string) Files {
	f := filesOf(path, host)
	f.CRL = filepath.Join(path, host, crlFile)
	return f
}

func TestARevokedCertificateIsRefusedWithoutRestart(t *testing.T) {
	d, path := cloud(t)
	core, logged := observer.New(zap.InfoLevel)
	keys, err := withList(path, "ctl1").Open(zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	stolen, other := clientOf(t, filesOf(path, "hv1"), "ctl1"), clientOf(t, filesOf(path, "hv2"), "ctl1")
	seen, err := handshake(t, keys.Server(), stolen)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Check(seen.VerifiedChains[0]); err != nil {
		t.Errorf("before it is revoked: %v", err)
	}
	if _, err := d.Renew("hv1", time.Hour); err != nil { // the thief has the one before
		t.Fatal(err)
	}
	if n, err := d.Revoke("hv1"); n != 2 || err != nil {
		t.Fatalf("revoked %d certificates (%v), want 2", n, err)
	}
	if _, err := handshake(t, keys.Server(), stolen); err == nil || !strings.Contains(err.Error(), "certificate of hv1") || !strings.Contains(err.Error(), "was revoked") {
		t.Errorf("the stolen certificate: %v", err)
	}
	if err := keys.Check(seen.VerifiedChains[0]); !errors.As(err, new(*RevokedError)) {
		t.Errorf("an open connection with it: %v", err)
	}
	if _, err := handshake(t, keys.Server(), other); err != nil {
		t.Errorf("another host's: %v", err)
	}
	if h, err := d.Holder("hv1"); err != nil || h.Problem != "was revoked" {
		t.Errorf("shown as %+v, %v", h, err)
	}
	if _, err := d.Renew("hv1", time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(t, keys.Server(), clientOf(t, filesOf(path, "hv1"), "ctl1")); err != nil {
		t.Errorf("the host's new certificate: %v", err)
	}
	if n, err := d.Revoke("hv1"); n != 1 || err != nil {
		t.Errorf("the second time %d are new on the list (%v), want 1", n, err)
	}
	if logged.FilterMessage("certificate files read again").Len() == 0 {
		t.Error("nothing logged")
	}
}

func TestAControllersRevokedCertificateIsNotTrusted(t *testing.T) {
	d, path := cloud(t)
	agent := open(t, withList(path, "hv1"))
	if _, err := d.Revoke("ctl1"); err != nil {
		t.Fatal(err)
	}
	client := agent.Client()
	client.ServerName = "ctl1"
	if _, err := handshake(t, serverOf(t, filesOf(path, "ctl1")), client); !errors.As(err, new(*RevokedError)) {
		t.Errorf("handshake: %v", err)
	}
}

func TestAListThatCannotBeUsedLeavesTheOneBefore(t *testing.T) {
	d, path := cloud(t)
	stolen := clientOf(t, filesOf(path, "hv1"), "ctl1")
	if _, err := d.Revoke("hv1"); err != nil {
		t.Fatal(err)
	}
	core, logged := observer.New(zap.ErrorLevel)
	files := withList(path, "ctl1")
	keys, err := files.Open(zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := cloud(t)
	list, err := foreign.listPEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"half a list": read(t, path, crlFile)[:200], "another cloud's list": string(list), "an empty file": "", "a certificate": read(t, path, authorityFile),
	} {
		if err := os.WriteFile(files.CRL, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Open(zap.NewNop()); err == nil {
			t.Errorf("%s: a controller starts with it", name)
		}
		if _, err := handshake(t, keys.Server(), stolen); err == nil || !strings.Contains(err.Error(), "was revoked") {
			t.Errorf("%s: the stolen certificate: %v", name, err)
		}
	}
	if err := os.Remove(files.CRL); err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(t, keys.Server(), stolen); err == nil {
		t.Error("with the list removed the stolen certificate is believed")
	}
	if logged.Len() != 5 {
		t.Errorf("%d lines logged for five states that cannot be used", logged.Len())
	}
}

func TestADirectoryFromBeforeListsGetsOne(t *testing.T) {
	d, path := cloud(t)
	for _, name := range []string{crlFile, issuedFile, filepath.Join("hv1", crlFile)} {
		if err := os.Remove(filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := d.Holder("hv1"); err != nil || h.Problem != "" {
		t.Errorf("%+v, %v", h, err)
	}
	if n, err := d.Revoke("hv1"); n != 1 || err != nil {
		t.Errorf("revoked %d, %v", n, err)
	}
	if _, err := d.Revoke("hv9"); !errors.Is(err, ErrNoHolder) {
		t.Errorf("of a host that has none: %v", err)
	}
	if _, err := d.Revoke("../hv1"); !errors.Is(err, ErrName) {
		t.Errorf("of a path: %v", err)
	}
}

// issueWith makes a certificate that says something else than ours do.
func (r room) issueWith(t *testing.T, name string, change func(*x509.Certificate)) Files {
	t.Helper()
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, r.ca.cert, key.Public(), r.ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return r.save(t, name, der, key)
}

func (r room) save(t *testing.T, name string, der []byte, key *ecdsa.PrivateKey) Files {
	t.Helper()
	keyPEM, err := encodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f := Files{Cert: r.path(name + ".crt"), Key: r.path(name + ".key"), CA: r.path("ca.crt")}
	if err := (&Pair{CertPEM: encodeCertificate(der), KeyPEM: keyPEM}).Save(f.Cert, f.Key); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCertificatesThatAreForSomethingElseAreRefused(t *testing.T) {
	r := newRoom(t)
	server := serverOf(t, r.files(t, Request{Names: []string{"ctl1"}}))
	for name, change := range map[string]func(*x509.Certificate){
		"a server's":            func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
		"one for code":          func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} },
		"one that is not valid": func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) },
		"one that has expired":  func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) },
	} {
		if _, err := handshake(t, server, clientOf(t, r.issueWith(t, "hv1", change), "ctl1")); err == nil {
			t.Errorf("%s is believed", name)
		}
	}
	// An agent's certificate makes no authority of its holder.
	agent := r.files(t, Request{Names: []string{"hv1"}})
	cert, err := readCertificate(agent.Cert)
	if err != nil {
		t.Fatal(err)
	}
	key, err := readKey(agent.Key)
	if err != nil {
		t.Fatal(err)
	}
	thief := room{dir: t.TempDir(), ca: &CA{cert: cert, key: key}}
	forged := thief.issueWith(t, "hv2", func(*x509.Certificate) {})
	chain := append([]byte(read(t, forged.Cert)), encodeCertificate(cert.Raw)...)
	if err := os.WriteFile(forged.Cert, chain, 0o600); err != nil {
		t.Fatal(err)
	}
	forged.CA = agent.CA
	if _, err := handshake(t, server, clientOf(t, forged, "ctl1")); err == nil {
		t.Error("a certificate that an agent's vouches for is believed")
	}
}

func TestAnAuthorityIsReplacedOnBothEndsWithoutRestart(t *testing.T) {
	old, next := newRoom(t), newRoom(t)
	controller, agent := old.files(t, Request{Names: []string{"ctl1"}}), old.files(t, Request{Names: []string{"hv1"}})
	controller.CA, agent.CA = old.path("controllers-ca"), old.path("agents-ca")
	believe := func(file string, rooms ...room) {
		t.Helper()
		var b []byte
		for _, r := range rooms {
			b = append(b, r.ca.CertPEM()...)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	renew := func(f Files, name string) {
		t.Helper()
		pair, err := next.ca.Issue(Request{Names: []string{name}})
		if err == nil {
			err = pair.Save(f.Cert, f.Key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	believe(controller.CA, old)
	believe(agent.CA, old)
	server, client := open(t, controller), open(t, agent)
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"at first", func() {}},
		{"agents believe both", func() { believe(agent.CA, old, next) }},
		{"controllers believe both", func() { believe(controller.CA, old, next) }},
		{"the controller has a new certificate", func() { renew(controller, "ctl1") }},
		{"the agent has a new certificate", func() { renew(agent, "hv1") }},
		{"controllers believe the new one only", func() { believe(controller.CA, next) }},
		{"agents believe the new one only", func() { believe(agent.CA, next) }},
	} {
		step.do()
		cfg := client.Client()
		cfg.ServerName = "ctl1"
		if _, err := handshake(t, server.Server(), cfg); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	cfg := clientOf(t, old.files(t, Request{Names: []string{"hv1"}}), "ctl1")
	if _, err := handshake(t, server.Server(), cfg); err == nil {
		t.Error("the old authority is still believed")
	}
}

func TestTheServersLogSaysWhoseCertificateWasRefused(t *testing.T) {
	d, path := cloud(t)
	if _, err := d.Revoke("hv1"); err != nil {
		t.Fatal(err)
	}
	core, logged := observer.New(zap.WarnLevel)
	keys, err := withList(path, "ctl1").Open(zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	_, foreign := cloud(t)
	files := filesOf(foreign, "hv2")
	files.CA = filepath.Join(path, authorityFile)
	for _, f := range []Files{filesOf(path, "hv1"), files} {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if conn, err := lis.Accept(); err == nil {
				_, _, _ = keys.Credentials().ServerHandshake(conn)
				conn.Close()
			}
		}()
		conn, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if secured, _, err := open(t, f).Credentials().ClientHandshake(t.Context(), "ctl1:9797", conn); err == nil {
			_, _ = secured.Read(make([]byte, 1))
		}
		conn.Close()
		<-done
		lis.Close()
	}
	var said []string
	for _, e := range logged.All() {
		said = append(said, e.Message+" "+e.ContextMap()["certificate"].(string)+" "+e.ContextMap()["error"].(string))
	}
	if len(said) != 2 || !strings.HasPrefix(said[0], "connection refused hv1 serial ") || !strings.Contains(said[0], "was revoked") ||
		!strings.HasPrefix(said[1], "connection refused hv2 serial ") || !strings.Contains(said[1], "unknown authority") {
		t.Errorf("logged %q", said)
	}
}

func FuzzListsOfRevokedCertificates(f *testing.F) {
	ca, err := NewCA("cloud")
	if err != nil {
		f.Fatal(err)
	}
	list, err := ca.revocationList(nil, []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: time.Now()}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list)
	f.Add(ca.CertPEM())
	f.Fuzz(func(t *testing.T, b []byte) {
		file := filepath.Join(t.TempDir(), "crl")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := loadRevocations(file, []*x509.Certificate{ca.cert})
		if (got == nil) != (err != nil) {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := readCertificates(file); err == nil && !strings.Contains(string(b), "CERTIFICATE") {
			t.Error("certificates in a file without any")
		}
	})
}
