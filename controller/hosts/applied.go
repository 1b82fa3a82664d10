package hosts

import (
	"strings"
	"sync"

	"github.com/lepton-sdn/lepton/controller/hosts/interest"
	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/rpc"
)

// This file: which changes a host has taken over, for the journal. An agent
// acknowledges the revision of an update when all its loops have realised it, so
// the stream remembers what each update was about until then.

// Bounds of what a stream remembers of updates that are not acknowledged. What is
// beyond is not noted: the journal then has the host with a later change only.
const (
	maxDebts   = 256
	maxPerDebt = 256
	everything = ""
)

// debts are the updates that an agent has not acknowledged, the oldest first.
type debts struct {
	mu   sync.Mutex
	list []debt
}

type debt struct {
	revision int64 // of the update
	told     []journal.Told
}

// owe remembers an update before it is sent.
func (d *debts) owe(u *rpc.Update, told []interest.Told) {
	n := debt{revision: u.Revision}
	if u.Full {
		n.told = []journal.Told{{Resource: everything, Revision: u.Revision}}
	}
	seen := make(map[journal.Told]bool, len(told))
	for _, t := range told {
		c, ok := changeOf(t)
		if ok && !seen[c] && len(n.told) < maxPerDebt {
			seen[c] = true
			n.told = append(n.told, c)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.list = append(d.list, n); len(d.list) > maxDebts {
		d.list = append([]debt(nil), d.list[len(d.list)-maxDebts:]...)
	}
}

// pay gives what an acknowledgement is about.
func (d *debts) pay(revision int64) []journal.Told {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []journal.Told
	n := 0
	for ; n < len(d.list) && d.list[n].revision <= revision; n++ {
		out = append(out, d.list[n].told...)
	}
	if d.list = d.list[n:]; len(d.list) == 0 {
		d.list = nil
	}
	return out
}

// changeOf is the change that a host was told a record for, as the journal calls
// it; ok is false for what is no object's.
func changeOf(t interest.Told) (c journal.Told, ok bool) {
	resource, id := "", t.Ref.ID
	switch t.Ref.Kind {
	case rpc.KindNetwork:
		resource = "network"
	case rpc.KindSubnet:
		resource = "subnet"
	case rpc.KindPort:
		resource = "port"
	case rpc.KindMember: // of a group: the change is the port's
		resource = "port"
		id = id[strings.LastIndexByte(id, '/')+1:]
	case rpc.KindGroup:
		resource = "security_group"
	case rpc.KindRule:
		resource = "security_group_rule"
	case rpc.KindAddressGroup:
		resource = "address_group"
	case rpc.KindRouter:
		resource = "router"
	case rpc.KindRouterBinding:
		resource = "router_binding"
	case rpc.KindFloatingIP:
		resource = "floatingip"
	case rpc.KindPortForwarding:
		resource = "port_forwarding"
	case rpc.KindConntrackHelper:
		resource = "conntrack_helper"
	case rpc.KindSubnetPool:
		resource = "subnetpool"
	case rpc.KindDHCPBinding:
		resource = "dhcp_binding"
	case rpc.KindLog:
		resource = "log"
	case rpc.KindTrunk:
		resource = "trunk"
	case rpc.KindQoSPolicy:
		resource = "qos_policy"
	}
	return journal.Told{Resource: resource, ID: id, Revision: t.Revision}, resource != ""
}
