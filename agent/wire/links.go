package wire

import (
	"time"

	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/pipeline"
)

// links are the OpenFlow port numbers of what connects the bridges with each
// other and with other hosts; 0 or absent while there is none.
type links struct {
	patchTun, patchInt uint32
	physical           map[string]pipeline.PhysicalBridge
	tunnels            map[pipeline.TunnelKey]uint32
}

// linksOf finds the links in the database.
func linksOf(s ovsdb.State, d bridges.Desired) links {
	number := func(name string) uint32 { return uint32(max(s.Interfaces[name].OFPort, 0)) }
	out := links{
		patchTun: number(bridges.PatchTun), patchInt: number(bridges.PatchInt),
		physical: map[string]pipeline.PhysicalBridge{}, tunnels: map[pipeline.TunnelKey]uint32{},
	}
	for physnet, br := range d.BridgeMappings {
		if _, ok := s.Bridges[br]; !ok {
			continue
		}
		out.physical[physnet] = pipeline.PhysicalBridge{
			Bridge: br, IntPort: number(bridges.IntPort(br)), PhyPort: number(bridges.PhyPort(br)),
		}
	}
	for _, t := range d.Tunnels {
		if port := number(bridges.TunnelPort(t.Type, t.Remote)); port != 0 {
			out.tunnels[pipeline.TunnelKey{Host: t.Host, Type: t.Type}] = port
		}
	}
	return out
}

// lookAtSwitchPorts takes the OpenFlow port numbers of patches and tunnels
// into the view.
func (l *Loop) lookAtSwitchPorts() {
	links := linksOf(l.db.state, l.desiredBridges())
	old := [...]uint32{l.view.PatchTun, l.view.PatchInt, l.view.Metadata.OFPort}
	l.view.PatchTun, l.view.PatchInt = links.patchTun, links.patchInt
	l.view.Metadata.OFPort = 0
	if i, ok := l.db.state.Interfaces[l.cfg.MetadataLink]; ok && i.OFPort > 0 {
		l.view.Metadata.OFPort = uint32(i.OFPort)
	}
	if old != [...]uint32{l.view.PatchTun, l.view.PatchInt, l.view.Metadata.OFPort} {
		l.dirty.All = true // everything may depend on them
	}
	for physnet, p := range links.physical {
		if l.view.Physical[physnet] != p {
			l.view.Physical[physnet] = p
			l.dirty.Physical = append(l.dirty.Physical, physnet)
		}
	}
	for physnet := range l.view.Physical {
		if _, ok := links.physical[physnet]; !ok {
			delete(l.view.Physical, physnet)
			l.dirty.Physical = append(l.dirty.Physical, physnet)
		}
	}
	for k, port := range links.tunnels {
		if l.view.Tunnels[k] != port {
			l.view.Tunnels[k] = port
			l.dirty.Tunnels = append(l.dirty.Tunnels, k)
			l.touchTunnel(port)
		}
	}
	for k := range l.view.Tunnels {
		if _, ok := links.tunnels[k]; !ok {
			delete(l.view.Tunnels, k)
			l.dirty.Tunnels = append(l.dirty.Tunnels, k)
		}
	}
}

// touchAgain is how often tunnels are touched: Open vSwitch's userspace
// datapath forgets the MAC of a tunnel's other end after 15 minutes without a
// packet.
const touchAgain = 5 * time.Minute

// touchTunnel has a frame sent into a tunnel, so that the first packet of a
// guest is not lost: the userspace datapath drops packets for an end whose MAC
// it does not know, while it asks for it. The kernel's datapath keeps them.
func (l *Loop) touchTunnel(port uint32) {
	if b := l.bridges[l.cfg.Bridges.Tunnel]; b != nil && l.cfg.Bridges.DatapathType == "netdev" {
		b.touch[port] = true
	}
}

// touchTunnels touches all of them when it is time. It returns when it will be
// time again.
func (l *Loop) touchTunnels(now time.Time) time.Time {
	if now.Sub(l.touchedAt) >= touchAgain {
		l.touchedAt = now
		for _, port := range l.view.Tunnels {
			l.touchTunnel(port)
		}
	}
	return l.touchedAt.Add(touchAgain)
}
