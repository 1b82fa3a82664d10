package journal

import (
	"encoding/json"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// resource says how the records of a table are written down.
type resource struct {
	// name is what the API calls one of them.
	name string
	// rename gives attributes the API's names.
	rename map[string]string
	// secret are attributes whose values are nobody's business.
	secret []string
	// hidden are fields that are the controllers' own.
	hidden []string
}

// resources are the tables whose changes are written down. What hosts and
// controllers note for themselves (heartbeats, states, duties, counters, what
// Nova was told) is not there.
var resources = map[string]resource{
	records.Networks.Name():           {name: "network", rename: map[string]string{"external": "router:external"}},
	records.Subnets.Name():            {name: "subnet", rename: map[string]string{"gateway": "gateway_ip"}},
	records.Ports.Name():              {name: "port", rename: portNames()},
	records.SecurityGroups.Name():     {name: "security_group"},
	records.SecurityGroupRules.Name(): {name: "security_group_rule"},
	records.RuleTemplates.Name():      {name: "default_security_group_rule"},
	records.Routers.Name(): {name: "router", rename: map[string]string{
		"gateway": "external_gateway_info", "nat_exempt": "lepton_nat_exempt",
	}},
	records.FloatingIPs.Name():      {name: "floatingip"},
	records.PortForwardings.Name():  {name: "port_forwarding"},
	records.ConntrackHelpers.Name(): {name: "conntrack_helper"},
	records.SubnetPools.Name():      {name: "subnetpool", hidden: []string{"allocations"}},
	records.AddressScopes.Name():    {name: "address_scope", hidden: []string{"changes"}},
	records.AddressGroups.Name():    {name: "address_group"},
	records.RBACPolicies.Name():     {name: "rbac_policy", rename: map[string]string{"target_project": "target_tenant"}},
	records.QoSPolicies.Name():      {name: "qos_policy"},
	records.Trunks.Name():           {name: "trunk"},
	records.Logs.Name():             {name: "log"},
	records.Flavors.Name():          {name: "flavor"},
	records.ServiceProfiles.Name():  {name: "service_profile", secret: []string{"metainfo"}},
	records.MeteringLabels.Name():   {name: "metering_label"},
	records.MeteringRules.Name():    {name: "metering_label_rule"},
	records.LocalIPs.Name():         {name: "local_ip"},
	records.Instances.Name(): {name: "lepton_instance", rename: map[string]string{"ports": "port_ids"}, secret: []string{
		"user_data", "vendor_data", "metadata", "keys", "password",
	}},
	records.SegmentRanges.Name():  {name: "network_segment_range"},
	records.RouterBindings.Name(): {name: "router_binding"},
	records.DHCPBindings.Name():   {name: "dhcp_binding"},
	records.Quotas.Name():         {name: "quota"},
}

func portNames() map[string]string {
	return map[string]string{
		"host": "binding:host_id", "vnic_type": "binding:vnic_type", "vif_type": "binding:vif_type",
		"vif_details": "binding:vif_details", "profile": "binding:profile",
	}
}

// agentName is the resource of agents, of whose records only what
// administrators do is a change.
const agentName = "agent"

// plain are the fields of a record that an event has elsewhere, or that follow
// from the change.
var plain = []string{"id", "project_id", "created_at", "updated_at", "revision", "quota_slot"}

// shown is the value of an attribute that the API shows otherwise than it is
// stored.
func shown(table, field string, value any) any {
	if g, ok := value.(*model.RouterGateway); ok && table == records.Routers.Name() && field == "gateway" && g != nil {
		return struct {
			Network string `json:"network_id"`
			SNAT    bool   `json:"enable_snat"`
		}{g.NetworkID, g.EnableSNAT}
	}
	return value
}

var jsonNull = json.RawMessage("null")
