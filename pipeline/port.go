package pipeline

import (
	"fmt"
	"slices"

	"github.com/lepton-sdn/lepton/model"
)

// port is a port as compiled: a local one with its place on br-int, or one on
// another host.
type port struct {
	unit
	id     string
	rec    *model.Port
	local  bool
	ofport uint32
	asks   Questions
	net    *network
	joined bool
	// plugged is set for a port of another host that is plugged here too.
	plugged bool
	// standby is set for a local port that another host uses: see shared.go.
	standby bool
	// others are the other hosts that may have the port's MAC: the one where a port
	// of another host is bound, and those of an ha router.
	others []string
	// groups are the security groups of a local port with port security, sorted,
	// each once. overloaded is set when they are too many to ask.
	groups     []string
	overloaded bool
	// tracked are the single addresses that the port sends from while it is
	// joined.
	tracked []Connections
}

// samePlace reports whether nothing about the port changed.
func (p *port) samePlace(o *port) bool {
	return p.rec == o.rec && p.local == o.local && p.ofport == o.ofport && p.asks == o.asks && p.plugged == o.plugged && p.standby == o.standby
}

// maxOFPort is the highest number of a real port: OFPP_MAX of OpenFlow 1.0,
// which Open vSwitch keeps to, less one.
const maxOFPort = 0xfeff

// secured reports whether the port's packets are checked.
func (p *port) secured() bool { return p.rec.PortSecurityEnabled && !p.rec.Trusted() }

// open reports whether there may be other MACs behind the port than the record
// says.
func (p *port) open() bool { return !p.rec.PortSecurityEnabled && !p.rec.Trusted() }

// admissible says whether the port joins its network, and if not, what is wrong
// with it; nothing is wrong with a port that is down.
func (p *port) admissible(c *claimBook, host string) (bool, string) {
	mac, text := p.rec.MAC, ""
	if (p.local || p.plugged) && p.rec.Host != host && !p.rec.Distributed() && !slices.Contains(p.rec.HAHosts, host) {
		text = fmt.Sprintf("is plugged here, but bound to host %q", p.rec.Host)
	}
	switch {
	case !p.local:
		return p.net.usable && mac != (model.MAC{}) && !mac.Multicast(), text
	case text != "":
		return false, text
	case !p.net.known:
		return false, fmt.Sprintf("is in network %s, which this host does not have", p.rec.NetworkID)
	case mac == (model.MAC{}) || mac.Multicast():
		return false, fmt.Sprintf("has the MAC %q, which no port can have", mac)
	case p.ofport < 1 || p.ofport > maxOFPort:
		return false, fmt.Sprintf("has OpenFlow port %d, which is not between 1 and %d", p.ofport, maxOFPort)
	case !c.wins(ofPortClaim(p.ofport), p.id):
		return false, fmt.Sprintf("has OpenFlow port %d, which port %s has too", p.ofport, c.winner(ofPortClaim(p.ofport)))
	}
	return p.net.usable && p.net.up && p.rec.AdminStateUp, ""
}

func (p *port) compile(e *emitter) {
	if !p.local || !p.joined || p.standby {
		return
	}
	e.integration(p.classified())
	e.integration(p.modest()...)
	e.integration(p.asking()...)
	e.integration(p.paced(e.base.config.Meterless)...)
	e.integration(p.metadata(e.base.metadata)...)
	if !p.secured() {
		e.integration(p.unfiltered())
		return
	}
	if p.overloaded = e.tooCostly(p); p.overloaded {
		e.report("port", p.id, fmt.Sprintf("is closed: its security groups and their remote groups take more than %d lookups", maxVisits))
	} else {
		e.report("port", p.id, "")
	}
	e.integration(p.identity()...)
	e.integration(p.filter(e.state)...)
	e.integration(p.logged(e.state)...)
}
