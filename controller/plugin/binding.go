package plugin

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Values of binding:vif_type.
const (
	VIFOpenVSwitch   = "ovs"
	VIFUnbound       = "unbound"
	VIFBindingFailed = "binding_failed"
)

// bound reports whether a host realises the port.
func bound(port *model.Port) bool {
	return port.VIFType != "" && port.VIFType != VIFUnbound && port.VIFType != VIFBindingFailed
}

// bind decides how the port's host plugs it.
func (p *Plugin) bind(r records.Reader, n *model.Network, port *model.Port) {
	port.VIFDetails = nil
	if port.Host == "" {
		port.VIFType = VIFUnbound
		return
	}
	agent := p.agentFor(r, n, port)
	if agent == nil {
		port.VIFType = VIFBindingFailed
		return
	}
	port.VIFType = VIFOpenVSwitch
	port.VIFDetails = map[string]any{
		"connectivity":    "l2",
		"port_filter":     true,
		"ovs_hybrid_plug": false,
		"datapath_type":   orDefault(agent.DatapathType, "system"),
		"bridge_name":     orDefault(agent.IntegrationBridge, "br-int"),
		"bound_drivers":   map[string]any{"0": "openvswitch"},
	}
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// agentFor finds a live agent on the port's host that can realise a segment of
// the network for the kind of interface: the one of the port's addresses, where
// they are of one.
func (p *Plugin) agentFor(r records.Reader, n *model.Network, port *model.Port) *model.Agent {
	if port.VNICType != "" && port.VNICType != "normal" {
		return nil
	}
	for a := range records.AgentsByHost.Get(r, port.Host) {
		s, ok := n.SegmentOn(a)
		if ok && p.Alive(a) && addressesWorkOn(r, n, port, s) {
			return a
		}
	}
	return nil
}

// addressesWorkOn reports whether the port's addresses are of the segment, or
// of none.
func addressesWorkOn(r records.Reader, n *model.Network, port *model.Port, s model.Segment) bool {
	if len(n.Segments) < 2 {
		return true
	}
	for _, f := range port.FixedIPs {
		subnet, ok := records.Subnets.Get(r, f.SubnetID)
		if ok && subnet.SegmentID != "" && !slices.ContainsFunc(n.Segments, func(o model.NetworkSegment) bool { return o.ID == subnet.SegmentID && o.Segment == s }) {
			return false
		}
	}
	return true
}

// rebind binds an updated port again if what the binding depends on changed, or
// if it has not succeeded yet. A bound port stays bound otherwise, also while
// its agent is away.
func (p *Plugin) rebind(r records.Reader, n *model.Network, before, port *model.Port) {
	same := port.Host == before.Host && port.VNICType == before.VNICType &&
		sameProfile(port.BindingProfile, before.BindingProfile)
	if same && bound(before) {
		return
	}
	p.bind(r, n, port)
}

func sameProfile(a, b map[string]any) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// rebindTimeout bounds the work of RebindHost on one port.
const rebindTimeout = 10 * time.Second

// RebindHost binds the ports of a host again whose binding has failed: for when
// its agent came up, or learned to reach another network. It returns how many
// are bound now that were not. One port's error does not keep the others back;
// the first is returned.
func (p *Plugin) RebindHost(ctx context.Context, db *records.DB, host string) (int, error) {
	var failed []string
	err := db.Read(ctx, func(r records.Reader) error {
		for port := range records.PortsByHost.Get(r, host) {
			if port.VIFType == VIFBindingFailed {
				failed = append(failed, port.ID)
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read the ports of host %s: %w", host, err)
	}
	count := 0
	var first error
	for _, id := range failed {
		now, err := p.rebindPort(ctx, db, id)
		if err != nil && first == nil {
			first = fmt.Errorf("bind port %s again: %w", id, err)
		}
		if now {
			count++
		}
	}
	return count, first
}

func (p *Plugin) rebindPort(ctx context.Context, db *records.DB, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, rebindTimeout)
	defer cancel()
	now := false
	_, err := db.Update(ctx, func(u *records.Update) error {
		now = false
		port, ok := records.Ports.Get(u, id)
		if !ok || port.VIFType != VIFBindingFailed {
			return nil
		}
		network, ok := records.Networks.Get(u, port.NetworkID)
		if !ok {
			return nil
		}
		changed := *port
		if p.bind(u, network, &changed); !bound(&changed) {
			return nil
		}
		now = true
		p.touch(&changed.Meta)
		records.Ports.Put(u, &changed)
		return nil
	})
	return now && err == nil, err
}
