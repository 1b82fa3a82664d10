package api

import (
	"net/netip"
	"slices"
)

// Extension lepton-nat-exempt: a router's destinations beyond its gateway that
// see the addresses of guests as they are, as nova-network's dmz_cidr did. The
// attribute is Lepton's own.
const (
	natExemptAttr = "lepton_nat_exempt"
	maxNATExempt  = 64 // each is a rule that every packet out of the router meets
)

// natExempt takes a list of IPv4 ranges without host bits, and gives them
// sorted.
func natExempt(v any) (any, error) {
	ranges, err := differentPrefixes(v, func(item any) (any, error) {
		p, err := prefix(item)
		if err != nil {
			return nil, err
		}
		switch r := p.(netip.Prefix); {
		case !r.Addr().Is4():
			return nil, wrong("'%s' is of IPv6, of which nothing is translated", r)
		case r != r.Masked():
			return nil, wrong("'%s' has host bits set: '%s' is the range", r, r.Masked())
		}
		return p, nil
	})
	if err != nil {
		return nil, err
	}
	list := ranges.([]netip.Prefix)
	if len(list) > maxNATExempt {
		return nil, wrong("%d ranges are more than the %d that a router may have", len(list), maxNATExempt)
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return list, nil
}
