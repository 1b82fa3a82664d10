package hosts

import (
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// This file: the counters of security group rules. A host has one record with
// those of all its rules, which its agent brings up to date at a calm pace, so
// every controller can answer for all hosts.

// maxRules bounds the counters of one host, so that its record, some 150 bytes
// for each, stays below the 1.5 MiB that etcd takes in a request. The rules
// with the greatest ids have none.
const maxRules = 4096

// decodeRules reads the counters of a report; those that make no sense are left
// out.
func decodeRules(st *stream, list []*pb.RuleCounter) map[string]model.RuleCounter {
	if len(list) == 0 {
		return nil
	}
	all := map[string]model.RuleCounter{}
	for _, m := range list[:min(len(list), rpc.MaxStatuses)] {
		digits, c, err := rpc.DecodeRuleCounter(m)
		if err != nil {
			st.log.Warn("counter of a security group rule cannot be used", zap.Error(err))
			continue
		}
		all[digits] = c
	}
	return all
}

// writeRules brings the record of a host's counters up to date. Rules that do
// not exist (any more) leave it; of groups that no port on the host has, it has
// nothing to report.
func writeRules(u *records.Update, host string, news map[string]model.RuleCounter) {
	all := map[string]model.RuleCounter{}
	old, known := records.RuleStats.Get(u, host)
	if known {
		for _, c := range old.Counters {
			if _, ok := records.SecurityGroupRules.Get(u.Peek(), c.Rule); ok {
				all[c.Rule] = c
			}
		}
	}
	groups := groupsOn(u.Peek(), host)
	for digits, c := range news {
		if r := ruleOf(u.Peek(), digits); r != nil && groups[r.SecurityGroupID] {
			c.Rule = r.ID
			all[r.ID] = c
		}
	}
	rec := &model.RuleStats{Host: host}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if len(rec.Counters) < maxRules {
			rec.Counters = append(rec.Counters, all[id])
		}
	}
	switch {
	case len(rec.Counters) == 0 && known:
		records.RuleStats.Delete(u, host)
	case len(rec.Counters) > 0 && (!known || !slices.Equal(old.Counters, rec.Counters)):
		records.RuleStats.Put(u, rec)
	}
}

// groupsOn are the security groups of the ports on a host.
func groupsOn(r records.Reader, host string) map[string]bool {
	groups := map[string]bool{}
	for p := range records.PortsByHost.Get(r, host) {
		for _, g := range p.SecurityGroups {
			groups[g] = true
		}
	}
	return groups
}

// ruleOf gives the rule whose id begins with the twelve digits, nil when there
// is none.
func ruleOf(r records.Reader, digits string) *model.SecurityGroupRule {
	start := digits[:8] + "-" + digits[8:]
	for rule := range records.SecurityGroupRules.After(r, start) {
		if strings.HasPrefix(rule.ID, start) {
			return rule
		}
		break
	}
	return nil
}
