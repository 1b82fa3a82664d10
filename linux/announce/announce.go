// Package announce tells a link's neighbours where an address is now: by
// gratuitous ARP (RFC 826; RFC 5227, section 3) and by unsolicited neighbour
// advertisements (RFC 4861, section 7.2.6).
package announce

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// Send announces the addresses on the link, with its MAC, once each. IPv4
// addresses are announced by an ARP request and a reply, since neighbours
// differ in what they believe.
func Send(namespace, link string, addrs ...netip.Addr) error {
	err := netns.Do(namespace, func() error {
		dev, err := net.InterfaceByName(link)
		if err != nil {
			return err
		}
		if len(dev.HardwareAddr) != 6 {
			return errors.New("link has no Ethernet address")
		}
		// Protocol 0: the socket receives nothing.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open packet socket: %w", err)
		}
		defer unix.Close(fd)
		to := &unix.SockaddrLinklayer{Ifindex: dev.Index, Halen: 6}
		var errs []error
		for _, a := range addrs {
			for _, frame := range frames([6]byte(dev.HardwareAddr), a) {
				if err := unix.Sendto(fd, frame, 0, to); err != nil {
					errs = append(errs, fmt.Errorf("send %s: %w", a, err))
				}
			}
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return fmt.Errorf("announce on %s in %s: %w", link, namespace, err)
	}
	return nil
}

func frames(mac [6]byte, a netip.Addr) [][]byte {
	switch a = a.Unmap(); {
	case a.Is4():
		return [][]byte{arp(mac, a, 1), arp(mac, a, 2)}
	case a.Is6():
		return [][]byte{advertisement(mac, a)}
	}
	return nil
}

var broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// arp makes an ARP request (operation 1) or reply (2) in which the address is
// both sender and target.
func arp(mac [6]byte, a netip.Addr, operation uint16) []byte {
	target := [6]byte{}
	if operation == 2 {
		target = broadcast
	}
	ip := a.As4()
	b := ethernet(broadcast, mac, unix.ETH_P_ARP)
	b = binary.BigEndian.AppendUint16(b, 1) // Ethernet
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_IP)
	b = append(b, 6, 4)
	b = binary.BigEndian.AppendUint16(b, operation)
	b = append(b, mac[:]...)
	b = append(b, ip[:]...)
	b = append(b, target[:]...)
	b = append(b, ip[:]...)
	return append(b, make([]byte, 60-len(b))...) // the shortest frame of Ethernet
}

// advertisement makes an unsolicited neighbour advertisement to all nodes: of a
// router, overriding what the neighbours knew.
func advertisement(mac [6]byte, a netip.Addr) []byte {
	src, dst := a.As16(), netip.IPv6LinkLocalAllNodes().As16()
	const icmpv6, length = 58, 32
	b := ethernet([6]byte{0x33, 0x33, 0, 0, 0, 1}, mac, unix.ETH_P_IPV6)
	b = append(b, 0x60, 0, 0, 0, 0, length, icmpv6, 255)
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	start := len(b)
	b = append(b, 136, 0, 0, 0, 0xa0, 0, 0, 0) // flags: router, override
	b = append(b, src[:]...)
	b = append(b, 2, 1) // option: target link-layer address, 8 bytes
	b = append(b, mac[:]...)
	sum := sum16(0, src[:])
	sum = sum16(sum, dst[:])
	sum = sum16(sum, []byte{0, 0, 0, length, 0, 0, 0, icmpv6})
	sum = sum16(sum, b[start:])
	binary.BigEndian.PutUint16(b[start+2:], ^uint16(sum))
	return b
}

func ethernet(dst, src [6]byte, ethertype uint16) []byte {
	b := make([]byte, 0, 86)
	b = append(b, dst[:]...)
	b = append(b, src[:]...)
	return binary.BigEndian.AppendUint16(b, ethertype)
}

// sum16 goes on with a one's complement sum of an even number of bytes.
func sum16(sum uint32, b []byte) uint32 {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}
