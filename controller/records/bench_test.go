package records_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/etcd"
	"github.com/lepton-sdn/lepton/store/mem"
)

func embedded(tb testing.TB) store.Store {
	tb.Helper()
	s, err := etcd.OpenEmbedded(context.Background(), etcd.Embedded{Dir: tb.TempDir(), Log: zap.NewNop()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func open(tb testing.TB, s store.Store, opts ...records.Option) *records.DB {
	tb.Helper()
	db, err := records.Open(context.Background(), s, zap.NewNop(), opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

// port is a port as an API request makes it, the n-th of its network.
func port(network, subnet string, n int) *model.Port {
	now := time.Now().UTC()
	id := uuid.NewString()
	return &model.Port{
		Meta: model.Meta{
			ID: id, ProjectID: "6f70656e737461636b2d70726f6a6563", Name: "vm-" + id[:8],
			CreatedAt: now, UpdatedAt: now, Revision: 1,
		},
		NetworkID: network, MAC: model.MAC{0xfa, 0x16, 0x3e, byte(n >> 16), byte(n >> 8), byte(n)}, AdminStateUp: true,
		FixedIPs: []model.FixedIP{{SubnetID: subnet, IP: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}},
		DeviceID: uuid.NewString(), DeviceOwner: "compute:nova", Host: fmt.Sprintf("hv%03d", n%100),
		VNICType: "normal", VIFType: "ovs", VIFDetails: map[string]any{"port_filter": true, "connectivity": "l2"},
		PortSecurityEnabled: true, SecurityGroups: []string{"4b2f0d8e-5a4f-4c43-9d0d-3c6a1f7f1c55"},
		IPAllocation: "immediate",
	}
}

// createPort writes a port as the API does: it reads the network, the subnet and
// the group, and claims the address, the MAC and its use of them.
func createPort(ctx context.Context, db *records.DB, p *model.Port) error {
	_, err := db.Update(ctx, func(u *records.Update) error {
		for _, ok := range []bool{
			has(records.Networks, u, p.NetworkID),
			has(records.Subnets, u, p.FixedIPs[0].SubnetID),
		} {
			if !ok {
				return fmt.Errorf("port %s: network or subnet not found", p.ID)
			}
		}
		for _, key := range []string{
			"ip/" + p.FixedIPs[0].SubnetID + "/" + p.FixedIPs[0].IP.String(),
			"mac/" + p.NetworkID + "/" + p.MAC.String(),
			"use/network/" + p.NetworkID + "/" + p.ID,
		} {
			if err := u.Claim(key, p.ID); err != nil {
				return err
			}
		}
		records.Ports.Put(u, p)
		return nil
	})
	return err
}

func has[T any](t *records.Table[T], r records.Reader, id string) bool {
	_, ok := t.Get(r, id)
	return ok
}

// network writes a network and its subnet, and returns their ids.
func network(tb testing.TB, db *records.DB) (string, string) {
	tb.Helper()
	n := &model.Network{Meta: model.Meta{ID: uuid.NewString(), Name: "net"}}
	s := &model.Subnet{Meta: model.Meta{ID: uuid.NewString()}, NetworkID: n.ID, CIDR: netip.MustParsePrefix("10.0.0.0/8")}
	if _, err := db.Update(context.Background(), func(u *records.Update) error {
		records.Networks.Put(u, n)
		records.Subnets.Put(u, s)
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	return n.ID, s.ID
}

func stores(tb testing.TB) map[string]func(testing.TB) store.Store {
	tb.Helper()
	return map[string]func(testing.TB) store.Store{
		"mem":      func(testing.TB) store.Store { return mem.New() },
		"embedded": embedded,
	}
}

// The budget is 1 ms for the median.
func BenchmarkCreatePort(b *testing.B) {
	for name, make := range stores(b) {
		b.Run(name, func(b *testing.B) {
			db := open(b, make(b))
			net, sub := network(b, db)
			took := []time.Duration{}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				p := port(net, sub, n)
				n++
				started := time.Now()
				if err := createPort(b.Context(), db, p); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(started))
			}
			report(b, took)
		})
	}
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}

// The budget is 1,500 updates a second.
func BenchmarkSmallUpdatesFromEightGoroutines(b *testing.B) {
	for name, make := range stores(b) {
		b.Run(name, func(b *testing.B) {
			db := open(b, make(b))
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for g := range 8 {
				wg.Go(func() {
					for i := 0; left.Add(-1) >= 0; i++ {
						_, err := db.Update(b.Context(), func(u *records.Update) error {
							records.PortStatuses.Put(u, &model.PortStatus{
								PortID: fmt.Sprintf("%d-%d", g, i%1000), Host: "hv", State: model.PortActive, Revision: int64(i),
							})
							return nil
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}

func BenchmarkPortsOfOneNetworkFrom64Goroutines(b *testing.B) {
	for name, make := range stores(b) {
		b.Run(name, func(b *testing.B) {
			db := open(b, make(b))
			net, sub := network(b, db)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range 64 {
				wg.Go(func() {
					for {
						n := int(next.Add(1))
						if n > b.N {
							return
						}
						if err := createPort(b.Context(), db, port(net, sub, n)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ports/s")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for name, make := range stores(b) {
		b.Run(name, func(b *testing.B) {
			db := open(b, make(b))
			net, _ := network(b, db)
			b.ReportAllocs()
			for b.Loop() {
				if err := db.Read(b.Context(), func(r records.Reader) error {
					if !has(records.Networks, r, net) {
						return fmt.Errorf("network %s not found", net)
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The budget is 150 MB for 50,000 ports, with their claims.
func BenchmarkLoad50000Ports(b *testing.B) {
	s := mem.New()
	writer := open(b, s)
	net, sub := network(b, writer)
	for n := 0; n < 50_000; n += 500 {
		var ports []*model.Port
		for i := range 500 {
			ports = append(ports, port(net, sub, n+i))
		}
		if _, err := writer.Update(b.Context(), func(u *records.Update) error {
			for _, p := range ports {
				for _, key := range []string{
					"ip/" + sub + "/" + p.FixedIPs[0].IP.String(),
					"mac/" + net + "/" + p.MAC.String(),
					"use/network/" + net + "/" + p.ID,
				} {
					if err := u.Claim(key, p.ID); err != nil {
						return err
					}
				}
				records.Ports.Put(u, p)
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	writer.Close()
	for b.Loop() {
		before := heap()
		db := open(b, s)
		b.ReportMetric(float64(heap()-before)/1e6, "MB")
		var ports int
		started := time.Now()
		for range records.PortsByNetwork.Get(view(b, db), net) {
			ports++
		}
		b.ReportMetric(float64(time.Since(started).Microseconds()), "µs-list")
		if ports != 50_000 {
			b.Fatalf("%d ports", ports)
		}
		db.Close()
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func view(tb testing.TB, db *records.DB) (r records.Reader) {
	tb.Helper()
	if err := db.Read(tb.Context(), func(now records.Reader) error { r = now; return nil }); err != nil {
		tb.Fatal(err)
	}
	return r
}
