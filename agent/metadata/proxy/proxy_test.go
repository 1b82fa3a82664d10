package proxy

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// scopeOf is a scope in a namespace of a test.
func scopeOf(ns string, port int, networks ...Network) Scope {
	return Scope{Namespaces: []string{"lt-none", ns}, Owner: linuxtest.Owner, Port: port, Networks: networks}
}

// isolated makes a namespace as DHCP's, which has the metadata address, and a
// guest beside it.
func isolated(t *testing.T) (inner, guest string) {
	t.Helper()
	inner = linuxtest.Namespace(t)
	guest = link(t, inner, "tap0", "10.0.0.5/24")
	linuxtest.Run(t, inner, "sysctl", "-qw", "net.ipv6.conf.tap0.accept_dad=0")
	for _, a := range []string{"10.0.0.2/24", "169.254.169.254/32", "fe80::a9fe:a9fe/64"} {
		linuxtest.Run(t, inner, "ip", "addr", "add", a, "dev", "tap0", "nodad")
	}
	linuxtest.Run(t, guest, "ip", "route", "add", "169.254.169.254/32", "via", "10.0.0.2")
	return inner, guest
}

const (
	url4 = "http://169.254.169.254/latest/meta-data/?recursive=1"
	url6 = "http://[fe80::a9fe:a9fe%25eth0]/latest/"
)

func TestGuestsWithOneAddressOnTwoNetworksGetTheirOwnData(t *testing.T) {
	nova := newFakeNova(t)
	ns1, guest1 := isolated(t)
	ns2, guest2 := isolated(t)
	network := func(id, ns string) Scope {
		s := scopeOf(ns, 80, Network{ID: "n-" + id, Ports: []Port{{
			ID: "p-" + id, Instance: "vm-" + id, Project: "project-" + id, Addresses: addrs("10.0.0.5"),
		}}})
		s.Addresses = addrs("169.254.169.254", "fe80::a9fe:a9fe")
		return s
	}
	one, two := network("1", ns1), network("2", ns2)
	one.Networks[0].Ports[0].Others = append(addrs(), macOf(t, guest1).LinkLocal())
	w := start(t, ofNova(nova), map[string]Scope{"qdhcp-1": one, "qdhcp-2": two})
	for i, guest := range []string{guest1, guest2} {
		want := fmt.Sprintf("instance vm-%d", i+1)
		if status, body := w.get(guest, url4); status != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", guest, status, body, want)
		}
		rq, _ := nova.last()
		if rq.RequestURI != "/md/latest/meta-data/?recursive=1" || rq.Header.Get("X-Tenant-ID") != fmt.Sprintf("project-%d", i+1) || rq.Header.Get("X-Forwarded-For") != "10.0.0.5" {
			t.Errorf("Nova was asked %s with %v", rq.RequestURI, rq.Header)
		}
	}
	if status, body := w.get(guest1, url6); status != 200 || body != "instance vm-1" {
		t.Errorf("over IPv6: %d %q", status, body)
	}
	if status, _ := w.get(guest2, url6); status != http.StatusNotFound {
		t.Errorf("a link-local address that no port has: %d", status)
	}
	if line := w.raw(guest1, "10.0.0.2:80", "GET / HTTP/1.0\r\n\r\n"); line != "" {
		t.Errorf("at an address that is not the metadata service's: %q", line)
	}
}

