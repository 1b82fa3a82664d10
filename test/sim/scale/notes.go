package scale

import (
	"hash/maphash"
	"slices"
	"strconv"
	"unique"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// notes is what an agent remembers of the records that it has: a digest of each,
// because a thousand agents with all their records would fill the machine.
type notes struct {
	records map[rpc.Ref]uint64
	unknown []string // what came and could not be used
	line    []byte   // room for a line of text
}

var digestSeed = maphash.MakeSeed()

func digestOf(line []byte) uint64 { return maphash.Bytes(digestSeed, line) }

// apply takes over an update, as rpc.State does.
func (n *notes) apply(u *rpc.Update, host string) {
	if u.Full || n.records == nil {
		n.records = make(map[rpc.Ref]uint64, u.Len())
	}
	for r, rec := range u.Records() {
		n.line = appendText(n.line[:0], rec, host)
		r.ID = unique.Make(r.ID).Value() // one for all agents
		n.records[r] = digestOf(n.line)
	}
	for r := range u.Deletions() {
		delete(n.records, r)
	}
	for _, bad := range u.Rejected {
		n.unknown = append(n.unknown, host+": "+string(bad.Kind)+" "+bad.ID+" cannot be used: "+bad.Err.Error())
	}
}

func (n *notes) has(r rpc.Ref) bool {
	_, ok := n.records[r]
	return ok
}

// words appends words with spaces between them.
func words(b []byte, parts ...string) []byte {
	for i, p := range parts {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, p...)
	}
	return b
}

// appendText appends a record that came by a stream as should has it.
func appendText(b []byte, rec any, host string) []byte {
	switch r := rec.(type) {
	case *model.Network:
		b = append(words(b, string(r.Segment.Type)), ' ')
		b = append(strconv.AppendUint(b, uint64(r.Segment.ID), 10), ' ')
		return strconv.AppendInt(b, int64(r.MTU), 10)
	case *model.Subnet:
		b = append(words(b, r.NetworkID, r.CIDR.String()), ' ')
		if r.Gateway.IsValid() {
			b = r.Gateway.AppendTo(b)
		}
		return b
	case *model.Port:
		return appendPort(b, r, host)
	case *model.Endpoint:
		return r.IP.AppendTo(b)
	case *model.SecurityGroup:
		return b
	case *model.SecurityGroupRule:
		return words(b, r.SecurityGroupID, r.Direction, r.EtherType, r.Protocol, number(r.PortRangeMin), number(r.PortRangeMax), r.RemoteGroupID)
	case *model.GroupMember:
		var all []string
		for _, a := range r.Addresses {
			all = append(all, a.Addr().String())
		}
		slices.Sort(all)
		return words(b, all...)
	}
	return appendRouter(b, rec)
}

func appendPort(b []byte, p *model.Port, host string) []byte {
	b = words(b, p.NetworkID, p.MAC.String(), p.Host, p.DeviceID, p.DeviceOwner)
	for _, f := range p.FixedIPs {
		b = f.IP.AppendTo(append(b, ' '))
	}
	if p.Host != host {
		return b
	}
	b = append(b, " in"...)
	for _, g := range slices.Sorted(slices.Values(p.SecurityGroups)) {
		b = append(append(b, ' '), g...)
	}
	return strconv.AppendInt(append(b, ' '), p.Revision, 10)
}

func appendRouter(b []byte, rec any) []byte {
	switch r := rec.(type) {
	case *model.Router:
		if r.Gateway == nil {
			return b
		}
		return words(b, r.Gateway.NetworkID)
	case *model.RouterBinding:
		var hosts []string
		for _, h := range r.Hosts {
			hosts = append(hosts, h.Host)
		}
		return words(b, hosts...)
	case *model.FloatingIP:
		return words(b, r.FloatingIP.String(), r.FixedIP.String(), r.PortID)
	}
	return append(b, "a record that no host should have"...)
}
