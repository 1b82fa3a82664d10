package hosts

import (
	"slices"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/rpc"
)

// This file: what a snapshot names as deleted. The interest engine remembers what
// it saw leaving the host; what left while no controller watched, or before this
// one began, the journal knows, for the time since the host's agent was last
// heard. Without such a proof the host's brake keeps what the snapshot lacks.

// maxProofs bounds what one snapshot names as deleted because of the journal.
const maxProofs = 8192

// prove adds to a snapshot what the journal says was deleted, or left the host,
// since it was last in contact.
func (s *Server) prove(st *stream, u *rpc.Update) {
	if s.cfg.Journal == nil || !u.Full || st.contact.IsZero() {
		return
	}
	there := map[rpc.Ref]bool{}
	for r := range u.Records() {
		there[r] = true
	}
	for r := range u.Deletions() {
		there[r] = true
	}
	around := map[string]bool{} // the networks and groups that the host has
	for _, n := range u.Networks {
		around[n.ID] = true
	}
	for _, g := range u.Groups {
		around[g.ID] = true
	}
	named := 0
	for _, d := range s.cfg.Journal.Departed(st.ctx, st.contact, u.Revision) {
		for _, r := range departed(&d, st.host, around) {
			if !there[r] && named < maxProofs {
				there[r] = true
				u.Delete(r.Kind, r.ID)
				named++
			}
		}
	}
	if named > 0 {
		u.Sort()
		st.log.Info("deletions named from the journal", zap.Int("records", named), zap.Time("since", st.contact), zap.Int64("rev", u.Revision))
	}
}

// departed gives the records that a host may have had of an object that went.
func departed(d *journal.Departure, host string, around map[string]bool) []rpc.Ref {
	own := slices.Contains(d.Left, host)
	switch d.Resource {
	case "port":
		var out []rpc.Ref
		if own || d.Deleted && around[d.Network] {
			out = append(out, rpc.Ref{Kind: rpc.KindPort, ID: d.ID})
		}
		for _, g := range d.Groups {
			if around[g] {
				out = append(out, rpc.Ref{Kind: rpc.KindMember, ID: rpc.MemberID(g, d.ID)})
			}
		}
		return out
	case "security_group_rule":
		if slices.ContainsFunc(d.Groups, func(g string) bool { return around[g] }) {
			return []rpc.Ref{{Kind: rpc.KindRule, ID: d.ID}}
		}
	case "router_binding": // with it goes the router
		if own {
			return []rpc.Ref{{Kind: rpc.KindRouterBinding, ID: d.ID}, {Kind: rpc.KindRouter, ID: d.ID}}
		}
	case "dhcp_binding":
		if own {
			return []rpc.Ref{{Kind: rpc.KindDHCPBinding, ID: d.ID}}
		}
	}
	return nil
}
