package explain

import (
	"fmt"

	"github.com/lepton-sdn/lepton/model"
)

// This file: packets that are too big. Within a network nothing passes that is
// larger than its MTU, as the links of guests and routers have it; who sends more
// hears nothing of it. Guests and routers cut what may be cut, and routers tell the
// sender of what may not (RFC 1191, RFC 8201).

const (
	maxSize           = 65535 // of an IP packet
	leastMTU, leastV6 = 68, 1280
	header4, header6  = 20, 40
	fragmentHeader6   = 8
	fragmentUnit      = 8
)

// sizes checks what is asked about the packet's size.
func (q *Question) sizes(h head) error {
	least, mtu := header4, leastMTU
	if h.v6() {
		least, mtu = header6, leastV6
	}
	switch h.proto {
	case model.ProtoTCP:
		least += 20
	case model.ProtoICMP, model.ProtoICMPv6, model.ProtoUDP:
		least += 8
	case model.ProtoSCTP:
		least += 12
	}
	switch {
	case q.Size == 0 && q.DontFragment:
		return bad("dont_fragment", "means something with a size only")
	case q.Size == 0 && q.LinkMTU != 0:
		return bad("link_mtu", "means something with a size only")
	case q.Size == 0:
		return nil
	case q.asksDHCP():
		return bad("size", "of a question for DHCP servers cannot be chosen")
	case q.Size < least || q.Size > maxSize:
		return bad("size", "%d is not between %d and %d bytes, the lengths of such an IP packet", q.Size, least, maxSize)
	case q.LinkMTU != 0 && (q.LinkMTU < mtu || q.LinkMTU > maxSize):
		return bad("link_mtu", "%d is not between %d and %d bytes", q.LinkMTU, mtu, maxSize)
	}
	return nil
}

// largest is the length of the largest fragment that an MTU allows.
func largest(mtu int, v6 bool) int {
	head := header4
	if v6 {
		head = header6 + fragmentHeader6
	}
	return head + (mtu-head)/fragmentUnit*fragmentUnit
}

// whole reports whether the packet may not be cut by anybody.
func (w *walk) whole() bool { return w.q.DontFragment && w.direction == "forward" }

// fits says what a sender does with a packet that is larger than its link takes,
// and drops what is larger than its network does.
func (w *walk) fits(p *model.Port, n *model.Network, h head) (text string, d *Decision) {
	mtu := n.MTU
	if w.direction == "forward" && w.q.LinkMTU != 0 {
		mtu = w.q.LinkMTU
	}
	switch {
	case w.size == 0 || n.MTU == 0:
		return "", nil
	case w.size > mtu && w.whole():
		text = fmt.Sprintf("a packet of %d bytes that may not be fragmented is more than the %d of its link: its own system refuses it", w.size, mtu)
		return text, w.drop(h, ReasonTooBig, kindNetwork, n.ID, p.Host, text)
	case w.size > mtu:
		w.size = largest(mtu, h.v6())
		text = fmt.Sprintf("in fragments of up to %d bytes", w.size)
	}
	if w.size > n.MTU {
		text = fmt.Sprintf("packets of %d bytes are larger than the MTU %d of its network: they are lost, and nobody tells the sender", w.size, n.MTU)
		return text, w.drop(h, ReasonTooBig, kindNetwork, n.ID, p.Host, text)
	}
	return text, nil
}

// fragments says what a router does with a packet that is larger than the network
// takes that it leads to.
func (w *walk) fragments(router *Object, host string, h head, out routed) (text string, d *Decision) {
	if w.size == 0 || out.out == nil || out.reason != "" || out.out.network.MTU == 0 || w.size <= out.out.network.MTU {
		return "", nil
	}
	n := out.out.network
	if !h.v6() && !w.whole() {
		w.size = largest(n.MTU, false)
		return fmt.Sprintf("in fragments of up to %d bytes", w.size), nil
	}
	message := "fragmentation needed (ICMP type 3 code 4)"
	if h.v6() {
		message = "packet too big (ICMPv6 type 2)"
	}
	text = fmt.Sprintf("%d bytes are more than the MTU %d of the network behind it: it tells the sender %s", w.size, n.MTU, message)
	return text, w.drop(h, ReasonTooBig, kindNetwork, n.ID, host, router.String()+": "+text)
}
