package main

import (
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
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lepton-sdn/lepton/agent/metadata/proxy"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// guestsAsking is how many guests ask at once.
const guestsAsking = 8

// metadataSite is a metadata proxy with namespaces as those of DHCP servers, a
// guest beside each, and what plays Nova.
type metadataSite struct {
	dir    string
	nova   *httptest.Server
	cmd    *exec.Cmd
	spaces []string
	guests []string
}

// metadata measures the proxy with n namespaces: requests a second and latency,
// against the same requests to Nova itself, and memory.
func (b *bench) metadata(ctx context.Context, bin string, n int, long time.Duration) (err error) {
	s := &metadataSite{}
	defer func() {
		if e := s.close(); err == nil {
			err = e
		}
	}()
	if err := s.open(ctx, bin, n); err != nil {
		return err
	}
	const path = "/latest/meta-data/instance-id"
	limit, err := ask(ctx, long, path, func(int) (string, string) { return "", s.nova.URL })
	if err != nil {
		return err
	}
	got, err := ask(ctx, long, path, func(i int) (string, string) {
		return s.guests[i*len(s.guests)/guestsAsking], "http://169.254.169.254"
	})
	if err != nil {
		return err
	}
	memory, err := residentOf(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("metadata, %d namespaces", n)
	b.add(row{
		what:   what + ": requests a second that Nova answers",
		figure: fmt.Sprintf("%.0f, 99%% in %s", got.rate, ms(got.p99)),
		limit:  fmt.Sprintf("%.0f, 99%% in %s", limit.rate, ms(limit.p99)),
		target: "500/s, 99% in 50 ms", ok: got.rate >= 500 && got.p99 < 50*time.Millisecond,
	})
	b.add(row{
		what: what + ": memory of the proxy", figure: fmt.Sprintf("%d MiB", memory>>20), limit: "-",
		target: "60 MiB", ok: memory < 60<<20,
	})
	return nil
}

// open makes the namespaces and starts the proxy.
func (s *metadataSite) open(ctx context.Context, bin string, n int) (err error) {
	if s.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	s.nova = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Instance-ID"))
	}))
	owner := "lepton bench " + filepath.Base(s.dir)
	settings := proxy.Settings{Host: "bench", NovaURL: s.nova.URL, Secret: "s", RateLimit: 1e5, BurstLimit: 1e5}
	if err := write(proxy.SettingsFile(s.dir), settings); err != nil {
		return err
	}
	for i := range n {
		space, guest := fmt.Sprintf("%s-n%d", filepath.Base(s.dir), i), fmt.Sprintf("%s-g%d", filepath.Base(s.dir), i)
		s.spaces, s.guests = append(s.spaces, space), append(s.guests, guest)
		for _, name := range []string{space, guest} {
			if _, err := netns.Ensure(name, owner); err != nil {
				return err
			}
		}
		if err := wireGuest(ctx, space, guest); err != nil {
			return err
		}
		scope := proxy.Scope{
			Namespaces: []string{space}, Owner: owner, Port: 80, Addresses: []netip.Addr{netip.MustParseAddr("169.254.169.254")},
			Networks: []proxy.Network{{ID: "n", Ports: []proxy.Port{{
				ID: fmt.Sprintf("p%d", i), Instance: fmt.Sprintf("vm%d", i), Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.5")},
			}}}},
		}
		if err := write(proxy.ScopeFile(s.dir, space), scope); err != nil {
			return err
		}
	}
	s.cmd = exec.CommandContext(ctx, filepath.Join(bin, "lepton-agent"), "metadata-proxy", "--config", proxy.SettingsFile(s.dir))
	if err := s.cmd.Start(); err != nil {
		return err
	}
	// The last one is there when its guest is answered.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c := guestClient(s.guests[n-1])
		res, err := c.Get("http://169.254.169.254/")
		if err == nil {
			_ = res.Body.Close()
			c.CloseIdleConnections()
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("metadata proxy: %w", err)
		}
	}
}

// wireGuest links a guest with the namespace that serves it.
func wireGuest(ctx context.Context, space, guest string) error {
	script := strings.ReplaceAll(`link add tap0 type veth peer name eth0 netns GUEST
address add 10.0.0.2/24 dev tap0
address add 169.254.169.254/32 dev tap0
link set tap0 up
`, "GUEST", netns.Path(guest))
	if err := ipBatch(ctx, space, script); err != nil {
		return err
	}
	return ipBatch(ctx, guest, "address add 10.0.0.5/24 dev eth0\nlink set eth0 up\nroute add 169.254.169.254/32 dev eth0\n")
}

func ipBatch(ctx context.Context, ns, batch string) error {
	cmd := exec.CommandContext(ctx, "ip", "-n", ns, "-batch", "-")
	cmd.Stdin = strings.NewReader(batch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip -batch: %w: %s", err, out)
	}
	return nil
}

func write(path string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	return err
}

// guestClient is an HTTP client in a namespace; "" is the bench's own.
func guestClient(ns string) *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
			err = netns.Do(ns, func() error {
				c, err = (&net.Dialer{}).DialContext(ctx, network, address)
				return err
			})
			return c, err
		},
	}}
}

// asked is what so many guests measured.
type asked struct {
	rate float64
	p99  time.Duration
}

// ask has guests ask for a path, one request after the other, for so long.
func ask(ctx context.Context, long time.Duration, path string, who func(i int) (ns, url string)) (asked, error) {
	var (
		mu    sync.Mutex
		took  []time.Duration
		wrong error
		wg    sync.WaitGroup
	)
	end := time.Now().Add(long)
	for i := range guestsAsking {
		wg.Go(func() {
			ns, url := who(i)
			c := guestClient(ns)
			defer c.CloseIdleConnections()
			var own []time.Duration
			var err error
			for time.Now().Before(end) && ctx.Err() == nil && err == nil {
				began := time.Now()
				var res *http.Response
				if res, err = c.Get(url + path); err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
					if res.StatusCode != http.StatusOK {
						err = errors.New(res.Status)
					}
					own = append(own, time.Since(began))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, own...)
			if err != nil {
				wrong = err
			}
		})
	}
	wg.Wait()
	if wrong != nil || len(took) == 0 {
		return asked{}, fmt.Errorf("ask for metadata: %d answers, %w", len(took), wrong)
	}
	slices.Sort(took)
	return asked{float64(len(took)) / long.Seconds(), took[len(took)*99/100]}, nil
}

// residentOf is the memory of a process that is in use, in bytes.
func residentOf(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "Rss: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("memory of process %d is not known", pid)
}

// close stops the proxy and removes the namespaces.
func (s *metadataSite) close() error {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(os.Interrupt)
		_ = s.cmd.Wait()
	}
	if s.nova != nil {
		s.nova.Close()
	}
	var first error
	for _, name := range slices.Concat(s.spaces, s.guests) {
		if err := netns.Delete(name, "lepton bench "+filepath.Base(s.dir)); err != nil && first == nil {
			first = err
		}
	}
	if err := os.RemoveAll(s.dir); err != nil && first == nil {
		first = err
	}
	return first
}
