package pipeline

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/model"
)

// TestAGuestsKernelBelievesTheResponder lets the kernel behind guest1 ask for
// addresses on other hosts, and looks at the answers byte by byte.
func TestAGuestsKernelBelievesTheResponder(t *testing.T) {
	r := newRig(t)
	c := newCloud()
	c.network(1, tunnelled(model.VXLAN, 1948))
	c.port(1, 1, "10.10.0.11", "2001:db8::11")
	c.remote(2, 1, "hv2", "10.10.0.12", "2001:db8::12")
	router := c.remote(3, 1, "hv3", "10.10.0.1", "2001:db8::1")
	router.DeviceOwner, router.PortSecurityEnabled = "network:router_interface", false
	r.load(Compile(&c.View))
	r.Exec("ip", "link", "set", "guest1", "address", at(1), "up")
	r.Exec("ip", "addr", "add", "10.10.0.11/24", "dev", "guest1")
	r.Exec("ip", "addr", "add", "2001:db8::11/64", "dev", "guest1", "nodad")
	wire := r.listen("guest1")

	for _, target := range []struct {
		ip    string
		mac   model.MAC
		flags uint8
	}{
		{"10.10.0.12", mac(2), 0},
		{"10.10.0.1", mac(3), 0},
		{"2001:db8::12", mac(2), advertSolicited>>24 | advertOverride>>24},
		{"2001:db8::1", mac(3), advertRouter>>24 | advertSolicited>>24 | advertOverride>>24},
		{"fe80::f816:3eff:fe00:2", mac(2), advertSolicited>>24 | advertOverride>>24},
	} {
		ip := net.ParseIP(target.ip)
		if ip.To4() == nil {
			wire.expect(t, ip, func(frame []byte) error { return checkAdvertisement(frame, ip, target.mac, target.flags) }, r)
		} else {
			wire.expect(t, ip, func(frame []byte) error { return checkReply(frame, ip, target.mac) }, r)
		}
		// The frame is seen here before the kernel has taken it in.
		neighbour := ""
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			neighbour = r.Exec("ip", "neigh", "show", target.ip, "dev", "guest1")
			if strings.Contains(neighbour, target.mac.String()) {
				break
			}
		}
		if !strings.Contains(neighbour, target.mac.String()) || strings.Contains(neighbour, "FAILED") {
			t.Errorf("the kernel's neighbour %s is %q, want MAC %s", target.ip, neighbour, target.mac)
		}
	}
}

// wire is a raw socket on one interface of the switch's namespace.
type wire int

// listen opens the socket in the switch's namespace; it stays there.
func (r *rig) listen(name string) wire {
	r.t.Helper()
	fd, err := inNamespace(r.NetnsPath(), func() (int, error) {
		link, err := net.InterfaceByName(name)
		if err != nil {
			return 0, err
		}
		all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
		if err != nil {
			return 0, err
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}); err != nil {
			return 0, err
		}
		return fd, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5})
	})
	if err != nil {
		r.t.Fatalf("listen on %s: %v", name, err)
	}
	r.t.Cleanup(func() { _ = unix.Close(fd) })
	return wire(fd)
}

func inNamespace(path string, do func() (int, error)) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return 0, err
	}
	defer home.Close()
	there, err := netns.GetFromPath(path)
	if err != nil {
		return 0, err
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		return 0, err
	}
	fd, err := do()
	if back := netns.Set(home); back != nil {
		panic(fmt.Sprintf("thread cannot leave the namespace: %v", back))
	}
	return fd, err
}

// expect makes the kernel ask for ip and checks the first frame that answers.
func (w wire) expect(t *testing.T, ip net.IP, check func([]byte) error, r *rig) {
	t.Helper()
	scope := ""
	if ip.IsLinkLocalUnicast() {
		scope = "%guest1"
	}
	// Any datagram makes the kernel resolve the address first.
	if _, err := inNamespace(r.NetnsPath(), func() (int, error) {
		conn, err := net.Dial("udp", net.JoinHostPort(ip.String()+scope, "9"))
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		return conn.Write([]byte("?"))
	}); err != nil {
		t.Fatalf("ask for %s: %v", ip, err)
	}
	buf := make([]byte, 2048)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		n, _, err := unix.Recvfrom(int(w), buf, 0)
		if err != nil {
			t.Fatalf("wait for the answer about %s: %v", ip, os.NewSyscallError("recvfrom", err))
		}
		if frame := buf[:n]; answers(frame, ip) {
			if err := check(frame); err != nil {
				t.Errorf("the answer about %s: %v\n%x", ip, err, frame)
			}
			return
		}
	}
	t.Errorf("no answer about %s", ip)
}

// answers reports whether a frame is an ARP reply or an advertisement of ip.
func answers(frame []byte, ip net.IP) bool {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if a, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok {
		return a.Operation == layers.ARPReply && ip.Equal(net.IP(a.SourceProtAddress))
	}
	na, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
	return ok && na.TargetAddress.Equal(ip)
}

func checkReply(frame []byte, ip net.IP, owner model.MAC) error {
	guest := mac(1)
	want := bytes.Join([][]byte{
		guest[:], owner[:],
		{0x08, 0x06},
		{0, 1, 0x08, 0x00, 6, 4, 0, 2},
		owner[:], ip.To4(), guest[:],
		{10, 10, 0, 11},
	}, nil)
	if !bytes.HasPrefix(frame, want) {
		return fmt.Errorf("is not %x", want)
	}
	return nil
}

// checkAdvertisement compares with RFC 4861 section 4.4 and lets gopacket
// compute the checksum of RFC 4443 section 2.3 anew.
func checkAdvertisement(frame []byte, ip net.IP, owner model.MAC, flags uint8) error {
	guest := mac(1)
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	ethernet := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	network := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	icmp := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	na := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
	switch {
	case !bytes.Equal(ethernet.SrcMAC, owner[:]) || !bytes.Equal(ethernet.DstMAC, guest[:]):
		return fmt.Errorf("goes from %s to %s", ethernet.SrcMAC, ethernet.DstMAC)
	case !network.SrcIP.Equal(ip) || network.HopLimit != 255:
		return fmt.Errorf("comes from %s with hop limit %d", network.SrcIP, network.HopLimit)
	case na.Flags != flags:
		return fmt.Errorf("has flags %#x, want %#x", na.Flags, flags)
	case len(na.Options) != 1 || na.Options[0].Type != layers.ICMPv6OptTargetAddress || !bytes.Equal(na.Options[0].Data, owner[:]):
		return fmt.Errorf("has options %v", na.Options)
	}
	sent := icmp.Checksum
	if err := icmp.SetNetworkLayerForChecksum(network); err != nil {
		return err
	}
	again := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(again, gopacket.SerializeOptions{ComputeChecksums: true}, icmp, gopacket.Payload(icmp.LayerPayload())); err != nil {
		return err
	}
	if computed := binary.BigEndian.Uint16(again.Bytes()[2:]); sent != computed {
		return fmt.Errorf("has checksum %#04x, want %#04x", sent, computed)
	}
	return nil
}