func TestARequestIsFromTheNetworkOfItsLink(t *testing.T) {
	nova := newFakeNova(t)
	router := linuxtest.Namespace(t)
	guests := []string{link(t, router, "qr-a", "10.1.0.5/24"), link(t, router, "qr-b", "10.2.0.5/24")}
	for i, l := range []string{"qr-a", "qr-b"} {
		linuxtest.Run(t, router, "sysctl", "-qw", "net.ipv6.conf."+l+".accept_dad=0")
		linuxtest.Run(t, router, "ip", "addr", "add", fmt.Sprintf("10.%d.0.1/24", i+1), "dev", l)
		linuxtest.Run(t, router, "ip", "addr", "add", "fe80::1/64", "dev", l, "nodad")
		// Without the kernel's own link-local address, or it might be taken.
		linuxtest.Run(t, guests[i], "ip", "link", "set", "eth0", "addrgenmode", "none")
		linuxtest.Run(t, guests[i], "ip", "-6", "addr", "flush", "dev", "eth0")
		linuxtest.Run(t, guests[i], "ip", "addr", "add", "fe80::5/64", "dev", "eth0", "nodad")
		linuxtest.Run(t, guests[i], "ip", "addr", "add", "fd00::5/128", "dev", "eth0", "nodad")
	}
	linuxtest.Run(t, router, "ip", "route", "add", "fd00::5/128", "dev", "qr-b")
	port := func(id string, addresses ...string) Network {
		return Network{ID: id, Link: "qr-" + id, Ports: []Port{{ID: id, Instance: "vm-" + id, Addresses: addrs(addresses...)}}}
	}
	w := start(t, ofNova(nova), map[string]Scope{"qrouter-1": scopeOf(router, 9697,
		port("a", "10.1.0.5", "10.2.0.5", "fe80::5", "fd00::5"), port("b", "10.1.0.6", "fe80::5"))})
	for _, tc := range []struct {
		guest  int
		url    string
		status int
		body   string
	}{
		{0, "http://10.1.0.1:9697/", 200, "instance vm-a"},
		{0, "http://[fe80::1%25eth0]:9697/", 200, "instance vm-a"},
		{1, "http://[fe80::1%25eth0]:9697/", 200, "instance vm-b"},
		{1, "http://10.2.0.1:9697/", 404, "Not Found\n"},
	} {
		if status, body := w.get(guests[tc.guest], tc.url); status != tc.status || body != tc.body {
			t.Errorf("guest %d, %s: %d %q, want %d %q", tc.guest, tc.url, status, body, tc.status, tc.body)
		}
	}
	// The address is known, but on the other link.
	linuxtest.Run(t, guests[1], "ip", "route", "add", "fd00::1/128", "dev", "eth0", "src", "fd00::5")
	linuxtest.Run(t, router, "ip", "addr", "add", "fd00::1/128", "dev", "qr-b")
	if status, _ := w.get(guests[1], "http://[fd00::1]:9697/"); status != 404 {
		t.Errorf("with an address of the other network: %d", status)
	}
}

