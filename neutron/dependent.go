package neutron

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// This file: what is made of objects that have no collection of their own, or
// in a second request because it needs what comes between.

// qosRules plans the rules of QoS policies, which are below them.
func (p *Plan) qosRules() {
	count := p.begin("QoS rule")
	have := p.target.byID("QoS policy")
	for _, policy := range p.world.source.Objects["QoS policy"] {
		there := map[string]bool{}
		for _, rule := range have[policy.id()].objects("rules") {
			there[rule.id()] = true
		}
		for _, rule := range policy.objects("rules") {
			count.Found++
			if there[rule.id()] {
				count.Present++
				continue
			}
			kind := rule.text("type")
			body := rule.with([]string{"max_kbps", "max_burst_kbps", "dscp_mark", "min_kbps", "min_kpps", "max_kpps", "max_burst_kpps", "direction"})
			body["lepton_import"] = Object{"id": rule.id()}
			p.step(Step{
				Kind: "QoS rule", ID: rule.id(), Name: policy.text("name"), Does: "create",
				method: http.MethodPost, path: "qos/policies/" + policy.id() + "/" + kind + "_rules", member: kind + "_rule", body: body,
			})
		}
	}
}

// segments plans what segments are called, and those that a network in Lepton
// lacks.
func (p *Plan) segments() {
	count := p.begin("segment")
	have := p.target.byID("segment")
	networks := p.target.byID("network")
	for _, s := range p.world.source.Objects["segment"] {
		n, known := p.world.networks[s.text("network_id")]
		if !known || isHANetwork(n) {
			continue
		}
		count.Found++
		there, ok := have[s.id()]
		_, present := networks[n.id()]
		called := set(there["name"]) || set(there["description"])
		switch {
		case ok && same(there["name"], s["name"]) && same(there["description"], s["description"]):
			count.Present++
		case called:
			p.note("segment", s, Note{Verdict: Differs, Attribute: "name", Reason: fmt.Sprintf("%s in Neutron, %s in Lepton", brief(s["name"]), brief(there["name"]))})
		case ok || !present && p.world.orderedSegments(n) != nil:
			if !set(s["name"]) && !set(s["description"]) {
				count.Found-- // it comes with its network
				continue
			}
			p.step(Step{
				Kind: "segment", ID: s.id(), Name: s.text("name"), Does: "name",
				method: http.MethodPut, path: "segments/" + s.id(), member: "segment", body: s.with([]string{"name", "description"}),
			})
		case present:
			p.note("segment", s, Note{Verdict: Differs, Attribute: "id", Reason: fmt.Sprintf("network %s is in Lepton with segments of other ids", n.id())})
		}
	}
}

// defaultNetworks plans which network is the default external one: it can be
// once it is external.
func (p *Plan) defaultNetworks() {
	p.phase++
	have := p.target.byID("network")
	for _, n := range p.world.source.Objects["network"] {
		if n["is_default"] == true && have[n.id()]["is_default"] != true {
			p.step(Step{
				Kind: "network", ID: n.id(), Name: n.text("name"), Does: "make default",
				method: http.MethodPut, path: "networks/" + n.id(), member: "network", body: Object{"is_default": true},
			})
		}
	}
}

// interfaces plans which ports are routers' interfaces.
func (p *Plan) interfaces() {
	count := p.begin("router interface")
	have := p.target.byID("port")
	for _, port := range p.world.source.Objects["port"] {
		if !isInterface(port) {
			continue
		}
		router, ok := p.world.routers[port.text("device_id")]
		if !ok {
			p.note("port", port, Note{Verdict: LeftOut, Attribute: "device_id", Reason: fmt.Sprintf("router %s does not exist", port.text("device_id"))})
			continue
		}
		count.Found++
		switch of := have[port.id()].text("device_id"); of {
		case router.id():
			count.Present++
		case "":
			p.step(Step{
				Kind: "router interface", ID: port.id(), Name: router.text("name"), Does: "add to router " + router.id(),
				method: http.MethodPut, path: "routers/" + router.id() + "/add_router_interface", body: Object{"port_id": port.id()},
			})
		default:
			p.note("port", port, Note{Verdict: Differs, Attribute: "device_id", Reason: fmt.Sprintf("%s in Neutron, %s in Lepton", router.id(), of)})
		}
	}
}

