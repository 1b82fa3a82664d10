package api

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	forwardingSpec = plugin.ForwardingSpec
	forwardingView = plugin.ForwardingView
)

// newForwardings serves /v2.0/floatingips/<id>/port_forwardings.
func newForwardings(a *API, floating string) endpoint {
	p := a.config.Plugin
	view := func(r records.Reader, f *model.PortForwarding) *forwardingView { return p.ViewForwarding(r, f) }
	find := found(records.PortForwardings, view)
	target := func(v *forwardingView) identity.Target {
		return identity.Target{ProjectID: v.ProjectID, NetworkProjectID: v.FloatingProjectID}
	}
	return (&collection[forwardingSpec, forwardingView]{
		api: a, member: "port_forwarding", plural: "port_forwardings", path: "floatingips/" + floating + "/port_forwardings",
		kind: "PortForwarding", title: "Port Forwarding", bulk: true,
		attrs:  forwardingAttrs(),
		id:     func(v *forwardingView) string { return v.ID },
		meta:   func(v *forwardingView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *forwardingView) identity.Target { return target(v) },
		find: func(r records.Reader, id string) (*forwardingView, bool) {
			v, ok := find(r, id)
			return v, ok && v.FloatingIPID == floating
		},
		anywhere: func(r records.Reader, id string) bool { _, ok := find(r, id); return ok },
		all: func(r records.Reader) iter.Seq[*forwardingView] {
			return views(records.ForwardingsByFloatingIP.Get(r, floating), func(f *model.PortForwarding) *forwardingView { return view(r, f) })
		},
		fresh: func(*request) *forwardingSpec {
			s := &forwardingSpec{}
			s.FloatingIPID = floating
			return s
		},
		load:   func(v *forwardingView) *forwardingSpec { return &forwardingSpec{PortForwarding: *v.PortForwarding} },
		create: p.CreateForwarding,
		update: func(c plugin.Call, u *records.Update, before *forwardingView, s *forwardingSpec) error {
			return p.UpdateForwarding(c, u, before.PortForwarding, s)
		},
		remove: func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteForwarding(u, id) },
		specTarget: func(r records.Reader, s *forwardingSpec) identity.Target {
			return target(p.ViewForwarding(r, &s.PortForwarding))
		},
	}).governed()
}

func forwardingAttrs() []attr[forwardingSpec, forwardingView] {
	type row = attr[forwardingSpec, forwardingView]
	return []row{
		{name: "id", get: func(v *forwardingView) any { return v.ID }, filter: byText, sort: true},
		{
			name: "description", create: true, update: true, standard: "", check: text255, filter: byText,
			set: func(s *forwardingSpec, v any) { s.Description = v.(string) },
			get: func(v *forwardingView) any { return v.Description },
		},
		{
			name: "protocol", create: true, update: true, required: true, check: forwardedProtocol, filter: byText, sort: true,
			set: func(s *forwardingSpec, v any) { s.Protocol = v.(string) },
			get: func(v *forwardingView) any { return v.Protocol },
		},
		{
			name: "external_port", create: true, update: true, check: onePort, filter: byInt, sort: true,
			set: func(s *forwardingSpec, v any) { s.ExternalPorts.Single = v.(*model.PortRange) },
			get: func(v *forwardingView) any { return singlePort(v.External) },
		},
		{
			name: "external_port_range", create: true, update: true, check: portRange, filter: byText, sort: true,
			set: func(s *forwardingSpec, v any) { s.ExternalPorts.Range = v.(*model.PortRange) },
			get: func(v *forwardingView) any { return rangeText(v.External) },
		},
		{
			name: "internal_port", create: true, update: true, check: onePort, filter: byInt, sort: true,
			set: func(s *forwardingSpec, v any) { s.InternalPorts.Single = v.(*model.PortRange) },
			get: func(v *forwardingView) any { return singlePort(v.Internal) },
		},
		{
			name: "internal_port_range", create: true, update: true, check: portRange, filter: byText, sort: true,
			set: func(s *forwardingSpec, v any) { s.InternalPorts.Range = v.(*model.PortRange) },
			get: func(v *forwardingView) any { return rangeText(v.Internal) },
		},
		{
			name: "internal_port_id", create: true, update: true, required: true, check: uuidText, filter: byText, sort: true,
			set: func(s *forwardingSpec, v any) { s.PortID = v.(string) },
			get: func(v *forwardingView) any { return v.PortID },
		},
		{
			name: "internal_ip_address", create: true, update: true, check: nullable(address), filter: byText, sort: true,
			set: func(s *forwardingSpec, v any) { s.InternalIP, _ = v.(netip.Addr) },
			get: func(v *forwardingView) any { return addrOrNull(v.InternalIP) },
		},
		{name: "created_at", get: func(v *forwardingView) any { return v.CreatedAt }},
		{name: "updated_at", get: func(v *forwardingView) any { return v.UpdatedAt }},
		{name: "revision_number", get: func(v *forwardingView) any { return v.Revision }, filter: byInt},
		importRow[forwardingSpec, forwardingView](func(s *forwardingSpec) *model.Meta { return &s.Meta }),
	}
}

// forwardedProtocol takes a protocol with ports.
func forwardedProtocol(v any) (any, error) {
	if s, ok := v.(string); ok {
		v = strings.ToLower(s)
	}
	return oneOf("tcp", "udp")(v)
}

const maxPort = 65535

// onePort takes a TCP or UDP port and gives it as a *model.PortRange.
func onePort(v any) (any, error) {
	n, err := integer(1, maxPort)(v)
	if err != nil {
		return nil, err
	}
	return &model.PortRange{First: n.(int), Last: n.(int)}, nil
}

// portRange takes "<first>:<last>" or one port and gives a *model.PortRange.
func portRange(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, wrong("'%s' is not a valid range of ports", textOf(v))
	}
	first, last, ok := strings.Cut(s, ":")
	if !ok {
		last = first
	}
	a, err := integer(1, maxPort)(json.Number(first))
	if err != nil {
		return nil, wrong("'%s' is not a valid range of ports", textOf(v))
	}
	b, err := integer(1, maxPort)(json.Number(last))
	if err != nil || b.(int) < a.(int) {
		return nil, wrong("'%s' is not a valid range of ports", textOf(v))
	}
	return &model.PortRange{First: a.(int), Last: b.(int)}, nil
}

// singlePort shows a range of one port as the port, others as null.
func singlePort(r model.PortRange) any {
	if r.Len() != 1 {
		return nil
	}
	return r.First
}

func rangeText(r model.PortRange) string { return fmt.Sprintf("%d:%d", r.First, r.Last) }
