package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

const (
	// fillBulk ports are made at a time while the store is filled, and loadBulk
	// where bulk requests are measured.
	fillBulk, loadBulk = 500, 50
	// perNetwork ports are on each network, and perDevice of one server.
	perNetwork, perDevice = 500, 2
	// mostGrowth is how much longer a list of one port may take with ten times
	// the ports.
	mostGrowth = 2.0
)

// server is a controller of its own on loopback, with the embedded store.
type server struct {
	cmd *exec.Cmd
	dir string
	api *lab.API
	// ports are those that are stored; some of them, for the lists.
	ports    []stored
	networks []string
}

// stored is a port as the lists look for it.
type stored struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	MAC      string `json:"mac_address"`
	Network  string `json:"network_id"`
	Device   string `json:"device_id"`
	FixedIPs []struct {
		IP string `json:"ip_address"`
	} `json:"fixed_ips"`
}

// startServer runs a controller and waits until it answers.
func startServer(ctx context.Context, bin string) (*server, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, api: &lab.API{URL: "http://" + address, HTTP: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute,
	}}}
	text := fmt.Sprintf("api: {listen: %q}\nrpc: {listen: \"127.0.0.1:0\"}\nmetrics: {listen: \"\"}\n"+
		"store: {embedded: {dir: %s}}\nlog: {level: warn}\n", address, filepath.Join(dir, "store"))
	file := filepath.Join(dir, "controller.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s.cmd = exec.CommandContext(ctx, filepath.Join(bin, "lepton-controller"), "--config", file)
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 15 * time.Second
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = s.api.Call(ctx, "GET", "/", nil, nil); err == nil {
			return s, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("the controller does not answer: %w", err)
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

// memory gives the controller's resident memory in MiB.
func (s *server) memory() (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kib, err := strconv.Atoi(f[1])
			return kib >> 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", s.cmd.Process.Pid)
}

// fill makes ports until so many are stored.
func (s *server) fill(ctx context.Context, n int) error {
	for len(s.ports) < n {
		net, err := s.network(ctx, len(s.networks))
		if err != nil {
			return err
		}
		s.networks = append(s.networks, net)
		for made := 0; made < perNetwork && len(s.ports) < n; made += fillBulk {
			var answer struct{ Ports []stored }
			body := s.bulk(net, len(s.ports), min(fillBulk, n-len(s.ports)))
			if err := s.api.Call(ctx, "POST", "/v2.0/ports", body, &answer); err != nil {
				return err
			}
			s.ports = append(s.ports, answer.Ports...)
		}
	}
	return nil
}

func (s *server) network(ctx context.Context, i int) (string, error) {
	var answer struct{ Network struct{ ID string } }
	body := map[string]any{"network": map[string]any{"name": fmt.Sprint("net", i), "project_id": project}}
	if err := s.api.Call(ctx, "POST", "/v2.0/networks", body, &answer); err != nil {
		return "", err
	}
	subnet := map[string]any{"subnet": map[string]any{
		"network_id": answer.Network.ID, "ip_version": 4, "cidr": "10.0.0.0/16", "project_id": project,
	}}
	return answer.Network.ID, s.api.Call(ctx, "POST", "/v2.0/subnets", subnet, nil)
}

// bulk is a request for ports with numbers from first on.
func (s *server) bulk(net string, first, n int) map[string]any {
	var ports []map[string]any
	for i := first; i < first+n; i++ {
		ports = append(ports, map[string]any{
			"network_id": net, "project_id": project, "name": fmt.Sprint("port", i),
			"device_owner": "compute:nova", "device_id": fmt.Sprint("server", i/perDevice),
		})
	}
	return map[string]any{"ports": ports}
}

// request is a kind of request that is measured.
type request struct {
	name string
	send func(ctx context.Context, s *server) error
	// one says that the answer is of a port or two, however many are stored.
	one bool
}

func requests() []request {
	list := func(name string, one bool, query func(p stored) string) request {
		return request{name: name, one: one, send: func(ctx context.Context, s *server) error {
			return s.get(ctx, "/v2.0/ports"+query(s.ports[rand.IntN(len(s.ports))]))
		}}
	}
	return []request{
		list("show", true, func(p stored) string { return "/" + p.ID }),
		list("list ?device_id=", true, func(p stored) string { return "?device_id=" + p.Device }),
		list("list ?name=", true, func(p stored) string { return "?name=" + p.Name }),
		list("list ?mac_address=", true, func(p stored) string { return "?mac_address=" + p.MAC }),
		list("list ?network_id=&fixed_ips=", true, func(p stored) string {
			return "?network_id=" + p.Network + "&fixed_ips=ip_address%3D" + p.FixedIPs[0].IP
		}),
		list("list ?network_id= (500 ports)", false, func(p stored) string { return "?network_id=" + p.Network }),
		list("list ?limit=100&marker=", true, func(p stored) string { return "?limit=100&marker=" + p.ID }),
		{name: "create", send: func(ctx context.Context, s *server) error {
			return s.api.Call(ctx, "POST", "/v2.0/ports", creation{net: network{ID: s.networks[rand.IntN(len(s.networks))]}}.body(), nil)
		}},
		{name: fmt.Sprintf("create, %d in bulk", loadBulk), send: func(ctx context.Context, s *server) error {
			return s.api.Call(ctx, "POST", "/v2.0/ports", s.bulk(s.networks[rand.IntN(len(s.networks))], 1<<20, loadBulk), nil)
		}},
	}
}

// get reads an answer to its end without looking at it: the client shares the
// processors with the controller.
func (s *server) get(ctx context.Context, path string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.api.URL+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept-Encoding", "identity")
	res, err := s.api.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %w", path, &lab.StatusError{Status: res.StatusCode})
	}
	return nil
}

// measured are the answers of one kind of request.
type measured struct {
	rate     float64
	p50, p99 time.Duration
	refused  int64 // 503: too much at once
}

func (m measured) String() string {
	text := fmt.Sprintf("%.0f/s, p50 %.1f ms, p99 %.1f ms", m.rate, m.p50.Seconds()*1000, m.p99.Seconds()*1000)
	if m.refused > 0 {
		text += fmt.Sprintf(", %d refused", m.refused)
	}
	return text
}

// load sends requests of one kind from so many clients for a while.
func (s *server) load(ctx context.Context, r request, clients int, long time.Duration) (measured, error) {
	var all []time.Duration
	var mu sync.Mutex
	var failed atomic.Pointer[error]
	var refused atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range clients {
		wg.Go(func() {
			var took []time.Duration
			for time.Since(began) < long && failed.Load() == nil {
				from := time.Now()
				err := r.send(ctx, s)
				if busy := (*lab.StatusError)(nil); errors.As(err, &busy) && busy.Status == http.StatusServiceUnavailable {
					refused.Add(1)
					continue
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				took = append(took, time.Since(from))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return measured{}, fmt.Errorf("%s: %w", r.name, *err)
	}
	if len(all) == 0 {
		return measured{}, fmt.Errorf("%s: all %d requests were refused", r.name, refused.Load())
	}
	rate := float64(len(all)) / time.Since(began).Seconds()
	slices.Sort(all)
	return measured{rate, all[len(all)/2], all[len(all)*99/100], refused.Load()}, nil
}

// underLoad measures a controller with different numbers of ports.
func (b *bench) underLoad(ctx context.Context, bin string, sizes []int, long time.Duration) error {
	s, err := startServer(ctx, bin)
	if err != nil {
		return err
	}
	defer s.stop()
	for _, quota := range []string{project, "fake_project_id"} { // the second makes what is made without a project
		body := map[string]any{"quota": map[string]int{"port": -1, "network": -1, "subnet": -1}}
		if err := s.api.Call(ctx, "PUT", "/v2.0/quotas/"+quota, body, nil); err != nil {
			return err
		}
	}
	before := map[string]time.Duration{}
	for _, size := range sizes {
		began := time.Now()
		if err := s.fill(ctx, size); err != nil {
			return err
		}
		b.memoryRow(s, fmt.Sprintf("%d ports stored, made in bulk in %.0f s", size, time.Since(began).Seconds()))
		for _, r := range requests() {
			for _, clients := range []int{1, 8, 64} {
				m, err := s.load(ctx, r, clients, long)
				if err != nil {
					return err
				}
				b.add(b.loadRow(r, size, clients, m, before))
			}
		}
		b.memoryRow(s, fmt.Sprintf("%d ports stored, after the load", size))
	}
	return nil
}

func (b *bench) memoryRow(s *server, what string) {
	mib, err := s.memory()
	figure := fmt.Sprintf("controller %d MiB", mib)
	if err != nil {
		figure = err.Error()
	}
	b.add(row{what: what, figure: figure, limit: "-", target: "-", ok: err == nil})
}

// loadRow judges a figure of one client by that with fewer ports before.
func (b *bench) loadRow(r request, size, clients int, m measured, before map[string]time.Duration) row {
	out := row{
		what:   fmt.Sprintf("%d ports: %s, %d client(s)", size, r.name, clients),
		figure: m.String(), limit: "-", target: "-", ok: true,
	}
	if !r.one || clients != 1 {
		return out
	}
	if fewer, ok := before[r.name]; ok {
		growth := float64(m.p50) / float64(fewer)
		out.limit = fmt.Sprintf("%.1f ms with fewer", fewer.Seconds()*1000)
		out.target = fmt.Sprintf("at most %.1f ×, is %.1f ×", mostGrowth, growth)
		out.ok = growth <= mostGrowth
	}
	before[r.name] = m.p50
	return out
}
