package plugin

import (
	"math/big"

	"github.com/lepton-sdn/lepton/controller/ipam"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// UsageView tells how many addresses of a network are there and in use.
type UsageView struct {
	Network *model.Network
	Total   *big.Int
	Used    int
	Subnets []SubnetUsage
}

// SubnetUsage is the same for one subnet.
type SubnetUsage struct {
	Subnet *model.Subnet
	Total  *big.Int
	Used   int
}

// ViewUsage counts the addresses in a network's allocation pools, and those
// that ports have. Version restricts it to one IP version unless it is 0.
func (p *Plugin) ViewUsage(r records.Reader, n *model.Network, version int) *UsageView {
	v := &UsageView{Network: n, Total: new(big.Int)}
	for s := range records.SubnetsByNetwork.Get(r, n.ID) {
		if version != 0 && s.IPVersion != version {
			continue
		}
		usage := SubnetUsage{Subnet: s, Total: ipam.Count(s.AllocationPools)}
		for range r.ClaimsUnder(addressPrefix(s.ID)) {
			usage.Used++
		}
		v.Total.Add(v.Total, usage.Total)
		v.Used += usage.Used
		v.Subnets = append(v.Subnets, usage)
	}
	return v
}
