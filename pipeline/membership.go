package pipeline

import (
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/model"
)

// This file: how ports join and leave the indexes of their networks.

// leave takes a port out of its network's indexes until joinPending.
func (s *state) leave(p *port) {
	s.pending[p] = true
	if !p.joined {
		return
	}
	p.joined = false
	s.dismiss(p)
	n := p.net
	s.mark(p)
	s.mark(n)
	n.count(p, -1)
	delete(n.local, p)
	delete(n.remote, p)
	for _, mac := range ownMACs(p.rec) {
		if st := n.stations[mac]; st != nil {
			delete(st.holders, p)
			s.mark(st)
		}
	}
	for ip := range addressesOf(p.rec) {
		if a := n.addressees[ip]; a != nil {
			delete(a.holders, p)
			s.mark(a)
		}
	}
}

// join enters a port into its network's indexes.
func (s *state) join(p *port) {
	p.joined = true
	s.admit(p)
	n := p.net
	s.mark(p)
	s.mark(n)
	n.count(p, 1)
	if p.local {
		n.local[p] = true
	} else {
		n.remote[p] = true
	}
	for _, mac := range ownMACs(p.rec) {
		st := n.stations[mac]
		if st == nil {
			st = &station{net: n, mac: mac, holders: map[*port]bool{}}
			n.stations[mac] = st
		}
		st.holders[p] = mac == p.rec.MAC
		s.mark(st)
	}
	if !s.base.responds() || !n.segment.Type.Tunneled() {
		return
	}
	for ip, fixed := range addressesOf(p.rec) {
		a := n.addressees[ip]
		if a == nil {
			a = &addressee{net: n, ip: ip, holders: map[*port]bool{}}
			n.addressees[ip] = a
		}
		a.holders[p] = fixed
		s.mark(a)
	}
}

// count keeps the network's numbers of open ports and of members by host.
func (n *network) count(p *port, by int) {
	if p.rec.Distributed() {
		n.distributed += by
	}
	switch {
	case p.local && p.open():
		n.openLocal += by
	case !p.local && p.open():
		n.openRemote += by
	}
	if shared(p.rec) {
		n.sharedPorts += by
	}
	if p.servesGuests() {
		n.servers += by
	}
	if !p.rec.AdminStateUp {
		return
	}
	for _, host := range p.others {
		n.hosts[host] += by
		if n.hosts[host] == 0 {
			delete(n.hosts, host)
		}
	}
}

// addressesOf gives the single addresses that a port may have: true for fixed
// ones and for the link-local address of a port with IPv6 addresses, false for
// those of allowed address pairs only.
func addressesOf(p *model.Port) map[netip.Addr]bool {
	list := map[netip.Addr]bool{}
	for _, pair := range p.AllowedAddressPairs {
		if prefix := unmapped(pair.IP); prefix.IsValid() && prefix.IsSingleIP() {
			list[prefix.Addr()] = false
		}
	}
	for _, f := range p.FixedIPs {
		a := f.IP.Unmap().WithZone("")
		if !a.IsValid() {
			continue
		}
		list[a] = true
		if a.Is6() {
			list[p.MAC.LinkLocal()] = true
		}
	}
	return list
}

// admitNetworks decides which of the marked networks can have members. When
// that changes, their ports have to join again.
func (s *state) admitNetworks() {
	for i := 0; i < len(s.marked); i++ {
		n, ok := s.marked[i].(*network)
		if !ok {
			continue
		}
		text := n.admissible(s.claimBook)
		s.report("network", n.id, text)
		if usable := n.known && text == ""; usable != n.usable {
			n.usable = usable
			for p := range n.ports {
				s.leave(p)
			}
		}
	}
}

// joinPending has the ports that left, or are new, join if they may.
func (s *state) joinPending() {
	for p := range s.pending {
		ok, text := p.admissible(s.claimBook, s.base.host)
		s.report("port", p.id, text)
		if ok {
			s.join(p)
		}
	}
	clear(s.pending)
}

// reshapeNetworks works the shapes of the marked networks out, and marks what
// depends on one that changed.
func (s *state) reshapeNetworks() {
	for i := 0; i < len(s.marked); i++ {
		n, ok := s.marked[i].(*network)
		if !ok {
			continue
		}
		up, text := uplink{}, ""
		if n.usable {
			up, text = n.ascend(s)
			s.report("network", n.id, text)
		}
		now := n.currentShape(s.base, up)
		if now == n.shape {
			continue
		}
		n.shape = now
		s.rezone(n)
		n.eachPart(s.mark)
		s.relearn(n)
	}
}

// markStationsOn marks the MACs of a network's members on another host.
func (s *state) markStationsOn(n *network, host string) {
	for p := range n.ports {
		if !p.joined || !slices.Contains(p.others, host) {
			continue
		}
		for _, mac := range ownMACs(p.rec) {
			if st := n.stations[mac]; st != nil {
				s.mark(st)
			}
		}
	}
}
