package l3

import (
	"net"
	"net/netip"
	"time"

	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/model"
)

// This file: which part the host has in an ha router.
//
// keepalived finds out by VRRP whether another host of the router is there; a
// host that hears none is MASTER. That alone lets it forward only while no
// controller can be asked. Otherwise the controllers say who forwards: a MASTER
// that they have not named asks them, and waits for the outcome.

// Times of asking.
const (
	// haPatience is how long the controllers may take to answer. It is longer than
	// what they give the active host to object (plugin.AnswerTime).
	haPatience = time.Second
	// haAgain is the time between claims that are refused.
	haAgain = 2 * time.Second
)

// part is a host's part in an ha router. It has no clock and does no I/O.
type part struct {
	// master says that keepalived hears no other host that would be active.
	master bool
	// active says that this host is to forward.
	active bool
	// granted says that the controllers have named this host; told that they said
	// anything at all.
	granted, told bool
	// grant is how this host's naming stands to that of others that may not have
	// heard yet that they are named no more.
	grant int
	// challenge is the number of the last claim of another host that this one was
	// asked about, denied that of its own last claim that was refused.
	challenge, denied int64
	// claim is the number of this host's claim, 0 for none, and claimedAt when it
	// was made.
	claim     int64
	claimedAt time.Time
}

// hear takes what the controllers say. A host whom they take the router from
// stops at once; that they have never named it means nothing while it has not
// asked, as they may have been away when it took over.
func (p *part) hear(h model.RouterHost) {
	if p.told && p.granted && !h.Active {
		p.active, p.claim = false, 0
	}
	p.granted, p.told, p.denied = h.Active, true, h.Denied
	p.grant = max(h.Grant, 1)
	if h.Challenge != 0 {
		p.challenge = h.Challenge
	}
}

// step decides. connected says that there is a controller to ask. It gives when
// to decide again; zero for when something has changed.
func (p *part) step(now time.Time, connected bool) (next time.Time) {
	if p.claim != 0 && p.denied >= p.claim && !now.Before(p.claimedAt.Add(haAgain)) {
		p.claim = 0
	}
	switch {
	case !p.master:
		p.active, p.claim = false, 0
	case !connected, p.granted:
		p.active, p.claim = true, 0
	case p.claim == 0:
		p.claim, p.claimedAt = max(now.UnixMilli(), p.denied+1), now
		return now.Add(haPatience)
	case p.denied >= p.claim:
		p.active = false
		return p.claimedAt.Add(haAgain)
	case !now.Before(p.claimedAt.Add(haPatience)):
		p.active = true // who does not answer is not there
	default:
		return p.claimedAt.Add(haPatience)
	}
	return time.Time{}
}

// weight is the host's claim to stay the master when it hears others again: 0 to
// 2 + model.MaxGrant. Of two that the controllers have named it is the one whom they named
// last: the other has been away, however briefly, and need not have noticed. One
// that took over while nobody could be asked stands above one that was named
// before and has no controller now, and below one that has.
func (p *part) weight(connected bool) int {
	switch {
	case !p.active:
		return 0
	case p.granted && connected:
		return 2 + min(max(p.grant, 1), model.MaxGrant)
	case p.granted:
		return 1
	}
	return 2
}

// status is what the controllers are told. forwards says that the host still
// does, whatever it should: it is not told to have given up before it has. ok is
// false while there is nothing to say.
func (p *part) status(router string, forwards bool) (st model.ObjectStatus, ok bool) {
	st = model.ObjectStatus{Kind: model.ObjectRouterHA, ID: router, State: model.ObjectActive, Revision: p.challenge}
	switch {
	case !p.master && forwards:
		return st, false
	case !p.master:
		st.State, st.Revision = model.ObjectStandby, 0
	case p.claim != 0:
		st.State, st.Revision = model.ObjectClaims, p.claim
	}
	return st, true
}

// HA is what an ha router has beside what every router has.
type HA struct {
	// Port is the host's on the network of the project's ha routers; nil as long
	// as it has not come.
	Port *Interface
	// VRID and Priority are for VRRP (RFC 5798).
	VRID, Priority int
	// Dir holds the files of the router's keepalived and conntrackd.
	Dir string
	// Active says that this host forwards, and Weight how much that counts in
	// VRRP: see part.weight.
	Active bool
	Weight int

	binding model.RouterHost
}

// haPrefix begins the names of the links by which hosts watch each other, and
// ownerHA is the owner of their ports.
const (
	haPrefix = "ha-"
	ownerHA  = "network:router_ha_interface"
)

// haVIPs holds the address that keepalived gives the master, by the router's
// number: it means nothing but that.
var haVIPs = netip.MustParsePrefix("169.254.0.0/24")

func haVIP(vrid int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{169, 254, 0, byte(vrid)}), haVIPs.Bits())
}

// HAState describes the programs of an ha router.
type HAState struct {
	Active bool
	Weight int
	// Link is the one by which hosts watch each other; "" as long as there is none.
	Link string
	VIP  netip.Prefix
	Dir  string
	// Keepalived and Conntrackd are keepalived.conf(5) and conntrackd.conf(5).
	Keepalived, Conntrackd string
}

// addHA adds the link and the programs of an ha router. On standby all other
// links are down, so that nothing comes from the router's MACs, and the rest of
// it waits: ports, rules and connections.
func (n *Namespace) addHA(in Input) {
	if in.HA == nil {
		return
	}
	n.HA = &HAState{Active: in.HA.Active, Weight: in.HA.Weight, Dir: in.HA.Dir}
	if !in.HA.Active {
		for i := range n.Links.Links {
			n.Links.Links[i].Addresses, n.Links.Links[i].Down = nil, true
		}
		n.Links.Routes, n.RADVD = nil, ""
	}
	if in.HA.Port == nil {
		return
	}
	f := face{Interface: *in.HA.Port, link: linkName(haPrefix, in.HA.Port.Port.ID)}
	l := links.Link{
		Name: f.link, MAC: net.HardwareAddr(f.Port.MAC[:]), MTU: f.Network.MTU, Tolerated: []netip.Prefix{haVIPs},
	}
	for _, a := range f.Addresses {
		l.Addresses = append(l.Addresses, a.Prefix())
	}
	n.Ports = append([]Port{{ID: f.Port.ID, Name: f.link, MAC: f.Port.MAC, MTU: f.Network.MTU}}, n.Ports...)
	n.Links.Links = append([]links.Link{l}, n.Links.Links...)
	n.HA.Link, n.HA.VIP = f.link, haVIP(in.HA.VRID)
	n.HA.Keepalived = keepalivedConf(in.Router.ID, f.link, in.HA)
	n.HA.Conntrackd = conntrackdConf(f, in.HA)
	n.Sysctls["net.ipv6.conf."+f.link+".accept_ra"] = "0"
	// The first packet of a connection that another host has seen before says
	// nothing about its windows.
	n.Sysctls["net.netfilter.nf_conntrack_tcp_be_liberal"] = "1"
}
