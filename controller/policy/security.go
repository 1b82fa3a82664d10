package policy

import "github.com/lepton-sdn/lepton/controller/identity"

// security is the table of security groups, their rules and address groups.
func security() []Resource {
	group := owned("security_group")
	group.Get = anyOf(reader, identity.Shared)
	rule := owned("security_group_rule")
	rule.Get = anyOf(reader, identity.NetworkReader) // the rule's project, or its group's
	addresses := owned("address_group")
	addresses.Get = anyOf(reader, identity.Shared)
	// Everybody may know which rules new groups get.
	template := Resource{Name: "default_security_group_rule", Get: everyone, Create: admin, Delete: admin}
	return []Resource{group, rule, addresses, template}
}
