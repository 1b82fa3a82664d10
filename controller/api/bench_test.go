package api

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/store/etcd"
)

// BenchmarkPortCreate makes ports on one network over HTTP, with the embedded
// etcd. It reports ports per second and the 99th percentile of the answers.
func BenchmarkPortCreate(b *testing.B) {
	for _, clients := range []int{1, 8} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) { benchmarkPortCreate(b, clients) })
	}
}

// BenchmarkPortList lists 10,000 ports: all of them, a page, and those of one
// device.
func BenchmarkPortList(b *testing.B) {
	c := newCloud(b, unlimited)
	network := id(c.network(`{"name": "bench"}`))
	c.subnet(network, `"ip_version": 4, "cidr": "10.0.0.0/12"`)
	bulk := make([]string, 500)
	for round := range 20 {
		for i := range bulk {
			bulk[i] = fmt.Sprintf(`{"network_id": %q, "device_id": "vm%d-%d"}`, network, round, i)
		}
		c.must(http.StatusCreated, "POST", "/v2.0/ports", `{"ports": [`+strings.Join(bulk, ",")+`]}`)
	}
	for _, query := range []string{"", "?limit=100", "?limit=100&sort_key=name&sort_dir=asc", "?device_id=vm3-7", "?fields=id"} {
		b.Run("ports"+query, func(b *testing.B) {
			for b.Loop() {
				res, err := http.Get(c.server.URL + "/v2.0/ports" + query)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
}

func benchmarkPortCreate(b *testing.B, clients int) {
	s, err := etcd.OpenEmbedded(b.Context(), etcd.Embedded{Dir: b.TempDir(), Log: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	c := newCloudOn(b, s, func(p *plugin.Config, _ *Config) { p.Quotas[plugin.QuotaPort] = -1 })
	c.agent("hv1")
	network := id(c.network(`{"name": "bench"}`))
	c.subnet(network, `"ip_version": 4, "cidr": "10.0.0.0/12"`)
	c.port(network, "")
	body := `{"port": {"network_id": "` + network + `", "binding:host_id": "hv1", "device_owner": "compute:nova"}}`
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	begin := time.Now()
	for range clients {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				from := time.Now()
				res, err := client.Post(c.server.URL+"/v2.0/ports", "application/json", strings.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != http.StatusCreated {
					b.Errorf("status %d", res.StatusCode)
				}
				took[i] = time.Since(from)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "ports/s")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	client.CloseIdleConnections()
}