// routes plans the extra routes of routers, whose next hops are beyond
// interfaces.
func (p *Plan) routes() {
	p.phase++
	have := p.target.byID("router")
	for _, r := range p.world.source.Objects["router"] {
		routes, there := r["routes"], have[r.id()]["routes"]
		switch {
		case same(routes, there):
		case canonical(there) != "":
			p.note("router", r, Note{Verdict: Differs, Attribute: "routes", Reason: fmt.Sprintf("%s in Neutron, %s in Lepton", brief(routes), brief(there))})
		default:
			p.step(Step{
				Kind: "router", ID: r.id(), Name: r.text("name"), Does: "set routes",
				method: http.MethodPut, path: "routers/" + r.id(), member: "router", body: Object{"routes": routes},
			})
		}
	}
}

// helpers plans the conntrack helpers of routers, which are below them.
func (p *Plan) helpers() {
	p.below(part{
		kind: "conntrack helper", path: "routers/%s/conntrack_helpers", member: "conntrack_helper", parent: "router_id",
		shape: func(h Object) Object { return h.with([]string{"protocol", "port", "helper"}) },
	})
}

// forwardings plans the port forwardings of floating addresses.
func (p *Plan) forwardings() {
	p.below(part{
		kind: "port forwarding", path: "floatingips/%s/port_forwardings", member: "port_forwarding", parent: "floatingip_id",
		shape: shapeForwarding,
	})
}

// part is a kind of object below others: the path with a place for the parent's
// id, and the attribute that Read has put that id into.
type part struct {
	kind, path, member, parent string
	shape                      func(Object) Object
}

// below plans objects below others.
func (p *Plan) below(b part) {
	count, have := p.begin(b.kind), p.target.byID(b.kind)
	for _, o := range p.world.source.Objects[b.kind] {
		count.Found++
		body := b.shape(o)
		if there, ok := have[o.id()]; ok {
			count.Present++
			for _, name := range slices.Sorted(maps.Keys(body)) {
				if !same(o[name], there[name]) {
					p.note(b.kind, o, Note{Verdict: Differs, Attribute: name, Reason: fmt.Sprintf("%s in Neutron, %s in Lepton", brief(o[name]), brief(there[name]))})
				}
			}
			continue
		}
		body["lepton_import"] = imported(o)
		p.step(Step{
			Kind: b.kind, ID: o.id(), Does: "create",
			method: http.MethodPost, path: fmt.Sprintf(b.path, o.text(b.parent)), member: b.member, body: body,
		})
	}
}

// quotas plans the limits of projects that have their own.
func (p *Plan) quotas() {
	count := p.begin("quota")
	have := map[string]Object{}
	for _, q := range p.target.Objects["quota"] {
		have[q.project()] = q
	}
	known := []string{
		"network", "subnet", "subnetpool", "port", "router", "floatingip", "rbac_policy", "security_group", "security_group_rule", "trunk",
	}
	for _, q := range p.world.source.Objects["quota"] {
		count.Found++
		limits, there := q.with(known), have[q.project()]
		o := Object{"id": q.project()}
		switch {
		case there == nil:
			p.step(Step{
				Kind: "quota", ID: q.project(), Does: "set",
				method: http.MethodPut, path: "quotas/" + q.project(), member: "quota", body: limits,
			})
		default:
			count.Present++
			for _, name := range slices.Sorted(maps.Keys(limits)) {
				if !same(limits[name], there[name]) {
					p.note("quota", o, Note{Verdict: Differs, Attribute: name, Reason: fmt.Sprintf("%s in Neutron, %s in Lepton", brief(limits[name]), brief(there[name]))})
				}
			}
		}
	}
}

// leftovers notes what is not taken at all.
func (p *Plan) leftovers() {
	for _, l := range leftovers() {
		for _, o := range p.world.source.Objects[l.kind] {
			if o["default"] == true { // of the configuration
				continue
			}
			p.note(l.kind, o, Note{Verdict: Unknown, Reason: "objects of this kind are not taken"})
		}
	}
}
