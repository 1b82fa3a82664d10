package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "shared"

// fakeNova answers as Nova's metadata API does behind a proxy, if the signature
// is right, with the instance's id and what else it was told.
type fakeNova struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	answer   func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
}

func newFakeNova(t *testing.T) *fakeNova {
	n := &fakeNova{}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n.mu.Lock()
		n.requests, n.bodies = append(n.requests, r), append(n.bodies, string(body))
		answer := n.answer
		n.mu.Unlock()
		instance := r.Header.Get("X-Instance-ID")
		switch {
		case answer != nil && answer(w, r):
		case r.Header.Get("X-Instance-ID-Signature") != Sign(secret, instance):
			w.WriteHeader(http.StatusForbidden)
		default:
			w.Header().Set("X-Inner", "not for guests")
			fmt.Fprintf(w, "instance %s", instance)
		}
	}))
	t.Cleanup(n.Server.Close)
	return n
}

// last is the latest request.
func (n *fakeNova) last() (*http.Request, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := len(n.requests) - 1
	return n.requests[i], n.bodies[i]
}

func (n *fakeNova) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.requests)
}

// world is a proxy with a directory of its own.
type world struct {
	*testing.T
	dir      string
	settings Settings
	proxy    *Proxy
}

// start runs a proxy with scopes.
func start(t *testing.T, s Settings, scopes map[string]Scope) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), settings: s}
	w.write(SettingsFile(w.dir), s)
	for name, scope := range scopes {
		w.write(ScopeFile(w.dir, name), scope)
	}
	f, err := Load(SettingsFile(w.dir))
	if err != nil {
		t.Fatal(err)
	}
	if w.proxy, err = New(f, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.proxy.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) write(path string, v any) {
	w.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		w.Fatal(err)
	}
}

func ofNova(n *fakeNova) Settings {
	return Settings{Host: "h", NovaURL: n.URL + "/md", Secret: secret, RateLimit: 1000, BurstLimit: 1000}
}

// client sends requests from a namespace.
func client(ns string) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, network, address string) (net.Conn, error) { return dial(ctx, ns, address) },
	}}
}

func dial(ctx context.Context, ns, address string) (c net.Conn, err error) {
	address, err = numbered(ns, address)
	if err != nil {
		return nil, err
	}
	err = netns.Do(ns, func() error {
		c, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
		return err
	})
	return c, err
}

// get asks until there is somebody to answer.
func (w *world) get(ns, url string) (status int, body string) {
	w.Helper()
	end := time.Now().Add(10 * time.Second)
	for {
		res, err := client(ns).Get(url)
		if err == nil {
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			return res.StatusCode, string(b)
		}
		if time.Now().After(end) {
			w.Fatalf("GET %s from %s: %v", url, ns, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// raw sends bytes and gives the first line of the answer, "" when the connection
// is closed without one.
func (w *world) raw(ns, address, request string) string {
	w.Helper()
	c, err := dial(w.Context(), ns, address)
	if errors.Is(err, syscall.ECONNRESET) {
		return ""
	}
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, request)
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

// link makes a guest's namespace with a link to an inner one.
func link(t *testing.T, inner, name, address string) (guest string) {
	t.Helper()
	guest = linuxtest.Namespace(t)
	linuxtest.Veth(t, inner, name, guest, "eth0")
	linuxtest.Run(t, guest, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0")
	linuxtest.Run(t, guest, "ip", "addr", "add", address, "dev", "eth0")
	return guest
}

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func macOf(t *testing.T, ns string) (m model.MAC) {
	t.Helper()
	err := netns.WithHandle(ns, func(h *netlink.Handle) error {
		l, err := h.LinkByName("eth0")
		if err == nil {
			copy(m[:], l.Attrs().HardwareAddr)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// numbered puts the number of a link in the place of its name in an address:
// package net remembers names without their namespace.
func numbered(ns, address string) (string, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || at.Addr().Zone() == "" {
		return address, err
	}
	err = netns.WithHandle(ns, func(h *netlink.Handle) error {
		l, err := h.LinkByName(at.Addr().Zone())
		if err == nil {
			at = netip.AddrPortFrom(at.Addr().WithZone(fmt.Sprint(l.Attrs().Index)), at.Port())
		}
		return err
	})
	return at.String(), err
}
