package links

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// passes bounds how often Apply looks again: the kernel takes routes and
// addresses away with what they depend on.
const passes = 3

// Apply brings the namespace to what is desired and gives what it changed,
// which is nothing when that was so already. A change that fails does not stop
// the others; their errors come joined.
func Apply(namespace string, want Config) (done []Change, err error) {
	err = netns.WithHandle(namespace, func(h *netlink.Handle) error {
		var last error
		for range passes {
			have, indexes, err := read(h)
			if err != nil {
				return err
			}
			changes, missing := Diff(have, want)
			if len(changes) == 0 {
				return missing
			}
			errs := []error{missing}
			for _, c := range changes {
				if err := perform(h, indexes, c); err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", c, err))
					continue
				}
				done = append(done, c)
			}
			if last = errors.Join(errs...); last != nil {
				return last
			}
		}
		have, _, err := read(h)
		if err != nil {
			return err
		}
		if left, _ := Diff(have, want); len(left) > 0 {
			return fmt.Errorf("%s: does not stay after %d attempts", left[0], passes)
		}
		return nil
	})
	if err != nil {
		return done, fmt.Errorf("links of %s: %w", namespace, err)
	}
	return done, nil
}

// Read gives what the namespace holds.
func Read(namespace string) (s State, err error) {
	err = netns.WithHandle(namespace, func(h *netlink.Handle) error {
		s, _, err = read(h)
		return err
	})
	return s, err
}

// read gives the state and the links' indexes by name.
func read(h *netlink.Handle) (State, map[string]int, error) {
	s := State{Links: map[string]LinkState{}}
	all, err := h.LinkList()
	if err != nil {
		return s, nil, fmt.Errorf("list links: %w", err)
	}
	indexes, names := map[string]int{}, map[int]string{}
	for _, l := range all {
		a := l.Attrs()
		indexes[a.Name], names[a.Index] = a.Index, a.Name
		s.Links[a.Name] = LinkState{MAC: a.HardwareAddr, MTU: a.MTU, Up: a.Flags&net.FlagUp != 0}
	}
	if err := readAddresses(h, &s, names); err != nil {
		return s, nil, err
	}
	if err := readRoutes(h, &s, names); err != nil {
		return s, nil, err
	}
	if err := readRules(h, &s); err != nil {
		return s, nil, err
	}
	neighbours, err := h.NeighListExecute(netlink.Ndmsg{State: unix.NUD_PERMANENT})
	if err != nil {
		return s, nil, fmt.Errorf("list neighbours: %w", err)
	}
	for _, n := range neighbours {
		if ip, ok := netip.AddrFromSlice(n.IP); ok && n.State == unix.NUD_PERMANENT && n.Family != unix.AF_BRIDGE {
			s.Neighbours = append(s.Neighbours, Neighbour{Link: names[n.LinkIndex], IP: ip.Unmap(), MAC: n.HardwareAddr})
		}
	}
	return s, indexes, nil
}

func readAddresses(h *netlink.Handle, s *State, names map[int]string) error {
	addrs, err := h.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		p, ok := prefixOf(a.IPNet)
		// What an advertisement gave is not permanent, and the kernel's own
		// link-local addresses come with the link; those made here have NODAD.
		kernels := p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() && a.Flags&unix.IFA_F_NODAD == 0
		if !ok || a.Flags&unix.IFA_F_PERMANENT == 0 || kernels {
			continue
		}
		name := names[a.LinkIndex]
		l := s.Links[name]
		l.Addrs = append(l.Addrs, p)
		if a.Flags&unix.IFA_F_DADFAILED != 0 {
			l.Failed = append(l.Failed, p)
		}
		s.Links[name] = l
	}
	return nil
}

func readRoutes(h *netlink.Handle, s *State, names map[int]string) error {
	filter := &netlink.Route{Protocol: unix.RTPROT_STATIC, Table: unix.RT_TABLE_UNSPEC}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := h.RouteListFiltered(family, filter, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			dst, ok := prefixOf(r.Dst)
			if !ok || r.Type != unix.RTN_UNICAST {
				continue
			}
			out := Route{Table: r.Table, Dst: dst, Metric: r.Priority}
			if len(r.MultiPath) == 0 {
				out.NextHops = []NextHop{hop(r.Gw, names[r.LinkIndex], r.Flags)}
			}
			for _, m := range r.MultiPath {
				out.NextHops = append(out.NextHops, hop(m.Gw, names[m.LinkIndex], m.Flags))
			}
			s.Routes = append(s.Routes, out)
		}
	}
	return nil
}

