package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
)

// hostile is a proxy with a guest that means harm, and another one.
func hostile(t *testing.T, change func(*Settings)) (w *world, nova *fakeNova, bad, good string) {
	t.Helper()
	nova = newFakeNova(t)
	router := linuxtest.Namespace(t)
	bad, good = link(t, router, "qr-a", "10.1.0.5/24"), link(t, router, "qr-b", "10.2.0.5/24")
	var networks []Network
	for i, l := range []string{"qr-a", "qr-b"} {
		linuxtest.Run(t, router, "ip", "addr", "add", fmt.Sprintf("10.%d.0.1/24", i+1), "dev", l)
		networks = append(networks, Network{ID: l, Link: l, Ports: []Port{{ID: l, Instance: l, Addresses: addrs(fmt.Sprintf("10.%d.0.5", i+1))}}})
	}
	s := ofNova(nova)
	if change != nil {
		change(&s)
	}
	w = start(t, s, map[string]Scope{"qrouter-1": scopeOf(router, 9697, networks...)})
	if status, body := w.get(good, "http://10.2.0.1:9697/"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	return w, nova, bad, good
}

func TestRequestsThatAreTooMuchAreRefused(t *testing.T) {
	w, nova, bad, _ := hostile(t, nil)
	before, began := nova.count(), time.Now()
	for name, tc := range map[string]struct{ request, want string }{
		"a long header":     {"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 40<<10) + "\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large"},
		"a long path":       {"GET /" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large"},
		"a long body":       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("a", 20000), "HTTP/1.1 413 Request Entity Too Large"},
		"a body in chunks":  {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat("a", 4096)+"\r\n", 5), "HTTP/1.1 413 Request Entity Too Large"},
		"two lengths":       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 400 Bad Request"},
		"two framings":      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 501 Not Implemented"},
		"a way out":         {"GET /a/../../admin HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		"a hidden way out":  {"GET /a/%2e%2e%2f%2E%2e/admin HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		"no path":           {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK"}, // the server's own
		"a tunnel":          {"CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"},
		"an unknown method": {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"},
		"no HTTP":           {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		"a line in a line":  {"GET /\rX-Instance-ID:b HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 Bad Request"},
	} {
		if got := w.raw(bad, "10.1.0.1:9697", tc.request); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	if took := time.Since(began); took > headerTimeout {
		t.Errorf("the refusals took %s: somebody waited for more", took)
	}
	if n := nova.count(); n != before {
		t.Errorf("Nova was asked %d times", n-before)
	}
	// An address of somebody else in the request line is a path, too.
	if got := w.raw(bad, "10.1.0.1:9697", "GET http://10.9.9.9/x HTTP/1.1\r\nHost: x\r\n\r\n"); got != "HTTP/1.1 200 OK" {
		t.Errorf("an absolute target: %q", got)
	}
	if rq, _ := nova.last(); rq.RequestURI != "/md/x" {
		t.Errorf("Nova was asked %s", rq.RequestURI)
	}
}

func TestAPortMayAskSoOftenAndOthersDoNotNotice(t *testing.T) {
	w, _, bad, good := hostile(t, func(s *Settings) { s.RateLimit, s.BurstLimit = 1, 5 })
	answers := map[int]int{}
	for range 20 {
		res, err := client(bad).Get("http://10.1.0.1:9697/")
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") != "1" {
			t.Error("no Retry-After")
		}
		answers[res.StatusCode]++
	}
	if answers[200] < 5 || answers[200] > 8 || answers[429] != 20-answers[200] {
		t.Errorf("answers %v", answers)
	}
	if status, _ := w.get(good, "http://10.2.0.1:9697/"); status != 200 {
		t.Errorf("the other guest: %d", status)
	}
}

func TestSlowGuestsHoldUpNobody(t *testing.T) {
	w, _, bad, good := hostile(t, nil)
	var (
		conns  []net.Conn
		closed int
	)
	for range maxOfAddress + 20 {
		c, err := dial(t.Context(), bad, "10.1.0.1:9697")
		if errors.Is(err, syscall.ECONNRESET) { // one too many
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-")
		conns = append(conns, c)
	}
	began := time.Now()
	if status, _ := w.get(good, "http://10.2.0.1:9697/"); status != 200 || time.Since(began) > time.Second {
		t.Errorf("the other guest: %d after %s", status, time.Since(began))
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, c := range conns { // one byte a second keeps no connection open
		wg.Go(func() {
			stop := time.Now().Add(headerTimeout + 3*time.Second)
			for time.Now().Before(stop) {
				_ = c.SetReadDeadline(time.Now().Add(time.Second))
				_, err := bufio.NewReader(c).ReadByte()
				if err != nil && !isTimeout(err) {
					mu.Lock()
					closed++
					mu.Unlock()
					return
				}
				_, _ = io.WriteString(c, "a")
			}
		})
	}
	wg.Wait()
	if closed != len(conns) {
		t.Errorf("%d of %d slow connections were closed", closed, len(conns))
	}
	for end := time.Now().Add(2 * time.Second); w.proxy.total.Load() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are still counted", w.proxy.total.Load())
		}
	}
}

func isTimeout(err error) bool {
	t, ok := err.(net.Error)
	return ok && t.Timeout()
}

func TestAnAddressOfTwoPortsIsNobodys(t *testing.T) {
	own := func(id string, addresses ...string) Port { return Port{ID: id, Addresses: addrs(addresses...)} }
	pair := func(id string, addresses ...string) Port { return Port{ID: id, Others: addrs(addresses...)} }
	x := byAddress([]Port{own("a", "10.0.0.1", "10.0.0.2"), pair("b", "10.0.0.1", "10.0.0.3"), pair("c", "10.0.0.3", "10.0.0.4", "10.0.0.4"), own("d", "10.0.0.2")})
	for address, want := range map[string]string{"10.0.0.1": "a", "10.0.0.2": "", "10.0.0.3": "", "10.0.0.4": "c", "10.0.0.5": ""} {
		got := ""
		if p := x[netip.MustParseAddr(address)]; p != nil {
			got = p.ID
		}
		if got != want {
			t.Errorf("%s is %q, want %q", address, got, want)
		}
	}
}

// FuzzRequest: whatever a guest sends as a request, what goes on is a path below
// the service's, in one line.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\n\r\n", "GET http://a/b?c=d#e HTTP/1.1\r\n\r\n", "GET //evil/x HTTP/1.1\r\n\r\n", "GET /%2e%2e/ HTTP/1.1\r\n\r\n",
		"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "GET /%0d%0aX: y HTTP/1.1\r\n\r\n", "GET /?a=%0d%0a HTTP/1.1\r\n\r\n", "GET /a\\..\\b HTTP/1.1\r\n\r\n",
	} {
		f.Add(s)
	}
	n := newNova("http://127.0.0.1:8775/md", secret)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(s)))
		if err != nil {
			return
		}
		q, status := read(httptest.NewRecorder(), r)
		if q == nil {
			if status < 400 || status > 499 {
				t.Errorf("refused with %d", status)
			}
			return
		}
		rq, err := http.NewRequest(q.method, n.url+q.target, nil)
		if err != nil {
			return // answered with 502
		}
		if rq.URL.Host != "127.0.0.1:8775" || !strings.HasPrefix(rq.URL.RequestURI(), "/md/") || strings.ContainsAny(rq.URL.RequestURI(), "\r\n \x00") || climbs(rq.URL.Path) {
			t.Errorf("%q goes on as %q", s, rq.URL)
		}
		if len(q.body) > maxBody {
			t.Errorf("a body of %d bytes goes on", len(q.body))
		}
	})
}

func TestWhatWasAnsweredIsWrittenDown(t *testing.T) {
	w, _, bad, _ := hostile(t, nil)
	_, _ = w.get(bad, "http://10.1.0.1:9697/")
	w.raw(bad, "10.1.0.1:9697", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n")
	var c Counters
	for end := time.Now().Add(3 * countEvery); ; time.Sleep(100 * time.Millisecond) {
		var err error
		if c, err = ReadCounters(w.dir); err == nil && c.Requests["200"] == 2 && c.Requests["405"] == 1 && c.Scopes == 1 && c.Open == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("counters %+v, %v", c, err)
		}
	}
}
