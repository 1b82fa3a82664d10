package l3

import (
	"cmp"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/linux/shaping"
	"github.com/lepton-sdn/lepton/model"
)

// ifbPrefix begins the name of the link that what arrives at a limited gateway
// is led through.
const ifbPrefix = "ifb-"

// The directions of bandwidth limits, as the instance sees them.
const (
	egress  = "egress"
	ingress = "ingress"
)

// limits are what QoS policies say of the router's gateway: a floating address
// with a policy has its limit, and the gateway's is for all that passes but
// floating addresses.
func limits(in Input) []shaping.Link {
	if in.Replica {
		return lentLimits(in)
	}
	if in.Gateway == nil {
		return nil
	}
	id := in.Gateway.Port.ID
	l := shaping.Link{Name: linkName(externalPrefix, id), Ifb: linkName(ifbPrefix, id), Owner: "lepton limits of router " + in.Router.ID}
	l.Out = in.direction(egress)
	l.In = in.direction(ingress)
	return []shaping.Link{l}
}

func (in Input) direction(direction string) shaping.Direction {
	var d shaping.Direction
	minors := in.classNumbers()
	for _, f := range in.FloatingIPs {
		c, ok := class(in.Policies[f.QoSPolicyID], direction)
		if !ok {
			d.Exempt = append(d.Exempt, f.FloatingIP)
			continue
		}
		c.Minor, c.Addresses = minors[f.ID], []netip.Addr{f.FloatingIP}
		d.Classes = append(d.Classes, c)
	}
	if g := in.Router.Gateway; g != nil && !in.Replica {
		if c, ok := class(in.Policies[g.QoSPolicyID], direction); ok {
			c.Minor = gatewayClass
			d.Classes = append(d.Classes, c)
		}
	}
	slices.SortFunc(d.Classes, func(a, b shaping.Class) int { return cmp.Compare(a.Minor, b.Minor) })
	return d
}

// class makes a limit of a policy's rule for the direction.
func class(p *model.QoSPolicy, direction string) (shaping.Class, bool) {
	if p == nil {
		return shaping.Class{}, false
	}
	for _, r := range p.Rules {
		if r.Type == model.BandwidthLimit && r.Direction == direction && r.Value > 0 {
			burst := min(uint64(r.Burst)*1000/8, 1<<31)
			return shaping.Class{Rate: uint64(r.Value) * 1000, Burst: uint32(burst)}, true
		}
	}
	return shaping.Class{}, false
}

// gatewayClass is the class of the gateway's own limit, 1e:1.
const gatewayClass = 1

// classNumbers gives floating addresses their classes. A number comes from the
// id, so that it stays when other addresses come and go.
func (in Input) classNumbers() map[string]uint16 {
	out := map[string]uint16{}
	used := map[uint16]bool{}
	for _, f := range in.FloatingIPs {
		h := fnv.New32a()
		_, _ = h.Write([]byte(f.ID))
		const first, span = gatewayClass + 1, 0xffff - gatewayClass - 1
		n := first + uint16(h.Sum32()%span)
		for used[n] {
			n = first + (n-first+1)%span
		}
		out[f.ID], used[n] = n, true
	}
	return out
}
