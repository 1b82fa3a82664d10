// Package shaping limits how fast traffic passes a link, by address and
// direction, and shows in tc(8) what it does:
//
//	leaves by the link ─► htb 1e: on the link ─► class 1e:N of a limit ─► bfifo
//	arrives by the link ─► ingress filters ─► ifb link ─► htb 1e: ─► class 1e:N
//
// Packets are told apart by u32 filters: what leaves by its source, what
// arrives by its destination, as they are on the link. What no filter knows
// passes as if there were no limit. Excess waits in the class's queue for up to
// a tenth of a second and is dropped after that.
//
// Apply reads what the kernel holds and writes the difference, what is new
// before what goes, so a limit changes without a packet lost to it. Owned are
// the root qdisc of handle 1e: and, once the link's ifb link is there, its
// ingress qdisc. A root qdisc of another handle is somebody else's: it stays,
// and Apply fails.
package shaping

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Link is what is limited on a link.
type Link struct {
	Name string
	// Out is for what leaves by the link, In for what arrives.
	Out, In Direction
	// Ifb is the name of the link that what arrives is led through. It is there
	// while In has a class, with Owner as its alias.
	Ifb, Owner string
}

// Direction is what is limited in one direction.
type Direction struct {
	Classes []Class
	// Exempt are addresses that a class without addresses does not count.
	Exempt []netip.Addr
}

// Class is a limit.
type Class struct {
	// Minor is the class's number below 1e:, 1–0xffff, which tells the
	// direction's classes apart and should stay the same while others change.
	Minor uint16
	// Rate is in bit/s, at least 8.
	Rate uint64
	// Burst is how many bytes may pass at once beyond the rate; 0 is what the
	// rate gives in a tenth of a second, and less than ten packets become ten.
	Burst uint32
	// Addresses share the limit. None is every packet of IP that is of no other
	// class and not exempt, but for neighbour discovery.
	Addresses []netip.Addr
}

// String has a line for each class, and what is exempt.
func (l Link) String() string {
	var b strings.Builder
	for _, d := range []struct {
		name string
		Direction
	}{{"out", l.Out}, {"in", l.In}} {
		for _, c := range d.Classes {
			fmt.Fprintf(&b, "%s 1e:%x rate %d bit/s burst %d bytes", d.name, c.Minor, c.Rate, c.burst())
			for _, a := range c.Addresses {
				fmt.Fprintf(&b, " %s", a)
			}
			if len(c.Addresses) == 0 {
				fmt.Fprintf(&b, " all but %v", d.Exempt)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// rootMajor is the handle of our qdiscs, rootHandle as tc has it.
const (
	rootMajor  = 0x1e
	rootHandle = rootMajor << 16
)

// packet is the size of one, headers included, that small limits count with.
const packet = 1600

func (c Class) burst() uint32 {
	b := uint64(c.Burst)
	if b == 0 {
		b = c.Rate / 8 / 10
	}
	return uint32(min(max(b, 10*packet), 1<<31))
}

// queue is how many bytes may wait.
func (c Class) queue() uint32 { return uint32(min(max(c.Rate/8/10, 20*packet), 1<<31)) }

// htb is the class as the kernel has it on a link.
func (c Class) htb(link int) *netlink.HtbClass {
	attrs := netlink.ClassAttrs{LinkIndex: link, Parent: rootHandle, Handle: rootHandle | uint32(c.Minor)}
	return netlink.NewHtbClass(attrs, netlink.HtbClassAttrs{
		Rate: c.Rate, Ceil: c.Rate, Buffer: c.burst(), Cbuffer: c.burst(), Quantum: 2 * packet,
	})
}

// same reports whether the kernel has the class so already.
func same(have, want *netlink.HtbClass) bool {
	return have.Rate == want.Rate && have.Ceil == want.Ceil && have.Buffer == want.Buffer && have.Cbuffer == want.Cbuffer
}

// The order of filters; one priority holds one protocol.
const (
	prioDiscovery = 1
	prioAddress   = 10 // 11 for IPv6
	prioRest      = 20 // 21 for IPv6
)

// filter leads packets to a class, 0 for past all limits, or to another link.
type filter struct {
	prio, protocol uint16
	keys           string // the u32 keys as keysOf has them
	sel            []nl.TcU32Key
	class          uint16
	redirect       int // index of a link, 0 for none
}

// key is what makes two filters the same.
func (f filter) key() string {
	return fmt.Sprintf("%d %#x %s %#x %d", f.prio, f.protocol, f.keys, f.class, f.redirect)
}

func newFilter(prio, protocol, class uint16, sel ...nl.TcU32Key) filter {
	return filter{prio: prio, protocol: protocol, class: class, sel: sel, keys: keysOf(sel)}
}

// keysOf writes u32 keys as tc filter show does: value/mask at offset.
func keysOf(sel []nl.TcU32Key) (s string) {
	for _, k := range sel {
		s += fmt.Sprintf("%08x/%08x at %d ", k.Val, k.Mask, k.Off)
	}
	return s
}

// filters lead a direction's packets to their classes: by source or, as they
// arrive, by destination.
func (d Direction) filters(arriving bool) []filter {
	var out []filter
	rest := false
	for _, c := range d.Classes {
		for _, a := range c.Addresses {
			out = append(out, byAddress(a, arriving, c.Minor))
		}
		if len(c.Addresses) > 0 {
			continue
		}
		rest = true
		all := nl.TcU32Key{}
		out = append(out, newFilter(prioRest, unix.ETH_P_IP, c.Minor, all), newFilter(prioRest+1, unix.ETH_P_IPV6, c.Minor, all))
	}
	if !rest {
		return out
	}
	for _, a := range d.Exempt {
		out = append(out, byAddress(a, arriving, 0))
	}
	// Next header ICMPv6 and hop limit 255: neighbour discovery (RFC 4861,
	// section 7.1), which nobody forwards.
	return append(out, newFilter(prioDiscovery, unix.ETH_P_IPV6, 0, nl.TcU32Key{Off: 4, Mask: 0xffff, Val: 0x3aff}))
}

// byAddress matches the source or destination in the header (RFC 791, section
// 3.1, and RFC 8200, section 3).
func byAddress(a netip.Addr, destination bool, class uint16) filter {
	offset, step, prio, protocol := 12, 4, uint16(prioAddress), uint16(unix.ETH_P_IP)
	if a.Is6() {
		offset, step, prio, protocol = 8, 16, prioAddress+1, unix.ETH_P_IPV6
	}
	if destination {
		offset += step
	}
	var sel []nl.TcU32Key
	b := a.AsSlice()
	for i := 0; i < len(b); i += 4 {
		word := uint32(b[i])<<24 | uint32(b[i+1])<<16 | uint32(b[i+2])<<8 | uint32(b[i+3])
		sel = append(sel, nl.TcU32Key{Off: int32(offset + i), Mask: 0xffffffff, Val: word})
	}
	return newFilter(prio, protocol, class, sel...)
}
