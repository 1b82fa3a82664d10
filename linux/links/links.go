// Package links brings links, addresses, routes and neighbours of a network
// namespace to what is desired.
//
//	Read(namespace) ─► have ┐
//	                        ├─ Diff ─► changes ─► netlink
//	desired Config ─► want ─┘
//
// A link named in the Config is owned: its permanent addresses, other than the
// link-local ones that the kernel makes, are exactly those of the Config. Links
// that are not named are not touched. Owned routes are those of protocol
// "static" in the main table and in those that the Config uses or owned policy
// rules name (see rules.go); a route that an operator adds without saying a
// protocol is "boot" and stays. Owned neighbours are permanent ones on owned
// links.
package links

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// MainTable is the number of the routing table that `ip route` shows.
const MainTable = 254

// Config is what a namespace should hold.
type Config struct {
	Links      []Link
	Routes     []Route
	Neighbours []Neighbour
	Rules      []Rule
}

// Link is a link that exists already; Apply makes none.
type Link struct {
	Name string
	MAC  net.HardwareAddr // nil: as it is
	MTU  int              // bytes; 0: as it is
	// Addresses with the length of their prefix.
	Addresses []netip.Prefix
	// ForeignAddresses leaves the addresses to somebody else, keepalived for
	// instance; Addresses must be empty.
	ForeignAddresses bool
	// Tolerated are prefixes of addresses that are left to somebody else.
	Tolerated []netip.Prefix
	// Down has the link down; it should have no Addresses then.
	Down bool
}

// Route is a route of protocol static. Two routes are the same one when table,
// destination and metric are equal.
type Route struct {
	Table  int // 0: MainTable
	Dst    netip.Prefix
	Metric int // 0: the kernel's default of the family
	// NextHops are sorted by Diff; more than one is equal-cost multipath.
	NextHops []NextHop
}

// NextHop is a way of a route.
type NextHop struct {
	Via  netip.Addr // invalid: on the link itself
	Link string
	// OnLink takes Via as a neighbour although no address of the link says so.
	OnLink bool
}

// Neighbour is a permanent entry of the neighbour table.
type Neighbour struct {
	Link string
	IP   netip.Addr
	MAC  net.HardwareAddr
}

// Change is one step of bringing a namespace to what is desired. Its text is
// close to what an operator would write for ip(8).
type Change struct {
	// Exactly one is set; Delete says which way.
	Link      *Link // MAC, MTU as to be set; 0 and nil: left
	Up, Down  bool  // with Link
	Address   *Address
	Route     *Route
	Neighbour *Neighbour
	Rule      *Rule
	Delete    bool
}

// Address is an address of a link.
type Address struct {
	Link   string
	Prefix netip.Prefix
}

func (c Change) String() string {
	verb := "add"
	if c.Delete {
		verb = "del"
	}
	switch {
	case c.Link != nil:
		s := "link set " + c.Link.Name
		if c.Link.MAC != nil {
			s += " address " + c.Link.MAC.String()
		}
		if c.Link.MTU != 0 {
			s += fmt.Sprintf(" mtu %d", c.Link.MTU)
		}
		if c.Up {
			s += " up"
		}
		if c.Down {
			s += " down"
		}
		return s
	case c.Address != nil:
		return fmt.Sprintf("address %s %s dev %s", verb, c.Address.Prefix, c.Address.Link)
	case c.Route != nil:
		if !c.Delete {
			verb = "replace"
		}
		return "route " + verb + " " + c.Route.String()
	case c.Neighbour != nil:
		if !c.Delete {
			verb = "replace"
		}
		return fmt.Sprintf("neighbour %s %s lladdr %s dev %s", verb, c.Neighbour.IP, c.Neighbour.MAC, c.Neighbour.Link)
	case c.Rule != nil:
		return "rule " + verb + " " + c.Rule.String()
	}
	return "nothing"
}

func (r Route) String() string {
	var b strings.Builder
	b.WriteString(r.Dst.String())
	for _, h := range r.NextHops {
		if len(r.NextHops) > 1 {
			b.WriteString(" nexthop")
		}
		if h.Via.IsValid() {
			b.WriteString(" via " + h.Via.String())
		}
		b.WriteString(" dev " + h.Link)
		if h.OnLink {
			b.WriteString(" onlink")
		}
	}
	if t := r.table(); t != MainTable {
		fmt.Fprintf(&b, " table %d", t)
	}
	if r.Metric != 0 {
		fmt.Fprintf(&b, " metric %d", r.Metric)
	}
	return b.String()
}

// Compare orders routes by table, then destination.
func (r Route) Compare(o Route) int {
	return cmp.Or(cmp.Compare(r.table(), o.table()), r.Dst.Addr().Compare(o.Dst.Addr()),
		cmp.Compare(r.Dst.Bits(), o.Dst.Bits()), cmp.Compare(r.Metric, o.Metric))
}

func (r Route) table() int { return cmp.Or(r.Table, MainTable) }

// routeKey tells routes apart.
type routeKey struct {
	table, metric int
	dst           netip.Prefix
}

func (r Route) key() routeKey {
	metric := r.Metric
	if metric == 0 && r.Dst.Addr().Is6() {
		metric = 1024 // IP6_RT_PRIO_USER, what the kernel makes of none
	}
	return routeKey{r.table(), metric, r.Dst.Masked()}
}

func (r Route) sameWays(o Route) bool {
	return slices.Equal(sortedHops(r.NextHops), sortedHops(o.NextHops))
}

func sortedHops(hops []NextHop) []NextHop {
	out := slices.Clone(hops)
	slices.SortFunc(out, func(a, b NextHop) int {
		return cmp.Or(a.Via.Compare(b.Via), cmp.Compare(a.Link, b.Link))
	})
	return out
}
