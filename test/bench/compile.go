package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

// compile measures Compile from nothing for a host with 1,000 ports of its own
// and 1,000 remote ones, IPv4 and IPv6, in ten VXLAN networks.
func (b *bench) compile(context.Context) error {
	v := bigView()
	var times []float64
	rules := 0
	for range 11 {
		began := time.Now()
		p := pipeline.Compile(v)
		times = append(times, float64(time.Since(began).Microseconds())/1000)
		rules = 0
		for _, r := range p.Bridges {
			rules += len(r)
		}
	}
	took := median(times)
	b.add(row{
		what:   "compile of a host with 1,000 ports, from nothing",
		figure: fmt.Sprintf("%.0f ms for %d flows", took, rules),
		limit:  "-", target: "under 100 ms", ok: took < 100,
	})
	return nil
}

func bigView() *pipeline.View {
	const networks, ports = 10, 1000
	v := &pipeline.View{
		Host:     "hv1",
		Config:   pipeline.Config{L2Population: true, ARPResponder: true},
		Networks: map[string]pipeline.Network{}, Ports: map[string]pipeline.LocalPort{},
		Remotes: map[string]*model.Port{}, Physical: map[string]pipeline.PhysicalBridge{},
		Tunnels:  map[pipeline.TunnelKey]uint32{{Host: "hv2", Type: model.VXLAN}: 2},
		PatchTun: 1, PatchInt: 1,
	}
	id := func(kind, i int) string { return fmt.Sprintf("%08x-%04x-4000-8000-000000000000", i+1, kind) }
	for i := range networks {
		v.Networks[id(1, i)] = pipeline.Network{VLAN: uint16(i + 1), Record: &model.Network{
			Meta: model.Meta{ID: id(1, i)}, AdminStateUp: true, MTU: 1450,
			Segment: model.Segment{Type: model.VXLAN, ID: uint32(5000 + i)},
		}}
	}
	for i := range 2 * ports {
		p := &model.Port{
			Meta: model.Meta{ID: id(2, i)}, NetworkID: id(1, i%networks), Host: "hv1",
			MAC: model.MAC{0xfa, 0x16, 0x3e, 0, byte(i >> 8), byte(i)}, AdminStateUp: true, PortSecurityEnabled: true,
			FixedIPs: []model.FixedIP{
				{IP: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})},
				{IP: netip.AddrFrom16([16]byte{0xfd, 15: byte(i), 14: byte(i >> 8)})},
			},
		}
		if i >= ports {
			p.Host = "hv2"
			v.Remotes[p.ID] = p
			continue
		}
		v.Ports[p.ID] = pipeline.LocalPort{Record: p, OFPort: uint32(10 + i)}
	}
	return v
}
