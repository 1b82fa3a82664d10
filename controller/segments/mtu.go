package segments

import "github.com/lepton-sdn/lepton/model"

// Bytes that an encapsulation adds between the outer IP header and the inner IP
// packet; the inner Ethernet header (14) is part of each.
const (
	vxlanHeader  = 8 + 8 + 14 // UDP, VXLAN (RFC 7348)
	geneveHeader = 8 + 8 + 14 // UDP, Geneve without options (RFC 8926)
	greHeader    = 8 + 14     // GRE with key (RFC 2890)

	ipv4Header = 20
	ipv6Header = 40
)

// MaxMTU is the largest MTU, in bytes of IP packet, that a network on the
// segment may have.
func (p *Pools) MaxMTU(s model.Segment) int {
	mtu := p.config.GlobalPhysnetMTU
	if own, ok := p.config.PhysicalNetworkMTUs[s.PhysicalNetwork]; ok && s.Type.Physical() {
		mtu = min(mtu, own)
	}
	if !s.Type.Tunneled() {
		return mtu
	}
	if p.config.PathMTU > 0 {
		mtu = min(mtu, p.config.PathMTU)
	}
	outer := ipv4Header
	if p.config.OverlayIPVersion == 6 {
		outer = ipv6Header
	}
	switch s.Type {
	case model.GRE:
		return mtu - outer - greHeader
	case model.Geneve:
		return mtu - outer - p.config.Geneve.MaxHeaderSize
	default:
		return mtu - outer - vxlanHeader
	}
}
