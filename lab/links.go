package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// end is one end of a veth pair.
type end struct {
	netns string // a named namespace
	name  string
	mac   net.HardwareAddr // nil: the kernel chooses
	up    bool
}

// createVeth makes a pair whose ends are born in their namespaces, so that
// nothing of it is ever seen in the machine's own, with checksum offload off:
// the userspace datapath hands frames on as they are.
func createVeth(a, b end, mtu int) error {
	err := withLinks(b.netns, func(hb *links) error {
		return withLinks(a.netns, func(ha *links) error {
			attrs := netlink.NewLinkAttrs()
			attrs.Name, attrs.MTU, attrs.HardwareAddr = a.name, mtu, a.mac
			veth := &netlink.Veth{
				LinkAttrs: attrs, PeerName: b.name, PeerHardwareAddr: b.mac,
				PeerNamespace: netlink.NsFd(hb.fd),
			}
			if err := ha.LinkAdd(veth); err != nil {
				return err
			}
			if err := ha.finish(a, mtu); err != nil {
				return err
			}
			return hb.finish(b, mtu)
		})
	})
	if err != nil {
		return fmt.Errorf("create link %s in %s to %s in %s: %w", a.name, a.netns, b.name, b.netns, err)
	}
	return nil
}

func (h *links) finish(e end, mtu int) error {
	l, err := h.LinkByName(e.name)
	if err != nil {
		return err
	}
	if err := h.LinkSetMTU(l, mtu); err != nil {
		return err
	}
	if err := inside(e.netns, func() error { return offloadsOff(e.name) }); err != nil {
		return err
	}
	if !e.up {
		return nil
	}
	return h.LinkSetUp(l)
}

// createSwitch makes a Linux bridge that passes every frame of a segment, of
// any VLAN, and sends none of its own.
func createSwitch(ns, name string, mtu int) error {
	off := false
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	err := withLinks(ns, func(h *links) error {
		br := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &off}
		if err := h.LinkAdd(br); err != nil {
			return err
		}
		return h.LinkSetUp(br)
	})
	if err != nil {
		return fmt.Errorf("create switch %s in %s: %w", name, ns, err)
	}
	return nil
}

// attach makes the links ports of the switch.
func attach(ns, sw string, ports ...string) error {
	return withLinks(ns, func(h *links) error {
		br, err := h.LinkByName(sw)
		if err != nil {
			return fmt.Errorf("find switch %s: %w", sw, err)
		}
		for _, p := range ports {
			l, err := h.LinkByName(p)
			if err == nil {
				err = h.LinkSetMaster(l, br)
			}
			if err != nil {
				return fmt.Errorf("attach %s to switch %s: %w", p, sw, err)
			}
		}
		return nil
	})
}

// addAddress puts an address on a link and the link up. IPv6 addresses skip
// duplicate detection, which would keep them unusable for a second.
func (h *links) addAddress(link string, p netip.Prefix) error {
	l, err := h.LinkByName(link)
	if err != nil {
		return fmt.Errorf("address %s: find link %s: %w", p, link, err)
	}
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := h.AddrReplace(l, a); err != nil {
		return fmt.Errorf("add address %s to %s: %w", p, link, err)
	}
	return h.LinkSetUp(l)
}

// exists reports whether the namespace has the link.
func (h *links) exists(link string) (bool, error) {
	_, err := h.LinkByName(link)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return false, nil
	}
	return err == nil, err
}

// addRoute adds a route through the link.
func (h *links) addRoute(link string, dst netip.Prefix, via netip.Addr) error {
	l, err := h.LinkByName(link)
	if err != nil {
		return fmt.Errorf("route to %s: find link %s: %w", dst, link, err)
	}
	r := &netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(dst)}
	if via.IsValid() {
		r.Gw = via.AsSlice()
		r.Flags = int(netlink.FLAG_ONLINK)
	}
	if err := h.RouteReplace(r); err != nil {
		return fmt.Errorf("add route to %s via %s: %w", dst, via, err)
	}
	return nil
}

// deleteLink removes a link; one that is not there is fine.
func deleteLink(ns, name string) error {
	err := withLinks(ns, func(h *links) error {
		l, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return h.LinkDel(l)
	})
	var missing netlink.LinkNotFoundError
	if err == nil || errors.As(err, &missing) {
		return nil
	}
	return fmt.Errorf("delete link %s in %s: %w", name, ns, err)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// Commands of ethtool's ioctl (linux/ethtool.h).
const (
	ethtoolSTXCSUM = 0x17
	ethtoolSTSO    = 0x1f
	ethtoolSGSO    = 0x24
	ethtoolSGRO    = 0x2c
)

// offloadsOff switches TX checksums and segmentation of a link off, in the
// calling thread's namespace, as `ethtool -K LINK tx off tso off gso off gro
// off` does.
func offloadsOff(link string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket for ethtool: %w", err)
	}
	defer unix.Close(fd)
	for _, cmd := range []uint32{ethtoolSTSO, ethtoolSGSO, ethtoolSGRO, ethtoolSTXCSUM} {
		value := struct{ cmd, data uint32 }{cmd, 0}
		var req struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte // struct ifreq is larger than its pointer
		}
		copy(req.name[:unix.IFNAMSIZ-1], link)
		req.data = unsafe.Pointer(&value)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		if errno != 0 && errno != unix.EOPNOTSUPP {
			return fmt.Errorf("switch offloads of %s off: %w", link, errno)
		}
	}
	return nil
}
