package dhcp

import (
	"context"
	"encoding/binary"
	"net"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mdlayher/packet"
	"go.uber.org/zap"
	"golang.org/x/net/bpf"

	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/model"
)

// This file: guests that come back as other clients. dnsmasq keeps an address of
// IPv6 for the DUID and IAID that it was given to, until the lease ends. A guest
// that was installed anew has others, and would get nothing: when it solicits, the
// agent gives back what it holds under the old ones, and it is answered when it
// asks again, a second later.

const (
	// reopen is how long to wait for a link that is not there.
	reopen = time.Second
	// again is how often leases are looked at for one guest.
	again = time.Second
	// solicitMost bounds what is read of a message.
	solicitMost = 1500
)

// newcomers watches a server's link for clients that solicit.
type newcomers struct {
	ns, dir string
	log     *zap.Logger
	stop    context.CancelFunc
	server  atomic.Pointer[Server]
	// looked is when the leases of each guest were last looked at.
	looked map[model.MAC]time.Time
}

// welcome has the server's link watched, if its clients have leases of IPv6.
func (l *Loop) welcome(ctx context.Context, n *network, s *Server, ns string) {
	switch {
	case !s.stateful():
		n.unwatch()
		return
	case n.newcomers != nil && n.newcomers.ns == ns:
		n.newcomers.server.Store(s)
		return
	}
	n.unwatch()
	ctx, cancel := context.WithCancel(ctx)
	w := &newcomers{ns: ns, dir: filepath.Join(l.cfg.RunDir, "dhcp", n.ID), log: l.cfg.Log, stop: cancel, looked: map[model.MAC]time.Time{}}
	w.server.Store(s)
	n.newcomers = w
	l.keeper.Go(func() { w.run(ctx) })
}

// unwatch ends what welcome began.
func (n *network) unwatch() {
	if n.newcomers != nil {
		n.newcomers.stop()
		n.newcomers = nil
	}
}

// stateful reports whether the server gives addresses of IPv6 away.
func (s *Server) stateful() bool {
	for ip := range s.Leases {
		if ip.Is6() {
			return true
		}
	}
	return false
}

// run watches until ctx is done, also when the link is made anew.
func (w *newcomers) run(ctx context.Context) {
	for ctx.Err() == nil {
		if conn, err := w.open(); err == nil {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			w.watch(conn)
			stop()
			_ = conn.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(reopen):
		}
	}
}

// solicits takes frames of IPv6 that hold a Solicit for servers.
var solicits = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 14 + atNextHeader, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 17, SkipFalse: 5},
	bpf.LoadAbsolute{Off: 14 + headerIPv6 + 2, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 547, SkipFalse: 3},
	bpf.LoadAbsolute{Off: 14 + atType, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 1, SkipFalse: 1},
	bpf.RetConstant{Val: solicitMost},
	bpf.RetConstant{Val: 0},
}

// open listens on the server's link.
func (w *newcomers) open() (conn *packet.Conn, err error) {
	filter, err := bpf.Assemble(solicits)
	if err != nil {
		return nil, err
	}
	err = netns.Do(w.ns, func() error {
		link, err := net.InterfaceByName(w.server.Load().Port.Name)
		if err != nil {
			return err
		}
		const etherTypeIPv6 = 0x86dd
		conn, err = packet.Listen(link, packet.Raw, etherTypeIPv6, &packet.Config{Filter: filter})
		return err
	})
	return conn, err
}

// watch reads until the link goes.
func (w *newcomers) watch(conn *packet.Conn) {
	buf := make([]byte, solicitMost)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		const payload = 14 + headerIPv6 + 8
		if n <= payload {
			continue
		}
		if c, ok := readClient(buf[payload:n]); ok {
			w.clear(model.MAC(buf[6:12]), c)
		}
	}
}

// client6 is how a client of DHCPv6 calls itself.
type client6 struct {
	duid  []byte
	iaids []uint32
}

// readClient reads it from a message; false for one that is malformed or names
// none (RFC 8415 sections 8 and 21).
func readClient(m []byte) (c client6, ok bool) {
	const clientID, association = 1, 3
	if len(m) < 4 {
		return c, false
	}
	for m = m[4:]; len(m) >= 4; {
		code, size := binary.BigEndian.Uint16(m), int(binary.BigEndian.Uint16(m[2:]))
		if m = m[4:]; len(m) < size {
			return c, false
		}
		switch {
		case code == clientID:
			c.duid = m[:size]
		case code == association && size >= 12:
			c.iaids = append(c.iaids, binary.BigEndian.Uint32(m))
		}
		m = m[size:]
	}
	return c, len(m) == 0 && len(c.duid) > 0 && len(c.iaids) > 0
}

// clear gives back the leases of a guest's addresses that another client holds:
// the guest itself, as it was. The frame is from its MAC, which its host has
// checked.
func (w *newcomers) clear(mac model.MAC, c client6) {
	s, now := w.server.Load(), time.Now()
	if !s.knows(mac) || now.Sub(w.looked[mac]) < again {
		return
	}
	if len(w.looked) > 2*len(s.Leases) {
		clear(w.looked) // of guests that are gone
	}
	w.looked[mac] = now
	leases, server, err := readLeases(filepath.Join(w.dir, leasesName))
	if err != nil {
		return
	}
	for _, l := range leases {
		if !l.IP.Is6() || s.Leases[l.IP] != mac || slices.Equal(l.Client, c.duid) && slices.Contains(c.iaids, l.IAID) {
			continue
		}
		if err := s.giveBack(w.ns, l, server); err != nil {
			w.log.Warn("lease of a guest's former self not given back", zap.String("network", s.NetworkID), zap.Error(err))
		}
	}
}

// knows reports whether the MAC has an address of IPv6 here.
func (s *Server) knows(mac model.MAC) bool {
	for ip, owner := range s.Leases {
		if owner == mac && ip.Is6() {
			return true
		}
	}
	return false
}
