package hosts_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pki"
)

// The cloud of the benchmark: every host has 50 ports on 10 of 500 networks,
// each of which has 100 ports on 20 hosts, and one port on a network that every
// host is on.
const (
	benchHosts    = 1000
	benchNetworks = 500
	portsPerHost  = 50
)

// fleet is many agents that only listen for one port.
type fleet struct {
	c        *cloud
	revision atomic.Int64 // of the watched port, to be waited for
	seen     chan struct{}
	snapped  chan struct{}
	updates  atomic.Int64
}

func (f *fleet) listen(s *session.Session) {
	for u := range s.Updates() {
		s.Ack(u.Revision)
		f.updates.Add(1)
		if u.Full {
			f.snapped <- struct{}{}
			continue
		}
		for _, p := range u.Ports {
			if p.DNSName == fmt.Sprint("n", f.revision.Load()) {
				f.seen <- struct{}{}
			}
		}
	}
}

func (f *fleet) wait(b *testing.B, what chan struct{}, n int) {
	b.Helper()
	late := time.After(2 * time.Minute)
	for i := range n {
		select {
		case <-what:
		case <-late:
			b.Fatalf("%d of %d hosts heard of it", i, n)
		}
	}
}

func fillCloud(c *cloud) {
	for n := range benchNetworks {
		c.put(vxlan(fmt.Sprint("net-", n)), subnet(fmt.Sprint("sub-", n), fmt.Sprint("net-", n)))
	}
	c.put(vxlan("common"))
	for h := range benchHosts {
		c.update(func(u *records.Update) {
			for i := range portsPerHost {
				n := (h/20*10 + i%10) % benchNetworks
				records.Ports.Put(u, port(fmt.Sprintf("port-%d-%d", h, i), fmt.Sprint("net-", n), fmt.Sprint("host-", h)))
			}
			records.Ports.Put(u, port(fmt.Sprint("common-", h), "common", fmt.Sprint("host-", h)))
		})
	}
}

// memory is what the process holds, in bytes.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func benchTLS(b *testing.B) (pki.Files, *pki.CA, string) {
	ca, err := pki.NewCA("bench")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	if err := ca.Save(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")); err != nil {
		b.Fatal(err)
	}
	return issue(b, ca, dir, "controller"), ca, dir
}

func issue(b *testing.B, ca *pki.CA, dir, name string) pki.Files {
	f := pki.Files{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"), CA: filepath.Join(dir, "ca.crt")}
	pair, err := ca.Issue(pki.Request{Names: []string{name}, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		b.Fatal(err)
	}
	if err := pair.Save(f.Cert, f.Key); err != nil {
		b.Fatal(err)
	}
	return f
}

// BenchmarkThousandAgents measures how long one changed port takes from the
// store to the hosts that need it, with real streams over TCP and mutual TLS,
// all ends in this process.
func BenchmarkThousandAgents(b *testing.B) {
	c := newCloud(b)
	fillCloud(c)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	files, ca, dir := benchTLS(b)
	serverKeys, err := files.Open(zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	var agents []*session.Session
	for h := range benchHosts {
		clientKeys, err := issue(b, ca, dir, fmt.Sprint("host-", h)).Open(zap.NewNop())
		if err != nil {
			b.Fatal(err)
		}
		me := hello(fmt.Sprint("host-", h))
		me.TunnelIP = netip.AddrFrom4([4]byte{10, 0, byte(h >> 8), byte(h)})
		known := me // a cloud that has been running: the controller was restarted
		known.ID = hosts.AgentID(me.Host)
		c.put(&known)
		agents = append(agents, session.New(session.Config{
			Addresses: []string{lis.Addr().String()}, Keys: clientKeys, Hello: me,
		}))
	}
	f := &fleet{c: c, seen: make(chan struct{}, benchHosts), snapped: make(chan struct{}, benchHosts)}
	before := memory()

	ctx, cancel := context.WithCancel(context.Background())
	server := hosts.New(hosts.Config{DB: c.db, Keys: serverKeys})
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Serve(ctx, lis); err != nil {
			b.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	began := time.Now()
	for _, s := range agents {
		running.Go(func() { _ = s.Run(ctx) })
		running.Go(func() { f.listen(s) })
	}
	f.wait(b, f.snapped, benchHosts)
	connected := time.Since(began)
	for last := int64(-1); last != f.updates.Load(); { // the tunnel ends that come with the agents
		last = f.updates.Load()
		time.Sleep(500 * time.Millisecond)
	}
	perSession := float64(memory()-before) / benchHosts

	change := func(id, network, host string, reach int) func(*testing.B) {
		return func(b *testing.B) {
			var worst time.Duration
			for b.Loop() {
				b.StopTimer()
				time.Sleep(20 * time.Millisecond) // a change on its own, not a burst
				b.StartTimer()
				p := port(id, network, host)
				p.DNSName = fmt.Sprint("n", f.revision.Add(1))
				began := time.Now()
				c.put(p)
				f.wait(b, f.seen, reach)
				worst = max(worst, time.Since(began))
			}
			b.ReportMetric(float64(worst.Milliseconds()), "worst-ms")
		}
	}
	b.Run("port of a network on 20 hosts", change("port-0-0", "net-0", "host-0", 20))
	b.Run("port of a network on every host", change("common-0", "common", "host-0", benchHosts))
	b.Run("statuses of 500 ports until stored", func(b *testing.B) { benchStatuses(b, c, agents) })
	b.Run("all agents connected and informed", func(b *testing.B) {
		for b.Loop() { // it was measured above
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(connected.Seconds(), "s")
		b.ReportMetric(perSession/1024, "KiB/session-both-ends")
		b.ReportMetric(float64(memory())/(1<<20), "MiB-process")
	})
}

// benchStatuses lets ten hosts report all their ports at once.
func benchStatuses(b *testing.B, c *cloud, agents []*session.Session) {
	revision := int64(1)
	for b.Loop() {
		revision++
		for h, s := range agents[:10] {
			for i := range portsPerHost {
				s.Report(model.PortStatus{PortID: fmt.Sprintf("port-%d-%d", h, i), State: model.PortActive, Revision: revision})
			}
		}
		c.eventually("all statuses", func() bool {
			n := 0
			_ = c.db.ReadStale(func(r records.Reader) error {
				for s := range records.PortStatuses.All(r) {
					if s.Revision == revision {
						n++
					}
				}
				return nil
			})
			return n == 10*portsPerHost
		})
	}
}
