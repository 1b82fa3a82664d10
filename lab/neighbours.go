package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// discardPort is the UDP port of the discard service (RFC 863). Nobody listens.
const discardPort = 9

// meetNeighbours has every host learn the MACs of the others' tunnel addresses.
// Open vSwitch's userspace datapath drops the first packet for a tunnel end
// that it does not know while it asks for the MAC; the kernel's would keep it.
// Hosts of a real cloud have long since met.
func (b *builder) meetNeighbours(ctx context.Context) error {
	if b.plan.Datapath != "netdev" {
		return nil
	}
	return b.eachHost(ctx, func(ctx context.Context, h HostPlan) error {
		return inside(h.Namespace, func() error {
			for _, other := range b.plan.Hosts {
				if other.Name == h.Name {
					continue
				}
				if err := touch(ctx, other.Tunnel.Addr()); err != nil {
					return fmt.Errorf("host %s: reach %s over the underlay: %w", h.Name, other.Name, err)
				}
			}
			return nil
		})
	})
}

// touch sends one datagram, so that the kernel asks for the address's MAC and
// the switch sees the answer.
func touch(ctx context.Context, a netip.Addr) error {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "udp", netip.AddrPortFrom(a, discardPort).String())
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte{0})
	return err
}
