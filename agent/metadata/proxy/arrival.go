package proxy

import (
	"encoding/binary"
	"net"
	"syscall"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// tellArrival has the sockets that a listening one accepts remember by which
// interface their first packet came.
func tellArrival(_, _ string, c syscall.RawConn) error {
	var err error
	ctl := c.Control(func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1); err != nil {
			return
		}
		if domain, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN); domain == unix.AF_INET6 {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
	if ctl != nil {
		return ctl
	}
	return err
}

// Options that give what ancillary data of received packets a stream socket
// remembers: ip(7), and RFC 2292, section 5.
const (
	ipPktOptions       = 9
	ipv62292PktOptions = 6
)

// arrival gives the index of the interface by which a connection came, in the
// namespace of its socket; 0 when the kernel does not tell.
func arrival(c *net.TCPConn, v6 bool) int {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	var index int
	_ = raw.Control(func(fd uintptr) {
		level, option, info := unix.IPPROTO_IP, ipPktOptions, unix.IP_PKTINFO
		if v6 {
			level, option, info = unix.IPPROTO_IPV6, ipv62292PktOptions, unix.IPV6_PKTINFO
		}
		index = pktInfo(ancillary(fd, level, option), level, info)
	})
	return index
}

// ancillary reads an option of any length.
func ancillary(fd uintptr, level, option int) []byte {
	var b [512]byte
	n := uint32(len(b))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 || int(n) > len(b) {
		return nil
	}
	return b[:n]
}

// pktInfo finds the interface in ancillary data.
func pktInfo(b []byte, level, info int) int {
	messages, err := unix.ParseSocketControlMessage(b)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		switch {
		case int(m.Header.Level) != level:
		case level == unix.IPPROTO_IP && int(m.Header.Type) == info && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return int(binary.NativeEndian.Uint32(m.Data))
		case level == unix.IPPROTO_IPV6 && len(m.Data) >= unix.SizeofInet6Pktinfo && (int(m.Header.Type) == info || m.Header.Type == unix.IPV6_2292PKTINFO):
			return int(binary.NativeEndian.Uint32(m.Data[16:]))
		}
	}
	return 0
}

// linkNames gives the names of a namespace's links by index.
func linkNames(ns string) (map[int]string, error) {
	names := map[int]string{}
	err := netns.WithHandle(ns, func(h *netlink.Handle) error {
		all, err := h.LinkList()
		for _, l := range all {
			names[l.Attrs().Index] = l.Attrs().Name
		}
		return err
	})
	return names, err
}
