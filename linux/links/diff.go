package links

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
)

// State is what a namespace holds, as far as it can be owned.
type State struct {
	Links      map[string]LinkState
	Routes     []Route // of protocol static
	Neighbours []Neighbour
	Rules      []Rule // of protocol static, sorted
}

// LinkState is a link as it is.
type LinkState struct {
	MAC   []byte
	MTU   int
	Up    bool
	Addrs []netip.Prefix // permanent ones, without the kernel's link-local
	// Failed are addresses that lost duplicate address detection; they are made
	// anew.
	Failed []netip.Prefix
}

// Diff gives the changes that lead from have to want, in order: links, then
// what is to be there, then what is not. It fails for links that do not exist;
// what does not depend on them is in the changes nevertheless.
func Diff(have State, want Config) ([]Change, error) {
	var changes, deletes []Change
	var err error
	owned := map[string]bool{}
	for _, l := range want.Links {
		is, ok := have.Links[l.Name]
		if !ok {
			if err == nil {
				err = fmt.Errorf("link %s does not exist", l.Name)
			}
			continue
		}
		owned[l.Name] = true
		if c, differs := diffLink(is, l); differs {
			changes = append(changes, c)
		}
		if l.ForeignAddresses {
			continue
		}
		add, del := diffAddresses(is, l)
		changes = append(changes, add...)
		deletes = append(deletes, del...)
	}
	add, del := diffRoutes(have, want, owned)
	changes, deletes = append(changes, add...), append(del, deletes...)
	add, del = diffRules(have, want)
	changes, deletes = append(changes, add...), append(del, deletes...)
	add, del = diffNeighbours(have, want, owned)
	return append(append(changes, add...), append(del, deletes...)...), err
}

func diffLink(is LinkState, l Link) (Change, bool) {
	set := Link{Name: l.Name}
	differs := is.Up == l.Down
	if l.MAC != nil && !bytes.Equal(l.MAC, is.MAC) {
		set.MAC, differs = l.MAC, true
	}
	if l.MTU != 0 && l.MTU != is.MTU {
		set.MTU, differs = l.MTU, true
	}
	return Change{Link: &set, Up: !is.Up && !l.Down, Down: is.Up && l.Down}, differs
}

func diffAddresses(is LinkState, l Link) (add, del []Change) {
	for _, p := range l.Addresses {
		if slices.Contains(is.Failed, p) {
			add = append(add, Change{Address: &Address{l.Name, p}, Delete: true})
		}
		if !slices.Contains(is.Addrs, p) || slices.Contains(is.Failed, p) {
			add = append(add, Change{Address: &Address{l.Name, p}})
		}
	}
	for _, p := range is.Addrs {
		if tolerated(l, p) {
			continue
		}
		if !slices.Contains(l.Addresses, p) {
			del = append(del, Change{Address: &Address{l.Name, p}, Delete: true})
		}
	}
	return add, del
}

func tolerated(l Link, p netip.Prefix) bool {
	return slices.ContainsFunc(l.Tolerated, func(t netip.Prefix) bool { return t.Contains(p.Addr()) })
}

func diffRoutes(have State, want Config, owned map[string]bool) (add, del []Change) {
	tables := map[int]bool{MainTable: true}
	for _, r := range have.Rules {
		tables[r.Table] = true
	}
	desired := map[routeKey]bool{}
	is := map[routeKey]Route{}
	for _, r := range have.Routes {
		is[r.key()] = r
	}
	for _, r := range want.Routes {
		tables[r.table()] = true
		desired[r.key()] = true
		if old, ok := is[r.key()]; !ok || !old.sameWays(r) {
			r.NextHops = sortedHops(r.NextHops)
			add = append(add, Change{Route: &r})
		}
	}
	for _, r := range have.Routes {
		ours := tables[r.table()] && slices.ContainsFunc(r.NextHops, func(h NextHop) bool { return owned[h.Link] })
		if ours && !desired[r.key()] {
			del = append(del, Change{Route: &r, Delete: true})
		}
	}
	return add, del
}

func diffNeighbours(have State, want Config, owned map[string]bool) (add, del []Change) {
	same := func(a, b Neighbour) bool { return a.Link == b.Link && a.IP == b.IP }
	for _, n := range want.Neighbours {
		i := slices.IndexFunc(have.Neighbours, func(o Neighbour) bool { return same(n, o) })
		if i < 0 || !bytes.Equal(have.Neighbours[i].MAC, n.MAC) {
			add = append(add, Change{Neighbour: &n})
		}
	}
	for _, n := range have.Neighbours {
		if owned[n.Link] && !slices.ContainsFunc(want.Neighbours, func(o Neighbour) bool { return same(n, o) }) {
			del = append(del, Change{Neighbour: &n, Delete: true})
		}
	}
	return add, del
}