func TestTheProxyFollowsItsFilesAndItsNamespace(t *testing.T) {
	nova := newFakeNova(t)
	ns, guest := isolated(t)
	scope := scopeOf(ns, 80, Network{ID: "n", Ports: []Port{{ID: "p", Instance: "first", Addresses: addrs("10.0.0.5")}}})
	w := start(t, ofNova(nova), map[string]Scope{"qdhcp-1": scope, "qdhcp-2": scopeOf("lt-never", 80)})
	if _, body := w.get(guest, url4); body != "instance first" {
		t.Fatalf("body %q", body)
	}
	hup := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGHUP) }
	until := func(what, want string) {
		t.Helper()
		end := time.Now().Add(5 * time.Second)
		for {
			_, body := w.get(guest, url4)
			if body == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %q", what, body)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	scope.Networks[0].Ports[0].Instance = "second"
	w.write(ScopeFile(w.dir, "qdhcp-1"), scope)
	hup()
	until("after SIGHUP", "instance second")

	// What cannot be used leaves in force what was.
	if err := os.WriteFile(ScopeFile(w.dir, "qdhcp-1"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.write(SettingsFile(w.dir), Settings{})
	hup()
	time.Sleep(100 * time.Millisecond)
	until("after broken files", "instance second")

	// A namespace that was made anew is served again.
	w.write(ScopeFile(w.dir, "qdhcp-1"), scope)
	if err := netns.Delete(ns, linuxtest.Owner); err != nil {
		t.Fatal(err)
	}
	again, guest2 := isolated(t)
	guest = guest2
	scope.Namespaces, scope.Networks[0].Ports[0].Instance = []string{again}, "third"
	w.write(ScopeFile(w.dir, "qdhcp-1"), scope)
	hup()
	until("in a new namespace", "instance third")
}

func TestForgedHeadersStayBehind(t *testing.T) {
	nova := newFakeNova(t)
	ns, guest := isolated(t)
	w := start(t, ofNova(nova), map[string]Scope{"qdhcp-1": scopeOf(ns, 80, Network{ID: "n", Ports: []Port{{ID: "p", Instance: "vm", Project: "pr", Addresses: addrs("10.0.0.5")}}})})
	w.get(guest, url4)
	line := w.raw(guest, "169.254.169.254:80", "POST /openstack/latest/password HTTP/1.1\r\nHost: nova.internal\r\n"+
		"X-Instance-ID: other\r\nx-instance-id: other\r\nX_Instance_ID: other\r\nX-Tenant-ID: other\r\nX-Forwarded-For: 10.0.0.9\r\n"+
		"X-Instance-ID-Signature: "+Sign(secret, "other")+"\r\nX-Metadata-Provider: p\r\nAuthorization: x\r\nCookie: a=b\r\n"+
		"Transfer-Encoding: chunked\r\nConnection: X-Instance-ID\r\n\r\n5\r\nhello\r\n0\r\nX-Instance-ID: other\r\n\r\n")
	if line != "HTTP/1.1 200 OK" {
		t.Errorf("%q", line)
	}
	rq, body := nova.last()
	if body != "hello" || rq.Host == "nova.internal" {
		t.Errorf("host %q, body %q", rq.Host, body)
	}
	got := fmt.Sprint(rq.Header)
	want := fmt.Sprint(http.Header{
		"Accept-Encoding": nil, "Content-Length": {"5"}, "User-Agent": {"lepton"}, "X-Forwarded-For": {"10.0.0.5"}, "X-Instance-Id": {"vm"},
		"X-Instance-Id-Signature": {Sign(secret, "vm")}, "X-Tenant-Id": {"pr"},
	})
	if strings.ReplaceAll(got, "Accept-Encoding:[gzip] ", "Accept-Encoding:[] ") != want && got != strings.ReplaceAll(want, "Accept-Encoding:[] ", "") {
		t.Errorf("Nova got %s, want %s", got, want)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	nova := newFakeNova(t)
	ns, guest := isolated(t)
	w := start(t, ofNova(nova), map[string]Scope{"qdhcp-1": scopeOf(ns, 80, Network{ID: "n", Ports: []Port{{ID: "p", Instance: "vm", Addresses: addrs("10.0.0.5")}}})})
	if status, body := w.get(guest, url4); status != 200 || body != "instance vm" {
		t.Fatalf("%d %q", status, body)
	}
	if res, err := client(guest).Head(url4); err != nil || res.StatusCode != 200 || res.Header.Get("X-Inner") != "" {
		t.Errorf("HEAD: %v %v", res, err)
	}
	for _, tc := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request) bool
		status int
	}{
		{"a refusal", func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(403); return true }, 403},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
			return true
		}, 302},
		{"a broken answer", func(w http.ResponseWriter, _ *http.Request) bool {
			c, _, _ := w.(http.Hijacker).Hijack()
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
			_ = c.Close()
			return true
		}, 502},
		{"one without end", func(w http.ResponseWriter, _ *http.Request) bool {
			for range maxAnswer>>16 + 2 {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					break
				}
			}
			return true
		}, 502},
	} {
		nova.mu.Lock()
		nova.answer = tc.answer
		nova.mu.Unlock()
		if status, _ := w.get(guest, url4); status != tc.status {
			t.Errorf("%s: %d, want %d", tc.name, status, tc.status)
		}
	}
	nova.Server.Close()
	if status, _ := w.get(guest, url4); status != 502 {
		t.Errorf("without Nova: %d", status)
	}
}
