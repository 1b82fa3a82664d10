package pipeline

import "github.com/lepton-sdn/lepton/model"

// claimBook settles who has what only one object can have: a local VLAN, a
// segment, an OpenFlow port, a bridge. Records and facts come from different
// places and may contradict each other for a moment. The claimant with the
// lowest id wins, whatever the order in which they came, so that the result
// depends on the View alone; the others are reported.
type claimBook struct {
	holders map[claim]map[string]bool
}

// claim is something that only one object can have.
type claim struct {
	kind   claimKind
	text   string
	number uint32
}

type claimKind uint8

const (
	claimVLAN claimKind = iota + 1
	claimSegment
	claimOFPort
	claimBridge
	claimTunnelPort
)

func ofPortClaim(n uint32) claim { return claim{kind: claimOFPort, number: n} }

func tunnelPortClaim(n uint32) claim {
	if n == 0 {
		return claim{}
	}
	return claim{kind: claimTunnelPort, number: n}
}

func bridgeClaim(name string) claim {
	if name == "" {
		return claim{}
	}
	return claim{kind: claimBridge, text: name}
}

func (f networkFacts) vlanClaim() claim {
	if !f.known {
		return claim{}
	}
	return claim{kind: claimVLAN, number: uint32(f.vlan)}
}

// segmentClaim is nothing for a local network: it has no segment that could
// collide.
func (f networkFacts) segmentClaim() claim {
	s := f.segment
	switch {
	case !f.known || s.Type == model.Local:
		return claim{}
	case s.Type == model.Flat:
		return claim{kind: claimSegment, text: "flat " + s.PhysicalNetwork}
	case s.Type == model.VLAN:
		return claim{kind: claimSegment, text: "vlan " + s.PhysicalNetwork, number: s.ID}
	}
	return claim{kind: claimSegment, text: string(s.Type), number: s.ID}
}

func (p *port) claim() claim {
	if !p.local {
		return claim{}
	}
	return ofPortClaim(p.ofport)
}

// enter adds a claimant and gives the others.
func (b *claimBook) enter(c claim, id string) (others map[string]bool) {
	if b.holders[c] == nil {
		b.holders[c] = map[string]bool{}
	}
	b.holders[c][id] = true
	return b.holders[c]
}

// withdraw removes a claimant and gives the remaining ones.
func (b *claimBook) withdraw(c claim, id string) (others map[string]bool) {
	others = b.holders[c]
	delete(others, id)
	if len(others) == 0 {
		delete(b.holders, c)
	}
	return others
}

// winner gives the claimant that has it.
func (b *claimBook) winner(c claim) string {
	first := ""
	for id := range b.holders[c] {
		if first == "" || id < first {
			first = id
		}
	}
	return first
}

func (b *claimBook) wins(c claim, id string) bool { return b.winner(c) == id }
