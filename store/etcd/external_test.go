package etcd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/storetest"
)

// debian is an etcd server as Debian packages it, a process of its own.
type debian struct {
	t        *testing.T
	dir      string
	args     []string
	endpoint string
	cmd      *exec.Cmd
	output   bytes.Buffer
}

// startDebian runs the server on loopback until the test ends.
func startDebian(t *testing.T, tls *TLS) *debian {
	t.Helper()
	binary, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatal("this test runs Debian's etcd: install the package etcd-server")
	}
	scheme := "http"
	if tls != nil {
		scheme = "https"
	}
	d := &debian{t: t, dir: t.TempDir(), endpoint: fmt.Sprintf("%s://127.0.0.1:%d", scheme, freePort(t))}
	peer := fmt.Sprintf("http://127.0.0.1:%d", freePort(t))
	d.args = []string{
		binary, "--data-dir", d.dir, "--name", "one",
		"--listen-client-urls", d.endpoint, "--advertise-client-urls", d.endpoint,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one=" + peer,
	}
	if tls != nil {
		d.args = append(d.args, "--cert-file", tls.Cert, "--key-file", tls.Key, "--trusted-ca-file", tls.CA, "--client-cert-auth")
	}
	t.Cleanup(d.stop)
	d.start()
	return d
}

func (d *debian) start() {
	d.t.Helper()
	d.cmd = exec.Command(d.args[0], d.args[1:]...)
	d.cmd.Stdout, d.cmd.Stderr = &d.output, &d.output
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	_, address, _ := strings.Cut(d.endpoint, "//")
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
	d.stop()
	d.t.Fatalf("etcd does not listen on %s after 20 s:\n%s", d.endpoint, d.output.String())
}

func (d *debian) stop() {
	if d.cmd != nil && d.cmd.Process != nil {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		d.cmd = nil
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func openExternal(t *testing.T, endpoint string, tls *TLS) *Store {
	t.Helper()
	s, err := OpenExternal(t.Context(), External{Endpoints: []string{endpoint}, TLS: tls, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestDebiansEtcdIsAStore(t *testing.T) {
	storetest.Run(t, subject(openExternal(t, startDebian(t, nil).endpoint, nil)))
}

func TestAThreeNodeClusterIsAStore(t *testing.T) {
	c := storetest.StartCluster(t, 3)
	s, err := OpenExternal(t.Context(), External{Endpoints: c.Endpoints(), Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	storetest.Run(t, subject(s))
}

func TestAClusterOfSmallTransactionsIsWarnedOf(t *testing.T) {
	for _, tc := range []struct {
		options []string
		want    int
	}{{nil, 1}, {[]string{"--max-txn-ops=10000"}, 0}} {
		core, logs := observer.New(zapcore.WarnLevel)
		c := storetest.StartCluster(t, 1, tc.options...)
		s, err := OpenExternal(t.Context(), External{Endpoints: c.Endpoints(), Log: zap.New(core)})
		if err != nil {
			t.Fatal(err)
		}
		if got := logs.FilterMessageSnippet("small transactions").Len(); got != tc.want {
			t.Errorf("%v: %d warnings, want %d: %v", tc.options, got, tc.want, logs.All())
		}
		s.Close()
	}
}

func TestAStoreThatDoesNotAnswerIsAnErrorThatNamesTheEndpoints(t *testing.T) {
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", freePort(t))
	started := time.Now()
	_, err := OpenExternal(t.Context(), External{Endpoints: []string{endpoint}, Log: zap.NewNop()})
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), endpoint) ||
		!strings.Contains(err.Error(), "connection refused") {
		t.Errorf("open: %v", err)
	}
	if took := time.Since(started); took > 2*requestTimeout {
		t.Errorf("it took %s", took)
	}
	if _, err := OpenExternal(t.Context(), External{Log: zap.NewNop()}); err == nil {
		t.Error("opened without endpoints")
	}
}

func TestAStoreThatIsLostAndFoundGoesOn(t *testing.T) {
	d := startDebian(t, nil)
	s := openExternal(t, d.endpoint, nil)
	put := func(value string) (int64, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		res, err := s.Txn(ctx, store.Txn{Ops: []store.Op{store.Put("k", []byte(value))}})
		return res.Revision, err
	}
	from, err := put("1")
	if err != nil {
		t.Fatal(err)
	}
	watch := s.Watch(t.Context(), from)

	d.stop()
	started := time.Now()
	if _, err := put("2"); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), d.endpoint) {
		t.Errorf("write without a store: %v", err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}

	d.start()
	var rev int64
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if rev, err = put("3"); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("write 30 s after the store came back: %v", err)
	}
	timeout := time.After(30 * time.Second)
	for {
		select {
		case b := <-watch:
			if b.Err != nil {
				// Allowed, but then the next watch must have it.
				watch = s.Watch(t.Context(), from)
				continue
			}
			if b.Revision == rev {
				return
			}
		case <-timeout:
			t.Fatalf("the watch did not deliver revision %d", rev)
		}
	}
}

func TestAnExternalStoreSpeaksMutualTLS(t *testing.T) {
	pki := newPKI(t)
	d := startDebian(t, pki.issue("server"))
	s := openExternal(t, d.endpoint, pki.issue("client"))
	if _, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{store.Put("k", nil)}}); err != nil {
		t.Fatal(err)
	}
	other := newPKI(t).issue("client")
	for name, c := range map[string]struct {
		tls  *TLS
		says string
	}{
		"a server of another authority": {other, "certificate signed by unknown authority"},
		"a client of another authority": {&TLS{Cert: other.Cert, Key: other.Key, CA: pki.path("ca.pem")}, "bad certificate"},
		"no certificate":                {&TLS{CA: pki.path("ca.pem")}, "certificate"},
		"files that do not exist":       {&TLS{Cert: "/none", Key: "/none", CA: "/none"}, "/none"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if _, err := OpenExternal(ctx, External{Endpoints: []string{d.endpoint}, TLS: c.tls, Log: zap.NewNop()}); err == nil {
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), d.endpoint) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

// pki is a certificate authority in a directory.
type pki struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{t: t, dir: t.TempDir()}
	p.cert = &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	p.key = p.sign("ca", p.cert, p.cert, nil)
	return p
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

func (p *pki) issue(name string) *TLS {
	p.t.Helper()
	p.sign(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, p.cert, p.key)
	return &TLS{Cert: p.path(name + ".pem"), Key: p.path(name + ".key"), CA: p.path("ca.pem")}
}

// sign writes a certificate and its key; a nil parent key means self-signed.
func (p *pki) sign(name string, cert, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) *ecdsa.PrivateKey {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	if parentKey == nil {
		parentKey = key
	}
	cert.SerialNumber = big.NewInt(time.Now().UnixNano())
	cert.NotBefore, cert.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
	if err != nil {
		p.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der},
		name + ".key": {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(p.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return key
}
