package pipeline

import (
	"encoding/binary"
	"hash/fnv"
	"net/netip"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: guests' requests for metadata where the host answers them itself
// (`metadata.mode: local`). What a guest sends to the metadata service goes to the
// proxy's port with an address in the place of the guest's that says whose it is,
// and answers go straight back into the guest's port. No rule of a security group
// is asked, as for DHCP: the address is the host itself.

// MetadataPort is the metadata proxy's port on br-int: its OpenFlow number, 0 for
// none.
type MetadataPort struct{ OFPort uint32 }

// The addresses of the metadata service, and the MACs of the proxy's port and of
// what is at the other end of it: neither leaves the host.
var (
	MetadataIPv4 = netip.MustParseAddr("169.254.169.254")
	MetadataIPv6 = netip.MustParseAddr("fe80::a9fe:a9fe")
	MetadataMAC  = model.MAC{0x02, 0x1e, 0, 0, 0, 3}
	MetadataPeer = model.MAC{0x02, 0x1e, 0, 0, 0, 4}
	// MetadataAliases4 and MetadataAliases6 hold the addresses that stand for
	// guests at the proxy.
	MetadataAliases4 = netip.MustParsePrefix("16.0.0.0/4")
	MetadataAliases6 = netip.MustParsePrefix("fd6c:6570:746f:6e00::/64")
)

// httpPort is where guests ask.
const httpPort = 80

// Alias is an address of a guest, and the one that stands for it at the metadata
// proxy.
type Alias struct {
	Address, Alias netip.Addr
	MAC            model.MAC // that sends from the address
}

// MetadataAliases gives the aliases of a port: of its fixed addresses, of single
// addresses of its pairs and of its link-local ones. An alias is made of the
// OpenFlow port and of a hash of the port's id and the address, 12 bits for IPv4
// and 48 for IPv6, so that one of a port that is gone is not taken for one of the
// next with its number.
func MetadataAliases(p *model.Port, ofport uint32) []Alias {
	var list []Alias
	taken := map[netip.Addr]bool{}
	known := map[netip.Addr]bool{}
	for _, s := range sources(p) {
		a := s.prefix.Addr()
		if !s.prefix.IsSingleIP() || known[a] {
			continue
		}
		known[a] = true
		h := fnv.New64a()
		_, _ = h.Write([]byte(p.ID))
		_, _ = h.Write(a.AsSlice())
		alias := aliasOf(a, ofport, h.Sum64())
		for n := uint64(1); taken[alias]; n++ {
			alias = aliasOf(a, ofport, h.Sum64()+n)
		}
		taken[alias] = true
		list = append(list, Alias{a, alias, s.mac})
	}
	return list
}

func aliasOf(a netip.Addr, ofport uint32, hash uint64) netip.Addr {
	if a.Is4() {
		b := MetadataAliases4.Addr().As4()
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|(ofport&0xffff)<<12|uint32(hash&0xfff))
		return netip.AddrFrom4(b)
	}
	b := MetadataAliases6.Addr().As16()
	binary.BigEndian.PutUint64(b[8:], uint64(ofport&0xffff)<<48|hash&(1<<48-1))
	return netip.AddrFrom16(b)
}

// metadataAt is the address of the service in a family.
func metadataAt(f *family) netip.Addr {
	if f == ipv4 {
		return MetadataIPv4
	}
	return MetadataIPv6
}

// metadata gives the flows between the port and the proxy.
func (p *port) metadata(proxy MetadataPort) []flows.Rule {
	if proxy.OFPort == 0 || proxy.OFPort == p.ofport || p.rec.Trusted() {
		return nil
	}
	cookie := Cookie(FeatureMetadata, p.id)
	at, priority := egressRules, uint16(prioMetadata)
	if !p.secured() {
		at, priority = transient, prioAsk
	}
	var rules []flows.Rule
	for _, a := range MetadataAliases(p.rec, p.ofport) {
		f := familyOf(a.Address)
		rules = append(rules,
			at.rule(priority, cookie,
				match(ofPort(p.ofport), etherType(f.etherType), ipProto(model.ProtoTCP), flows.Addr(f.source, a.Address),
					flows.Addr(f.destination, metadataAt(f)), flows.ExactU(flows.TCPDst, httpPort)),
				flows.Set(f.source, flows.IP(a.Alias)), flows.Set(flows.EthSrc, macValue(MetadataPeer)),
				flows.Set(flows.EthDst, macValue(MetadataMAC)), send(proxy.OFPort)),
			classify.rule(prioWired, cookie,
				match(inPort(proxy.OFPort), etherType(f.etherType), ipProto(model.ProtoTCP), flows.Addr(f.destination, a.Alias)),
				flows.Set(f.destination, flows.IP(a.Address)), flows.Set(flows.EthDst, macValue(a.MAC)), send(p.ofport)))
	}
	for _, f := range families {
		rules = append(rules, transient.rule(prioAsk, cookie, match(append(f.question(metadataAt(f)), ofPort(p.ofport))...), whereMetadata(f)...))
	}
	return rules
}

// whereMetadata turns a question for the service's address into the answer.
func whereMetadata(f *family) []flows.Action {
	at := flows.IP(metadataAt(f))
	actions := []flows.Action{move(flows.EthSrc, flows.EthDst), flows.Set(flows.EthSrc, macValue(MetadataMAC))}
	if f == ipv4 {
		return append(actions,
			flows.SetU(flows.ARPOp, arpReply), move(flows.ARPSHA, flows.ARPTHA), move(flows.ARPSPA, flows.ARPTPA),
			flows.Set(flows.ARPSHA, macValue(MetadataMAC)), flows.Set(flows.ARPSPA, at), send(flows.PortInPort))
	}
	return append(actions,
		move(flows.IPv6Src, flows.IPv6Dst), flows.Set(flows.IPv6Src, at),
		flows.SetU(flows.NDOptionsType, optionTargetLinkLayer), flows.SetU(flows.NDReserved, advertSolicited|advertOverride),
		flows.SetU(flows.ICMPv6Type, neighborAdvertisement), raise(flagAnswered), transient.visit())
}

// metadataBase is the second half of an IPv6 answer; see responderBase.
func metadataBase(proxy MetadataPort) []flows.Rule {
	if proxy.OFPort == 0 {
		return nil
	}
	return []flows.Rule{transient.rule(prioServiceAnswer, Cookie(FeatureBase, ""),
		icmpv6(neighborAdvertisement, flagged(flagAnswered), flows.ExactU(flows.ICMPv6Code, 0)),
		move(flows.EthSrc, flows.NDTLL), lower(flagAnswered), send(flows.PortInPort))}
}

// modest gives the flow of a port of a DHCP server or a router, which may have the
// service's IPv6 address as others on the network do: what it says of that address
// when it is asked does not take the place of what another has said before (the
// override flag, RFC 4861 section 7.2.7, as for anycast). A guest then stays with
// the first that answers, and its connections with it.
func (p *port) modest() []flows.Rule {
	if !p.servesGuests() {
		return nil
	}
	flags := uint64(advertSolicited)
	if p.rec.DeviceOwner != ownerDHCP {
		flags |= advertRouter
	}
	said := icmpv6(neighborAdvertisement, flows.ExactU(flows.ICMPv6Code, 0), flows.Addr(flows.NDTarget, MetadataIPv6),
		inPort(p.ofport), flows.NoVLAN(), unicast())
	joins := p.classified().Actions
	return []flows.Rule{classify.rule(prioModest, Cookie(FeatureMetadata, p.id), said,
		append([]flows.Action{flows.SetU(flows.NDReserved, flags)}, joins...)...)}
}
