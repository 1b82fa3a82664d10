// Package conntrack looks into a namespace's connection tracking and takes
// entries out of it.
package conntrack

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

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

// Count gives how many entries of all families the namespace has.
func Count(namespace string) (n int, err error) {
	err = netns.Do(namespace, func() error {
		b, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
		if errors.Is(err, fs.ErrNotExist) { // nothing is tracked on this machine
			return nil
		}
		if err == nil {
			n, err = strconv.Atoi(strings.TrimSpace(string(b)))
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count conntrack entries of %s: %w", namespace, err)
	}
	return n, nil
}

// Family is the IP version of entries.
type Family int

// The families.
const (
	IPv4 Family = unix.AF_INET
	IPv6 Family = unix.AF_INET6
)

// Delete takes out the entries of a family that match says, and gives how many
// they were. The kernel walks through the table of the whole machine for it,
// some tens of milliseconds, unless the namespace has no entry at all.
func Delete(namespace string, f Family, match func(Entry) bool) (int, error) {
	if n, err := Count(namespace); err == nil && n == 0 {
		return 0, nil
	}
	n := uint(0)
	err := netns.WithNetfilter(namespace, func(h *netlink.Handle) (err error) {
		n, err = h.ConntrackDeleteFilters(netlink.ConntrackTable, netlink.InetFamily(f), filter(match))
		return err
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
