package dhcp

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/model"
)

// owners says whose addresses are.
type owners map[netip.Addr]model.MAC

// lease is an address that dnsmasq has given away, as its lease file says.
type lease struct {
	IP  netip.Addr
	MAC model.MAC // of IPv4
	// Client is the client's identifier, of IPv6 its DUID; nil for none.
	Client []byte
	IAID   uint32 // of IPv6
}

// readLeases reads dnsmasq's lease file, and the identity of the server in it. It
// may be written at the same time: lines that make no sense are skipped.
func readLeases(path string) (out []lease, server []byte, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 2 && f[0] == "duid" {
			server, _ = hex.DecodeString(strings.ReplaceAll(f[1], ":", ""))
		}
		if len(f) != 5 {
			continue
		}
		ip, err := netip.ParseAddr(f[2])
		if err != nil {
			continue
		}
		l := lease{IP: ip}
		if f[4] != "*" {
			if l.Client, err = hex.DecodeString(strings.ReplaceAll(f[4], ":", "")); err != nil {
				continue
			}
		}
		if ip.Is4() {
			l.MAC, err = model.ParseMAC(f[1])
		} else {
			var id uint64
			id, err = strconv.ParseUint(strings.TrimPrefix(f[1], "T"), 10, 32)
			l.IAID = uint32(id)
		}
		if err == nil {
			out = append(out, l)
		}
	}
	return out, server, nil
}

// readHosts reads whose the addresses are in a file that addHosts wrote.
func readHosts(path string) owners {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	out := owners{}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(line), ",")
		m, err := model.ParseMAC(f[0])
		if err != nil {
			continue
		}
		for _, s := range f[1:] {
			if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
				out[ip] = m
			}
		}
	}
	return out
}

// release has dnsmasq forget the leases of addresses that are not their
// holders' any more: it would keep them from the ports that have them now. An
// IPv6 lease does not say whose it is, so of those it takes what before, which
// is whose the addresses were, has differently. It gives how many there were.
func (s *Server) release(ns, dir string, before owners) (int, error) {
	all, server, err := readLeases(filepath.Join(dir, leasesName))
	if err != nil {
		return 0, fmt.Errorf("leases of dnsmasq: %w", err)
	}
	var errs []error
	n := 0
	for _, l := range all {
		owner, known := s.Leases[l.IP]
		stale := !known || owner != l.MAC
		if l.IP.Is6() {
			old, had := before[l.IP]
			stale = !known || had && old != owner
		}
		if stale {
			n++
			errs = append(errs, s.giveBack(ns, l, server))
		}
	}
	return n, errors.Join(errs...)
}

// giveBack tells dnsmasq what the client would tell it: that it needs the address
// no more. dnsmasq knows no other way but a restart.
func (s *Server) giveBack(ns string, l lease, server []byte) error {
	err := netns.Do(ns, func() error {
		if l.IP.Is4() {
			return s.giveBack4(l)
		}
		return s.giveBack6(l, server)
	})
	if err != nil {
		return fmt.Errorf("release %s: %w", l.IP, err)
	}
	return nil
}

// giveBack4 sends DHCPRELEASE (RFC 2131, section 4.4.6) to the server's own
// address, as if it came in on its link.
func (s *Server) giveBack4(l lease) error {
	server := netip.Addr{}
	for _, a := range s.Links.Links[0].Addresses {
		if a.Contains(l.IP) {
			server = a.Addr()
		}
	}
	if !server.IsValid() { // its subnet is gone, and dnsmasq was started anew
		return nil
	}
	m := make([]byte, 240, 300)
	m[0], m[1], m[2] = 1, 1, 6 // BOOTREQUEST, Ethernet
	binary.BigEndian.PutUint32(m[4:], uint32(time.Now().UnixNano()))
	copy(m[12:16], l.IP.AsSlice())
	copy(m[28:], l.MAC[:])
	copy(m[236:], []byte{99, 130, 83, 99})
	m = append(m, 53, 1, 7, 54, 4)
	m = append(m, server.AsSlice()...)
	if len(l.Client) > 0 && len(l.Client) < 256 {
		m = append(append(m, 61, byte(len(l.Client))), l.Client...)
	}
	m = append(m, 255)
	conn, err := net.ListenPacket("udp4", ":0")
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := bind(conn, s.Port.Name); err != nil {
		return err
	}
	_, err = conn.WriteTo(m, &net.UDPAddr{IP: server.AsSlice(), Port: 67})
	return err
}

// giveBack6 sends Release (RFC 8415, section 18.2.7).
func (s *Server) giveBack6(l lease, server []byte) error {
	option := func(m []byte, code uint16, data []byte) []byte {
		m = binary.BigEndian.AppendUint16(m, code)
		m = binary.BigEndian.AppendUint16(m, uint16(len(data)))
		return append(m, data...)
	}
	m := binary.BigEndian.AppendUint32(nil, 8<<24|uint32(time.Now().UnixNano())&0xffffff)
	m = option(m, 1, l.Client)
	m = option(m, 2, server)
	m = option(m, 8, []byte{0, 0})
	ia := append(binary.BigEndian.AppendUint32(nil, l.IAID), 0, 0, 0, 0, 0, 0, 0, 0)
	m = option(m, 3, option(ia, 5, append(l.IP.AsSlice(), 0, 0, 0, 0, 0, 0, 0, 0)))
	conn, err := net.ListenPacket("udp6", "[::]:0")
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := bind(conn, s.Port.Name); err != nil {
		return err
	}
	_, err = conn.WriteTo(m, &net.UDPAddr{IP: net.ParseIP("ff02::1:2"), Port: 547, Zone: s.Port.Name})
	return err
}

// bind ties a socket to a link.
func bind(conn net.PacketConn, link string) error {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var bound error
	if err := raw.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), link) }); err != nil {
		return err
	}
	return bound
}
