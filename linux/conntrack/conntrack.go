// Package conntrack looks into a namespace's connection tracking and takes
// entries out of it.
package conntrack

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// Tuple is one direction of a connection.
type Tuple struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16 // 0 for protocols without ports
}

// Entry is a tracked connection. Where addresses are translated, Reply is not
// the mirror of Original.
type Entry struct {
	Proto           uint8 // IP protocol number
	Zone            uint16
	Mark            uint32
	Original, Reply Tuple
}

// List gives the entries of both families.
func List(namespace string) ([]Entry, error) {
	var out []Entry
	err := netns.WithNetfilter(namespace, func(h *netlink.Handle) error {
		for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			flows, err := h.ConntrackTableList(netlink.ConntrackTable, family)
			if err != nil {
				return err
			}
			for _, f := range flows {
				out = append(out, entry(f))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list conntrack entries of %s: %w", namespace, err)
	}
	return out, nil
}

// Delete takes out the entries that match says, of both families, and gives
// how many they were.
func Delete(namespace string, match func(Entry) bool) (int, error) {
	n := uint(0)
	err := netns.WithNetfilter(namespace, func(h *netlink.Handle) error {
		for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			deleted, err := h.ConntrackDeleteFilters(netlink.ConntrackTable, family, filter(match))
			n += deleted
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return int(n), fmt.Errorf("delete conntrack entries of %s: %w", namespace, err)
	}
	return int(n), nil
}

// filter makes a function a netlink.CustomConntrackFilter.
type filter func(Entry) bool

// MatchConntrackFlow reports whether the entry is to go.
func (f filter) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool { return f(entry(flow)) }

func entry(f *netlink.ConntrackFlow) Entry {
	return Entry{
		Proto: f.Forward.Protocol, Zone: f.Zone, Mark: f.Mark,
		Original: tuple(f.Forward), Reply: tuple(f.Reverse),
	}
}

func tuple(t netlink.IPTuple) Tuple {
	return Tuple{Src: addr(t.SrcIP), Dst: addr(t.DstIP), SrcPort: t.SrcPort, DstPort: t.DstPort}
}

func addr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
