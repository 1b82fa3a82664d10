package policy

import "github.com/lepton-sdn/lepton/controller/identity"

// sharing is the table of what projects arrange among each other: RBAC policies,
// QoS policies, trunks, topologies made on demand.
func sharing() []Resource {
	trunk := owned("trunk")
	trunk.Actions = []Action{{"add_subports", member}, {"remove_subports", member}, {"get_subports", reader}}
	topology := Resource{Name: "auto_allocated_topology", Get: reader, Delete: member}
	qos := Resource{Name: "policy", Get: anyOf(reader, identity.Shared), Create: admin, Update: admin, Delete: admin}
	qos.Actions = []Action{{"update_policies_tags", member}}
	all := []Resource{
		owned("rbac_policy", written("target_tenant", oneProject)),
		trunk,
		topology,
		owned("lepton_instance"),
		qos,
		{Name: "rule_type", Get: everyone},
	}
	for _, rule := range []string{
		"bandwidth_limit_rule", "dscp_marking_rule", "minimum_bandwidth_rule",
		"packet_rate_limit_rule", "minimum_packet_rate_rule",
	} {
		all = append(all, Resource{Name: rule, Get: anyOf(reader, identity.Shared), Create: admin, Update: admin, Delete: admin})
	}
	return all
}

// oneProject is everybody who shares with one project, not with all.
func oneProject(_ identity.Identity, t identity.Target) bool { return t.Value != "*" }