func hop(gw net.IP, link string, flags int) NextHop {
	via, _ := netip.AddrFromSlice(gw)
	return NextHop{Via: via.Unmap(), Link: link, OnLink: flags&unix.RTNH_F_ONLINK != 0}
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if size == 32 {
		ip = ip.Unmap()
	}
	return netip.PrefixFrom(ip, bits), ok
}

func netOf(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// perform carries out one change.
func perform(h *netlink.Handle, indexes map[string]int, c Change) error {
	switch {
	case c.Link != nil:
		return performLink(h, indexes[c.Link.Name], c)
	case c.Address != nil:
		return performAddress(h, indexes[c.Address.Link], c)
	case c.Route != nil:
		return performRoute(h, indexes, c)
	case c.Rule != nil:
		return performRule(h, c)
	case c.Neighbour != nil:
		n := &netlink.Neigh{
			LinkIndex: indexes[c.Neighbour.Link], State: unix.NUD_PERMANENT,
			IP: c.Neighbour.IP.AsSlice(), HardwareAddr: c.Neighbour.MAC,
		}
		if c.Delete {
			return ignore(h.NeighDel(n), unix.ENOENT)
		}
		return h.NeighSet(n)
	}
	return nil
}

func performLink(h *netlink.Handle, index int, c Change) error {
	l, err := h.LinkByIndex(index)
	if err != nil {
		return err
	}
	if c.Link.MAC != nil {
		if err := h.LinkSetHardwareAddr(l, c.Link.MAC); err != nil {
			return fmt.Errorf("set MAC: %w", err)
		}
	}
	if c.Link.MTU != 0 {
		if err := h.LinkSetMTU(l, c.Link.MTU); err != nil {
			return fmt.Errorf("set MTU: %w", err)
		}
	}
	switch {
	case c.Up:
		return h.LinkSetUp(l)
	case c.Down:
		return h.LinkSetDown(l)
	}
	return nil
}

func performAddress(h *netlink.Handle, index int, c Change) error {
	l := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	a := &netlink.Addr{IPNet: netOf(c.Address.Prefix)}
	if c.Delete {
		return ignore(h.AddrDel(l, a), unix.EADDRNOTAVAIL)
	}
	if c.Address.Prefix.Addr().Is6() {
		// The address was given out by somebody who knows that it is free; the
		// second that duplicate address detection takes would only be lost.
		a.Flags = unix.IFA_F_NODAD
	}
	return h.AddrReplace(l, a)
}

func performRoute(h *netlink.Handle, indexes map[string]int, c Change) error {
	r := &netlink.Route{
		Table: c.Route.table(), Dst: netOf(c.Route.Dst), Priority: c.Route.Metric,
		Protocol: unix.RTPROT_STATIC, Family: netlink.FAMILY_V4,
	}
	if c.Route.Dst.Addr().Is6() {
		r.Family = netlink.FAMILY_V6
	}
	for _, n := range c.Route.NextHops {
		flags := 0
		if n.OnLink {
			flags = unix.RTNH_F_ONLINK
		}
		var gw net.IP
		if n.Via.IsValid() {
			gw = n.Via.AsSlice()
		}
		if len(c.Route.NextHops) == 1 {
			r.LinkIndex, r.Gw, r.Flags = indexes[n.Link], gw, flags
			if gw == nil {
				r.Scope = netlink.SCOPE_LINK
			}
			break
		}
		r.MultiPath = append(r.MultiPath, &netlink.NexthopInfo{LinkIndex: indexes[n.Link], Gw: gw, Flags: flags})
	}
	if c.Delete {
		return ignore(h.RouteDel(r), unix.ESRCH)
	}
	return h.RouteReplace(r)
}

// ignore takes an error for none: what is to be gone is gone.
func ignore(err error, wanted unix.Errno) error {
	if errors.Is(err, wanted) {
		return nil
	}
	return err
}
