package pipeline

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// TestARuleThatCannotBeRealisedIsReportedAndAdmitsNothing: what the API lets
// through by mistake, or a newer controller knows, holds nothing else up.
func TestARuleThatCannotBeRealisedIsReportedAndAdmitsNothing(t *testing.T) {
	number := func(n int) *int { return &n }
	for _, test := range []struct {
		name                string
		harm                func(r *model.SecurityGroupRule)
		stateful, userspace bool
		want                string
	}{
		{"no direction", func(r *model.SecurityGroupRule) { r.Direction = "up" }, true, false, `has direction "up", which is neither ingress nor egress`},
		{"no ethertype", func(r *model.SecurityGroupRule) { r.EtherType = "IPv5" }, true, false, `has ethertype "IPv5", which is neither IPv4 nor IPv6`},
		{"a prefix of the other family", func(r *model.SecurityGroupRule) {
			r.RemoteIPPrefix, r.NormalizedCIDR = "2001:db8::/32", netip.MustParsePrefix("2001:db8::/32")
		}, true, false, `has remote_ip_prefix 2001:db8::/32, which is not IPv4`},
		{"no prefix", func(r *model.SecurityGroupRule) { r.RemoteIPPrefix = "here" }, true, false, `has remote_ip_prefix "here", which is no prefix`},
		{"an unknown protocol", func(r *model.SecurityGroupRule) { r.Protocol = "quic" }, true, false, `has the unknown protocol "quic"`},
		{"ports of any protocol", func(r *model.SecurityGroupRule) { r.Protocol = "" }, true, false, `has ports without a protocol`},
		{"reversed ports", func(r *model.SecurityGroupRule) { r.PortRangeMin = number(90) }, true, false, `has ports 90 to 80, which is no range`},
		{"half a range", func(r *model.SecurityGroupRule) { r.PortRangeMax = nil }, true, false, `has an open range of ports`},
		{"ports of a protocol without", func(r *model.SecurityGroupRule) { r.Protocol = "gre" }, true, false, `has ports of protocol gre, which packets cannot be told by`},
		{"an ICMP type too large", func(r *model.SecurityGroupRule) { r.Protocol, r.PortRangeMin = "icmp", number(256) }, true, false, `has ICMP type or code 256, which is not between 0 and 255`},
		{"an ICMP code without type", func(r *model.SecurityGroupRule) { r.Protocol, r.PortRangeMin = "icmp", nil }, true, false, `has an ICMP code without type`},
		{"DCCP in the kernel", func(r *model.SecurityGroupRule) { r.Protocol = "dccp" }, true, false, ""},
		{"DCCP in userspace", func(r *model.SecurityGroupRule) { r.Protocol = "dccp" }, true, true, `has ports of protocol dccp, which connections of the userspace datapath cannot be told by`},
		{"UDP-Lite in userspace", func(r *model.SecurityGroupRule) { r.Protocol = "136" }, true, true, `has ports of protocol 136, which connections of the userspace datapath cannot be told by`},
		{"UDP-Lite in a stateless group", func(r *model.SecurityGroupRule) { r.Protocol = "udplite" }, false, false, `has ports of protocol udplite, which packets of a stateless group cannot be told by`},
		{"all of DCCP in userspace", func(r *model.SecurityGroupRule) { r.Protocol, r.PortRangeMin, r.PortRangeMax = "dccp", nil, nil }, true, true, ""},
		{"SCTP in userspace", func(r *model.SecurityGroupRule) { r.Protocol = "sctp" }, true, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud()
			c.Config.Userspace = test.userspace
			c.network(1, tunnelled(model.VXLAN, 1948))
			c.group(1, "ingress IPv4 protocol=tcp ports=80-80", "ingress IPv4 protocol=udp ports=53-53").Stateful = test.stateful
			inGroups(c.port(1, 1, "10.10.0.11"), 1)
			before := Compile(&c.View).Bridges["br-int"]
			good, bad := ruleID(1, 2), ruleID(1, 1)
			test.harm(c.Groups[groupID(1)].Rules[bad])
			p := Compile(&c.View)
			ofRule := func(rules []flows.Rule, id string) int {
				return len(slices.DeleteFunc(slices.Clone(rules), func(r flows.Rule) bool { return r.Cookie != Cookie(FeatureRule, id) }))
			}
			if got, want := ofRule(p.Bridges["br-int"], good), ofRule(before, good); got != want {
				t.Errorf("the other rule has %d flows, want %d", got, want)
			}
			var problems []string
			for _, problem := range p.Problems {
				problems = append(problems, problem.Kind+" "+problem.ID+" "+problem.Text)
			}
			if test.want == "" {
				if len(problems) > 0 || ofRule(p.Bridges["br-int"], bad) == 0 {
					t.Errorf("the rule has %d flows and the problems %q", ofRule(p.Bridges["br-int"], bad), problems)
				}
				return
			}
			if diff := cmp.Diff("security group rule "+bad+" "+test.want, strings.Join(problems, "; ")); diff != "" {
				t.Error(diff)
			}
			if n := ofRule(p.Bridges["br-int"], bad); n > 0 {
				t.Errorf("the rule has %d flows", n)
			}
		})
	}
}
