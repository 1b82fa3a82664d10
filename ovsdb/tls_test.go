package ovsdb_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

// issued gives the files of a certificate of an authority.
func issued(t *testing.T, ca *pki.CA, name string) pki.Files {
	t.Helper()
	dir := t.TempDir()
	f := pki.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: filepath.Join(dir, "ca.pem")}
	pair, err := ca.Issue(pki.Request{Names: []string{name}, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Save(f.Cert, f.Key); err != nil {
		t.Fatal(err)
	}
	if err := ca.Save(f.CA, filepath.Join(dir, "ca-key.pem")); err != nil {
		t.Fatal(err)
	}
	return f
}

// secureDatabase has the switch's database served with TLS too, and gives the
// port on loopback.
func secureDatabase(t *testing.T, sw *ovstest.Switch, f pki.Files) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(lis.Addr().String())
	lis.Close()
	cmd := exec.Command("ovsdb-server", filepath.Join(sw.Dir, "conf.db"),
		"--remote=punix:"+filepath.Join(sw.Dir, "db.sock"), "--remote=pssl:"+port+":127.0.0.1",
		"--private-key="+f.Key, "--certificate="+f.Cert, "--ca-cert="+f.CA,
		"--unixctl="+filepath.Join(sw.Dir, "ovsdb2.ctl"), "-vconsole:off", "-vsyslog:off")
	cmd.Env = sw.Env()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start ovsdb-server: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	})
	return port
}

func keysOf(t *testing.T, f pki.Files) func() *tls.Config {
	t.Helper()
	k, err := f.Open(zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return func() *tls.Config {
		c := k.Client()
		c.MinVersion, c.NextProtos = tls.VersionTLS12, nil
		return c
	}
}

func TestTheDatabaseIsReachedWithTLS(t *testing.T) {
	sw := ovstest.Start(t)
	ours, err := pki.NewCA("ours")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := pki.NewCA("theirs")
	if err != nil {
		t.Fatal(err)
	}
	appctl(t, sw, "exit")
	endpoint := "ssl:127.0.0.1:" + secureDatabase(t, sw, issued(t, ours, "database"))

	c, err := ovsdb.DialTLS(testContext(t), endpoint, keysOf(t, issued(t, ours, "hv1")), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Commit(testContext(t), brInt()); err != nil {
		t.Error(err)
	}
	if out := sw.Vsctl("list-br"); !strings.Contains(out, "br-int") {
		t.Errorf("bridges: %q", out)
	}

	own, foreign := issued(t, ours, "hv1"), issued(t, theirs, "hv1")
	for name, f := range map[string]pki.Files{
		"a client of another authority":  {Cert: foreign.Cert, Key: foreign.Key, CA: own.CA},
		"a client that believes another": {Cert: own.Cert, Key: own.Key, CA: foreign.CA},
		"a client without a certificate": {CA: own.CA},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			if c, err := ovsdb.DialTLS(ctx, endpoint, keysOf(t, f), zap.NewNop()); err == nil {
				c.Close()
				t.Error("it was let in")
			}
		})
	}
	if _, err := ovsdb.Dial(testContext(t), endpoint, zap.NewNop()); err == nil || !strings.Contains(fmt.Sprint(err), "certificate") {
		t.Errorf("without keys: %v", err)
	}
}
