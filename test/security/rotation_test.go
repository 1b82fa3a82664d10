package security

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/test/e2e"
)

// put replaces a file whole, as an operator's install does.
func put(t testing.TB, path string, parts ...[]byte) {
	t.Helper()
	err := os.WriteFile(path+".new", bytes.Join(parts, nil), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every certificate and the authority itself are replaced while guests talk: no
// packet is lost, no stream ends, and what connects anew is believed by the new
// ones.
func TestAnAuthorityIsReplacedUnderTraffic(t *testing.T) {
	c := &cloud{e2e.Start(t, "three-node")}
	n := c.Network(nil)
	c.Subnet(n, "10.7.0.0/24")
	near, far := c.Guest("hv1", "near", n), c.Guest("hv2", "far", n)
	c.AllReach(near, far)
	c.AwaitInSync("net1", "hv1", "hv2")
	stolen := c.steal("hv1")
	old := filepath.Join(c.Lab.Plan().Dir, "pki")
	next := filepath.Join(t.TempDir(), "pki")
	d, err := pki.Create(next, "the next one")
	c.Must(err)
	hosts := []string{"net1", "hv1", "hv2"}
	for _, h := range hosts {
		_, err := d.Issue(pki.Request{Names: []string{h}, Addresses: []netip.Addr{c.host(h).Mgmt.Addr()}})
		c.Must(err)
	}
	// believe has all hosts believe the authorities of these directories.
	believe := func(dirs ...string) {
		for _, h := range hosts {
			var authorities, lists [][]byte
			for _, dir := range dirs {
				authorities, lists = append(authorities, read(t, dir, "ca.pem")), append(lists, read(t, dir, "crl.pem"))
			}
			put(t, c.file(h, "tls", "ca.pem"), authorities...)
			put(t, c.file(h, "tls", "crl.pem"), lists...)
		}
	}
	oldCA, oldList := read(t, old, "ca.pem"), read(t, old, "crl.pem")
	kept := t.TempDir()
	put(t, filepath.Join(kept, "ca.pem"), oldCA)
	put(t, filepath.Join(kept, "crl.pem"), oldList)
	since := len(c.log("net1", "controller"))
	stop := c.Stream(near, far, 4)

	believe(kept, next)
	if got := c.shownAt("net1", stolen); got != "lab "+c.Lab.Plan().Lab {
		t.Errorf("before its certificate is new the controller's is of %q", got)
	}
	for _, h := range hosts {
		put(t, c.file(h, "tls", "key.pem"), read(t, next, h, "key.pem"))
		put(t, c.file(h, "tls", "cert.pem"), read(t, next, h, "cert.pem"))
	}
	both := stolen
	both.CA = c.file("hv1", "tls", "ca.pem")
	if got := c.shownAt("net1", both); got != "the next one" {
		t.Errorf("with a new certificate the controller's is of %q", got)
	}
	if log := c.log("net1", "controller")[since:]; strings.Contains(log, "disconnected") {
		t.Errorf("a stream ended:\n%s", log)
	}
	time.Sleep(500 * time.Millisecond) // streams have time to notice
	if r := stop(); r.Lost() != 0 || r.Sent < 20 {
		t.Errorf("of %d packets %d were lost", r.Sent, r.Lost())
	}
	c.Restart("hv2", "agent", true)
	c.AwaitInSync("hv2")
	believe(next)
	c.Restart("hv1", "agent", false)
	c.AwaitInSync("hv1")
	both.CA = filepath.Join(next, "ca.pem")
	th := c.as(both)
	th.refused(th.hello("hv1", "x"), "", "connection refused", "hv1 serial", "unknown authority")
	c.Restart("net1", "controller", true)
	c.AwaitInSync("net1", "hv1", "hv2")
	c.AllReach(near, far)
}

// shownAt gives the name of the authority of the certificate that the controller
// shows to somebody with these files.
func (c *cloud) shownAt(host string, f pki.Files) (authority string) {
	c.Helper()
	keys, err := f.Open(zap.NewNop())
	c.Must(err)
	place, err := c.Lab.Place("hv2")
	c.Must(err)
	c.Must(place.Inside(func() error {
		conf := keys.Client()
		conf.ServerName = c.host(host).Mgmt.Addr().String()
		d := tls.Dialer{Config: conf}
		ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
		defer cancel()
		conn, err := d.DialContext(ctx, "tcp", conf.ServerName+":9797")
		if err != nil {
			return err
		}
		defer conn.Close()
		authority = conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Issuer.CommonName
		return nil
	}))
	return authority
}

// output collects what a program says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// controller starts a lepton-controller and waits until it is ready.
func controller(t *testing.T, config string) *output {
	t.Helper()
	file := filepath.Join(t.TempDir(), "controller.yaml")
	put(t, file, []byte(config))
	cmd, out := exec.Command(filepath.Join(e2e.BinDir(), "lepton-controller"), "--config", file), &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(30 * time.Second); !strings.Contains(out.String(), " ready: "); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the controller is not ready:\n%s", out)
		}
	}
	return out
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestTheAPIsCertificateIsReplacedWithoutRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pki")
	d, err := pki.Create(path, "cloud")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []pki.Request{{Names: []string{"api"}, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}, {Names: []string{"hv1"}}} {
		if _, err := d.Issue(r); err != nil {
			t.Fatal(err)
		}
	}
	tokens, address := filepath.Join(path, "tokens"), freeAddress(t)
	put(t, tokens, []byte("tokens: [{ token: good, user: u, project: p, roles: [admin] }]\n"))
	out := controller(t, fmt.Sprintf(`api: { listen: %q, tls: { cert: %s/api/cert.pem, key: %[2]s/api/key.pem } }
rpc: { listen: "127.0.0.1:0" }
metrics: { listen: "" }
store: { embedded: { dir: %[3]q } }
auth: { mode: token, token: { file: %q } }
`, address, path, filepath.Join(t.TempDir(), "store"), tokens))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, path, "ca.pem"))
	client := func() *http.Client {
		return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	}
	get := func(c *http.Client, token string) (serial string, status int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+address+"/v2.0/networks", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Auth-Token", token)
		res, err := c.Do(req)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.TLS.PeerCertificates[0].SerialNumber.String(), res.StatusCode
	}
	open := client()
	before, code := get(open, "good")
	if code != 200 {
		t.Fatalf("status %d", code)
	}
	if _, err := d.Renew("api", time.Hour); err != nil {
		t.Fatal(err)
	}
	if same, code := get(open, "good"); same != before || code != 200 {
		t.Errorf("the open connection: certificate %s, status %d", same, code)
	}
	if after, code := get(client(), "good"); after == before || code != 200 {
		t.Errorf("a new connection: certificate %s, status %d", after, code)
	}
	// An agent's certificate is nobody at the API.
	agent, err := tls.LoadX509KeyPair(filepath.Join(path, "hv1", "cert.pem"), filepath.Join(path, "hv1", "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	thief := client()
	thief.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{agent}
	for _, token := range []string{"", "hv1"} {
		if _, code := get(thief, token); code != 401 {
			t.Errorf("with an agent's certificate and token %q: status %d", token, code)
		}
	}
	// What cannot be used leaves what was there.
	put(t, filepath.Join(path, "api", "cert.pem"), []byte("half a certif"))
	if _, code := get(client(), "good"); code != 200 {
		t.Errorf("with a broken file: status %d", code)
	}
	if !strings.Contains(out.String(), "changed certificate files cannot be used") {
		t.Errorf("nothing in the log:\n%s", out)
	}
	if res, err := (&http.Client{Timeout: 5 * time.Second}).Get("http://" + address + "/v2.0/networks"); err == nil && res.StatusCode != 400 {
		t.Errorf("without TLS: status %d", res.StatusCode)
	}
}
