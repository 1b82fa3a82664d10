package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

// The kinds of objects, as bodies call them.
const (
	kindPort       = "port"
	kindNetwork    = "network"
	kindSubnet     = "subnet"
	kindRouter     = "router"
	kindFloatingIP = "floatingip"
	kindForwarding = "port_forwarding"
	kindGroup      = "security_group"
	kindRule       = "security_group_rule"
	kindAddresses  = "address_group"
)

// object describes an object, nil if there is none.
func (w *walk) object(kind, id string) *Object {
	if id == "" {
		return nil
	}
	o := &Object{Kind: kind, ID: id}
	switch kind {
	case kindPort:
		if p, ok := records.Ports.Get(w.r, id); ok {
			o.describe(p.Meta, portText(p))
		}
	case kindNetwork:
		if n, ok := records.Networks.Get(w.r, id); ok {
			o.describe(n.Meta, "")
		}
	case kindSubnet:
		if s, ok := records.Subnets.Get(w.r, id); ok {
			o.describe(s.Meta, s.CIDR.String())
		}
	case kindRouter:
		if r, ok := records.Routers.Get(w.r, id); ok {
			o.describe(r.Meta, "")
		}
	case kindFloatingIP:
		if f, ok := records.FloatingIPs.Get(w.r, id); ok {
			o.describe(f.Meta, f.FloatingIP.String())
		}
	case kindForwarding:
		if f, ok := records.PortForwardings.Get(w.r, id); ok {
			o.describe(f.Meta, fmt.Sprintf("%s %d-%d to %s %d-%d", f.Protocol, f.External.First, f.External.Last, f.InternalIP, f.Internal.First, f.Internal.Last))
		}
	case kindGroup:
		if g, ok := records.SecurityGroups.Get(w.r, id); ok {
			o.describe(g.Meta, "")
		}
	case kindRule:
		if r, ok := records.SecurityGroupRules.Get(w.r, id); ok {
			o.describe(r.Meta, r.Summary())
		}
	case kindAddresses:
		if g, ok := records.AddressGroups.Get(w.r, id); ok {
			o.describe(g.Meta, "")
		}
	}
	return o
}

func (o *Object) describe(m model.Meta, text string) {
	o.Name, o.project, o.Text = m.Name, m.ProjectID, text
}

// Words is the kind of an object as people call it.
func (o *Object) Words() string {
	if o.Kind == kindFloatingIP {
		return "floating IP"
	}
	return strings.ReplaceAll(o.Kind, "_", " ")
}

// String is the object in a sentence.
func (o *Object) String() string {
	if o == nil {
		return "nothing"
	}
	out := o.Words()
	switch {
	case o.Name != "":
		out += " " + o.Name
	case o.ID != "":
		out += " " + o.ID
	}
	if o.Kind == kindRule && o.Text != "" {
		out += " (" + o.Text + ")"
	}
	return out
}

func portText(p *model.Port) string {
	var parts []string
	for _, f := range p.FixedIPs {
		parts = append(parts, f.IP.String())
	}
	if p.DeviceOwner != "" {
		parts = append(parts, p.DeviceOwner)
	}
	return strings.Join(parts, " ")
}

// ofFeature are the kinds of objects that a feature's cookies name, the
// likeliest first.
var ofFeature = map[pipeline.Feature][]string{
	pipeline.FeatureNetwork:   {kindNetwork},
	pipeline.FeatureProvider:  {kindNetwork},
	pipeline.FeatureTunnel:    {kindNetwork},
	pipeline.FeaturePort:      {kindPort},
	pipeline.FeatureIdentity:  {kindPort},
	pipeline.FeatureDelivery:  {kindPort},
	pipeline.FeatureResponder: {kindPort},
	pipeline.FeatureFilter:    {kindPort},
	pipeline.FeatureAsk:       {kindPort},
	pipeline.FeatureRouter:    {kindPort},
	pipeline.FeatureMetadata:  {kindPort},
	pipeline.FeatureGroup:     {kindGroup},
	pipeline.FeatureRule:      {kindRule},
	pipeline.FeatureMember:    {kindPort, kindAddresses},
}

// index finds the update's records by what cookies hold of their ids.
func (n *node) index() {
	n.objects = map[string][]ref{}
	add := func(kind, id string) {
		if d := strings.ReplaceAll(id, "-", ""); len(d) == 32 {
			n.objects[d[:12]] = append(n.objects[d[:12]], ref{kind, id})
		}
	}
	u := n.host.Update
	for _, r := range u.Networks {
		add(kindNetwork, r.ID)
	}
	for _, r := range u.Ports {
		add(kindPort, r.ID)
	}
	for _, r := range u.Groups {
		add(kindGroup, r.ID)
	}
	for _, r := range u.Rules {
		add(kindRule, r.ID)
	}
	for _, r := range u.Members {
		add(kindPort, r.PortID)
	}
	for _, r := range u.AddressGroups {
		add(kindAddresses, r.ID)
	}
}

// owner finds the object that a cookie names.
func (n *node) owner(cookie uint64) (ref, bool) {
	f, d, ours := pipeline.Explain(cookie)
	if !ours || d == "" {
		return ref{}, false
	}
	for _, kind := range ofFeature[f] {
		if i := slices.IndexFunc(n.objects[d], func(r ref) bool { return r.kind == kind }); i >= 0 {
			return n.objects[d][i], true
		}
	}
	return ref{}, false
}
