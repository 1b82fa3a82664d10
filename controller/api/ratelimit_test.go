package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/ratelimit"
)

// badge knows who sends a token that begins with "u-", at once.
type badge struct{}

func (badge) Recognize(r *http.Request) (identity.Identity, bool) {
	user, ok := strings.CutPrefix(r.Header.Get("X-Auth-Token"), "u-")
	return identity.Identity{UserID: user, ProjectID: "p", Admin: true}, ok
}

func (badge) Authenticate(*http.Request) (identity.Identity, error) {
	return identity.Identity{}, fmt.Errorf("who? %w", identity.ErrUnauthorized)
}

func (badge) Challenge() string { return "" }

func TestAClientThatAsksTooMuchIsToldToWait(t *testing.T) {
	var known, strangers atomic.Int64
	c := newCloud(t, func(_ *plugin.Config, a *Config) {
		a.Auth, a.RateLimit = badge{}, ratelimit.Limit{PerSecond: 1, Burst: 5}
		a.Limited = func(stranger bool) {
			if stranger {
				strangers.Add(1)
			} else {
				known.Add(1)
			}
		}
	})
	ask := func(token string) (counts map[int]int, last http.Header, body map[string]any) {
		counts = map[int]int{}
		for range 9 {
			status, out, header := c.call("GET", "/v2.0/networks", nil, "X-Auth-Token", token)
			if counts[status]++; status == http.StatusTooManyRequests {
				last, body = header, out
			}
		}
		return counts, last, body
	}
	counts, header, body := ask("u-alice")
	if counts[200] < 5 || counts[429] < 1 || counts[200]+counts[429] != 9 {
		t.Fatalf("alice: %v", counts)
	}
	if s, err := strconv.Atoi(header.Get("Retry-After")); err != nil || s < 1 || s > 2 {
		t.Errorf("Retry-After: %q", header.Get("Retry-After"))
	}
	e, _ := body["NeutronError"].(map[string]any)
	if e["type"] != "TooManyRequests" || e["detail"] != "" || !strings.Contains(e["message"].(string), "Try again in 1 s") {
		t.Errorf("%v", body)
	}
	if status, _, _ := c.call("GET", "/v2.0/networks", nil, "X-Auth-Token", "u-bob"); status != 200 {
		t.Errorf("bob got %d", status)
	}
	if counts, _, _ := ask("nobody"); counts[401] < 5 || counts[429] < 1 {
		t.Errorf("strangers: %v", counts)
	}
	if status, _, _ := c.call("GET", "/v2.0/networks", nil, "X-Auth-Token", "u-carol"); status != 200 {
		t.Errorf("carol, at a stranger's address, got %d", status)
	}
	if status, _, _ := c.call("GET", "/", nil); status != 200 {
		t.Errorf("the list of versions: %d", status)
	}
	if known.Load() < 1 || strangers.Load() < 1 {
		t.Errorf("counted %d and %d", known.Load(), strangers.Load())
	}
}

// One client sends as much as it can, with bodies that never end, and fills what
// it may have; the other is answered all the same, and soon.
func TestAFloodOfOneClientKeepsNobodyElseOut(t *testing.T) {
	c := newCloud(t, func(_ *plugin.Config, a *Config) {
		a.Auth, a.RateLimit, a.MaxInFlight = badge{}, ratelimit.Limit{PerSecond: 200, Burst: 200}, 4
	})
	stop := make(chan struct{})
	var all sync.WaitGroup
	var refused atomic.Int64
	for range 4 {
		all.Go(func() { c.hang(stop) })
	}
	for range 16 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if status, _, _ := c.call("GET", "/v2.0/networks", nil, "X-Auth-Token", "u-flood"); status != 200 {
					refused.Add(1)
				}
			}
		})
	}
	for end := time.Now().Add(10 * time.Second); refused.Load() < 200 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	var took []time.Duration
	for range 100 {
		began := time.Now()
		if status, out, _ := c.call("GET", "/v2.0/networks", nil, "X-Auth-Token", "u-calm"); status != 200 {
			t.Fatalf("the calm client got %d %v", status, out)
		}
		took = append(took, time.Since(began))
	}
	close(stop)
	all.Wait()
	slices.Sort(took)
	if p99 := took[98]; p99 > time.Second {
		t.Errorf("the calm client waited %s, the flood was refused %d times", p99, refused.Load())
	}
	if refused.Load() < 200 {
		t.Errorf("the flood was refused %d times", refused.Load())
	}
}

// hang sends a request of the flooding client whose body stays away until stop.
func (c *cloud) hang(stop <-chan struct{}) {
	req, err := http.NewRequest("POST", c.server.URL+"/v2.0/networks", endless(stop))
	if err != nil {
		return
	}
	req.Header.Set("X-Auth-Token", "u-flood")
	if res, err := c.server.Client().Do(req); err == nil {
		_ = res.Body.Close()
	}
}

// endless is a body that has a byte, and ends when it is told to.
type endless <-chan struct{}

func (e endless) Read(p []byte) (int, error) {
	<-e
	return 0, fmt.Errorf("gone")
}

func TestStrangersOfOneNetworkOfIPv6AreOne(t *testing.T) {
	for _, c := range []struct{ remote, want string }{
		{"192.0.2.1:99", "192.0.2.1"},
		{"[::ffff:192.0.2.1]:99", "192.0.2.1"},
		{"[2001:db8:1:2:3::4]:99", "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:99", "fe80::/64"},
		{"@", "@"},
	} {
		if got := addressOf(&http.Request{RemoteAddr: c.remote}); got != c.want {
			t.Errorf("%s: %s, want %s", c.remote, got, c.want)
		}
	}
}
