package hosts_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

func TestCountersOfRulesAreStoredForEachHost(t *testing.T) {
	const one, two = "4f1d2a7b-93c0-4f6e-8a55-0123456789ab", "4f1d2a7b-93c1-4f6e-8a55-0123456789ab"
	c := newCloud(t)
	for _, id := range []string{one, two} {
		c.put(&model.SecurityGroupRule{Meta: model.Meta{ID: id}, SecurityGroupID: "g", Direction: "ingress", EtherType: "IPv4"})
	}
	c.put(
		&model.SecurityGroupRule{Meta: model.Meta{ID: "4f1d2a7b-93c2-4f6e-8a55-0123456789ab"}, SecurityGroupID: "elsewhere", Direction: "ingress", EtherType: "IPv4"},
		&model.Port{Meta: model.Meta{ID: "p1"}, Host: "hv1", SecurityGroups: []string{"g"}},
		&model.Port{Meta: model.Meta{ID: "p2"}, Host: "hv2", SecurityGroups: []string{"other", "g"}},
		&model.Port{Meta: model.Meta{ID: "p3"}, Host: "hv3", SecurityGroups: []string{"elsewhere"}},
	)
	ctl := c.serve(hosts.Config{HeartbeatInterval: time.Hour})
	h1 := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	h2 := c.join(session.Config{Hello: hello("hv2"), Dial: ctl.dial})
	at := time.Unix(1000, 0).UTC()
	counter := func(packets uint64) model.RuleCounter {
		return model.RuleCounter{Packets: packets, Bytes: 98 * packets, ReadAt: at}
	}
	become := func(host string, want ...model.RuleCounter) {
		t.Helper()
		c.eventually(fmt.Sprint(host, want), func() bool {
			s := get(c, records.RuleStats, host)
			return s == nil && len(want) == 0 || s != nil && fmt.Sprint(s.Counters) == fmt.Sprint(want)
		})
	}
	of := func(id string, packets uint64) model.RuleCounter {
		r := counter(packets)
		r.Rule = id
		return r
	}
	h1.ReportRules(map[string]model.RuleCounter{
		"4f1d2a7b93c0": counter(1), "4f1d2a7b93bf": counter(9), "4F1D2A7B93C0": counter(9), "4f1d": counter(9), "": counter(9),
		"4f1d2a7b93c2": counter(9), // of a group that no port on the host has
	})
	become("hv1", of(one, 1))
	h1.ReportRules(map[string]model.RuleCounter{"4f1d2a7b93c1": counter(2)})
	become("hv1", of(one, 1), of(two, 2))
	h2.ReportRules(map[string]model.RuleCounter{"4f1d2a7b93c0": counter(7)})
	become("hv2", of(one, 7))

	c.update(func(u *records.Update) { records.SecurityGroupRules.Delete(u, one) })
	h1.ReportRules(map[string]model.RuleCounter{"4f1d2a7b93c1": counter(3)})
	become("hv1", of(two, 3))
	h2.ReportRules(map[string]model.RuleCounter{"4f1d2a7b93c0": counter(8)}) // too late
	become("hv2")
}
