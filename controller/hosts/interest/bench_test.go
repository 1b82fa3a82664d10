package interest

import (
	"fmt"
	"testing"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// benchEngine has 1,000 connected hosts in the know, each with 50 ports on
// networks of 20 hosts and one on a network of all.
func benchEngine() (*world, *Engine, []*Feed) {
	w := newWorld()
	w.setNetwork("common", aNetwork("common", model.VXLAN))
	for h := range 1000 {
		host := fmt.Sprint("hv", h)
		a := anAgent(host, byte(h), model.VXLAN)
		w.setAgent(a.ID, a)
		for i := range 50 {
			net := fmt.Sprintf("net-%d-%d", h/20, i%10)
			if w.networks[net] == nil {
				w.setNetwork(net, aNetwork(net, model.VXLAN))
			}
			id := fmt.Sprintf("port-%d-%d", h, i)
			w.setPort(id, aPort(id, net, host))
		}
		w.setPort("common-"+host, aPort("common-"+host, "common", host))
	}
	e := New(4096)
	e.Apply(w.everything(1))
	var feeds []*Feed
	for h := range 1000 {
		f := e.Connect(fmt.Sprint("hv", h))
		e.Next(f)
		feeds = append(feeds, f)
	}
	return w, e, feeds
}

func BenchmarkChange(b *testing.B) {
	w, e, feeds := benchEngine()
	for _, bm := range []struct{ name, id, network string }{
		{"port of a network on 20 hosts", "port-0-0", "net-0-0"},
		{"port of a network on 1000 hosts", "common-hv0", "common"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				p := aPort(bm.id, bm.network, "hv0")
				p.DNSName = fmt.Sprint(n)
				for _, f := range e.Apply(records.Batch{Revision: int64(n), Changes: []records.Change{w.setPort(bm.id, p)}}) {
					e.Next(f)
				}
			}
		})
	}
	b.Run("snapshot of 2000 ports", func(b *testing.B) {
		for b.Loop() {
			e.Next(e.Connect(feeds[0].Host()))
		}
	})
}
