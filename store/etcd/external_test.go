package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
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

	"github.com/lepton-sdn/lepton/pki"
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
func startDebian(t *testing.T, tls *pki.Files) *debian {
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

func openExternal(t *testing.T, endpoint string, tls *pki.Files) *Store {
	t.Helper()
	cfg := External{Endpoints: []string{endpoint}, Log: zap.NewNop()}
	var err error
	if tls != nil {
		if cfg.Keys, err = tls.Open(zap.NewNop()); err != nil {
			t.Fatal(err)
		}
	}
	s, err := OpenExternal(t.Context(), cfg)
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
	ca := newAuthority(t)
	d := startDebian(t, ca.issue("server"))
	s := openExternal(t, d.endpoint, ca.issue("client"))
	if _, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{store.Put("k", nil)}}); err != nil {
		t.Fatal(err)
	}
	other := newAuthority(t).issue("client")
	for name, c := range map[string]struct {
		tls  *pki.Files
		says string
	}{
		"a server of another authority": {other, "certificate signed by unknown authority"},
		"a client of another authority": {&pki.Files{Cert: other.Cert, Key: other.Key, CA: ca.path("ca.pem")}, "bad certificate"},
		"no certificate":                {&pki.Files{CA: ca.path("ca.pem")}, "certificate"},
	} {
		keys, err := c.tls.Open(zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if _, err := OpenExternal(ctx, External{Endpoints: []string{d.endpoint}, Keys: keys, Log: zap.NewNop()}); err == nil {
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), d.endpoint) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

// authority is a certificate authority in a directory.
type authority struct {
	t   *testing.T
	dir string
	ca  *pki.CA
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	ca, err := pki.NewCA("test authority")
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, dir: t.TempDir(), ca: ca}
	if err := ca.Save(a.path("ca.pem"), a.path("ca.key")); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) issue(name string) *pki.Files {
	a.t.Helper()
	f := &pki.Files{Cert: a.path(name + ".pem"), Key: a.path(name + ".key"), CA: a.path("ca.pem")}
	a.issueTo(name, f)
	return f
}

// issueTo puts a new certificate of the name in the place of what the files hold.
func (a *authority) issueTo(name string, f *pki.Files) {
	a.t.Helper()
	pair, err := a.ca.Issue(pki.Request{Names: []string{name}, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err == nil {
		err = pair.Save(f.Cert, f.Key)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// Neither the store nor what it does for others notices that a cluster moves
// from one authority to the next.
func TestAnExternalStoreGoesOverToAnotherAuthorityWithoutRestart(t *testing.T) {
	before, after := newAuthority(t), newAuthority(t)
	server, client := before.issue("server"), before.issue("client")
	client.CA, server.CA = before.path("believed-by-client"), before.path("believed-by-server")
	believe := func(f *pki.Files, list ...*authority) {
		t.Helper()
		var b []byte
		for _, a := range list {
			b = append(b, a.ca.CertPEM()...)
		}
		if err := os.WriteFile(f.CA, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	believe(client, before)
	believe(server, before)
	d := startDebian(t, server)
	s := openExternal(t, d.endpoint, client)
	n := 0
	write := func(when string) {
		t.Helper()
		n++
		deadline := time.Now().Add(20 * time.Second)
		for {
			_, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{store.Put(fmt.Sprint("k/", n), nil)}})
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", when, err)
			}
		}
	}
	restart := func() {
		t.Helper()
		d.stop()
		d.start()
	}
	write("at first")
	believe(client, before, after)
	believe(server, before, after)
	restart()
	write("both authorities are believed")
	after.issueTo("server", server)
	restart()
	write("the cluster has a certificate of the new authority")
	after.issueTo("client", client)
	believe(server, after)
	restart()
	write("the cluster believes the new authority only")
	believe(client, after)
	restart()
	write("and so does the client")
}
