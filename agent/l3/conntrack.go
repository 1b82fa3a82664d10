package l3

import (
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/linux/conntrack"
	"github.com/lepton-sdn/lepton/model"
)

// Justifies reports whether a tracked connection may go on: addresses of the
// external network that it is translated to or from are still given to what is
// behind them. Other translations are not the records' business, and what uses
// the gateway's own address may always stay.
func (n NAT) Justifies(e conntrack.Entry) bool {
	if from := e.Reply.Dst; from != e.Original.Src && n.lent(from) && n.Static[from] != e.Original.Src {
		return false
	}
	if n.bypasses(e) {
		return false
	}
	to := e.Original.Dst
	if to == e.Reply.Src || !n.lent(to) || n.Static[to] == e.Reply.Src {
		return true
	}
	return slices.ContainsFunc(n.Forwarded[to], func(f *model.PortForwarding) bool { return forwards(f, e) })
}

// bypasses reports whether a connection of a guest with a floating address went
// by the router's home before it had that address. Its packets come by here now,
// and would leave untranslated.
func (n NAT) bypasses(e conntrack.Entry) bool {
	from, to := e.Original.Src, e.Original.Dst
	if len(n.Inside) == 0 || e.Reply.Dst != from || slices.ContainsFunc(n.Inside, func(p netip.Prefix) bool { return p.Contains(to) }) {
		return false
	}
	for _, fixed := range n.Static {
		if fixed == from {
			return true
		}
	}
	return false
}

// lent reports whether the address is one of the external network that is not
// the gateway's own.
func (n NAT) lent(a netip.Addr) bool {
	return !slices.Contains(n.External, a) &&
		slices.ContainsFunc(n.Networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// forwards reports whether the connection is one that the forwarding makes.
func forwards(f *model.PortForwarding, e conntrack.Entry) bool {
	if number, ok := model.ProtocolNumber(f.Protocol); !ok || number != int(e.Proto) || e.Reply.Src != f.InternalIP {
		return false
	}
	port := int(e.Original.DstPort)
	if port < f.External.First || port > f.External.Last {
		return false
	}
	internal := f.Internal.First
	if f.Internal.Len() > 1 {
		internal += port - f.External.First
	}
	return int(e.Reply.SrcPort) == internal
}
