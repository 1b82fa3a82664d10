package api

import (
	"context"
	"net/http"
)

// extension is an entry of the extension list. Clients look for the alias; the
// other texts are what they show.
type extension struct{ alias, name, updated, description string }

// extensions are those that work, by alias. Aliases, names and dates are
// Neutron's, but for Lepton's own, whose aliases begin with lepton-.
func extensions() []extension {
	return []extension{
		{"address-group", "Address group", "2020-07-15T10:00:00-00:00", "Support address group"},
		{"address-scope", "Address scope", "2015-07-26T10:00:00-00:00", "Address scopes extension."},
		{"agent", "agent", "2013-02-03T10:00:00-00:00", "The agent management extension."},
		{"agent-resources-synced", "Agent's Resource View Synced to Placement", "2018-12-19T00:00:00-00:00", "Stores success/failure of last sync to Placement"},
		{"allowed-address-pairs", "Allowed Address Pairs", "2013-07-23T10:00:00-00:00", "Provides allowed address pairs"},
		{"auto-allocated-topology", "Auto Allocated Topology Services", "2016-01-01T00:00:00-00:00", "Auto Allocated Topology Services."},
		{"availability_zone", "Availability Zone", "2015-01-01T10:00:00-00:00", "The availability zone extension."},
		{"availability_zone_filter", "Availability Zone Filter Extension", "2018-06-22T10:00:00-00:00", "Add filter parameters to AvailabilityZone resource"},
		{"binding", "Port Binding", "2014-02-03T10:00:00-00:00", "Expose port bindings of a virtual port to external application"},
		{"binding-extended", "Port Bindings Extended", "2017-07-17T10:00:00-00:00", "Expose port bindings of a virtual port to external application"},
		{"data-plane-status", "Port data plane status extension", "2017-01-24T10:00:00-00:00", "Expose status of underlying data plane"},
		{"default-subnetpools", "Default Subnetpools", "2016-02-18T18:00:00-00:00", "Provides ability to mark and use a subnetpool as the default."},
		{"dhcp_agent_scheduler", "DHCP Agent Scheduler", "2013-02-07T10:00:00-00:00", "Schedule networks among dhcp agents"},
		{"dns-domain-ports", "dns_domain for ports", "2017-04-24T10:00:00-00:00", "Allows the DNS domain to be specified for a network port."},
		{"dns-integration", "DNS Integration", "2015-08-15T18:00:00-00:00", "Provides integration with DNS."},
		{"dvr", "Distributed Virtual Router", "2014-06-1T10:00:00-00:00", "Enables configuration of Distributed Virtual Routers."},
		{"empty-string-filtering", "Empty String Filtering Extension", "2018-05-01T10:00:00-00:00", "Allow filtering by attributes with empty string value"},
		{"expose-l3-conntrack-helper", "Expose CT target rules for conntrack helper", "2019-04-04T10:00:00-00:00", "Expose allow adding CT target rules for conntrack helper"},
		{"expose-port-forwarding-in-fip", "Expose Floating IP port forwardings", "2018-06-28T16:00:00-00:00", "Expose port forwarding fields in floating IP response"},
		{"ext-gw-mode", "Neutron L3 Configurable external gateway mode", "2013-03-28T10:00:00-00:00", "Extension of the router abstraction for specifying whether SNAT should occur on the external gateway"},
		{"external-net", "Neutron external network", "2013-01-14T10:00:00-00:00", "Adds external network attribute to network resource."},
		{"extra_dhcp_opt", "Neutron Extra DHCP options", "2013-03-17T12:00:00-00:00", "Extra options configuration for DHCP. For example PXE boot options to DHCP clients can be specified (e.g. tftp-server, server-ip-address, bootfile-name)"},
		{"extraroute", "Neutron Extra Route", "2013-02-01T10:00:00-00:00", "Extra routes configuration for L3 router"},
		{"extraroute-atomic", "Atomically add/remove extra routes", "2019-07-10T00:00:00+00:00", "Edit extra routes of a router on server side by atomically adding/removing extra routes"},
		{"filter-validation", "Filter parameters validation", "2018-07-04T10:00:00-00:00", "Provides validation on filter parameters."},
		{"fip-port-details", "Floating IP Port Details Extension", "2018-04-09T10:00:00-00:00", "Add port_details attribute to Floating IP resource"},
		{"flavors", "Neutron Service Flavors", "2015-09-17T10:00:00-00:00", "Flavor specification for Neutron advanced services."},
		{"floating-ip-port-forwarding", "Floating IP Port Forwarding", "2018-01-19T10:00:00-00:00", "Allow port forwarding from floating IP port to an internal port"},
		{"floating-ip-port-forwarding-description", "Floating IP Port Forwarding new attribute description", "2019-11-01T10:00:00-00:00", "Add a description field to Port Forwarding rules"},
		{"floating-ip-port-forwarding-detail", "Floating IP port forwarding detail", "2022-05-06T10:00:00-00:00", "Allow list floating ip return more port forwarding data, include'id' and 'internal_port_id'"},
		{"floating-ip-port-forwarding-port-ranges", "Floating IP Port Forwarding support port ranges", "2020-07-01T10:00:00-00:00", "Add suport to port ranges"},
		{"floatingip-pools", "Floating IP Pools Extension", "2018-03-21T10:00:00-00:00", "Provides a floating IP pools API."},
		{"ip-substring-filtering", "IP address substring filtering", "2017-11-28T09:00:00-00:00", "Provides IP address substring filtering when listing ports"},
		{"ip_allocation", "IP Allocation", "2016-06-10T23:00:00-00:00", "IP allocation extension."},
		{"l2_adjacency", "L2 Adjacency", "2016-04-12T16:00:00-00:00", "Display L2 Adjacency for Neutron Networks."},
		{"l3_agent_scheduler", "L3 Agent Scheduler", "2013-02-07T10:00:00-00:00", "Schedule routers among l3 agents"},
		{"l3-conntrack-helper", "L3 Conntrack helper", "2019-04-04T10:00:00-00:00", "Allow adding CT target rules for conntrack helper"},
		{"l3-flavors", "Router Flavor Extension", "2016-05-17T00:00:00-00:00", "Flavor support for routers."},
		{"l3-ha", "HA Router extension", "2014-04-26T00:00:00-00:00", "Adds HA capability to routers."},
		{"l3-port-ip-change-not-allowed", "Prevent L3 router ports IP address change extension", "2018-10-09T10:00:00-00:00", "Prevent change of IP address for some L3 router ports"},
		{"multi-provider", "Multi Provider Network", "2013-06-27T10:00:00-00:00", "Expose mapping of virtual networks to multiple physical networks"},
		{"lepton-events", "Lepton event journal", "2026-11-26T00:00:00-00:00", "Who changed what, and which hosts applied it when"},
		{"lepton-import", "Lepton import of objects", "2026-11-26T00:00:00-00:00", "Objects that another network service had, with their ids"},
		{"lepton-explain", "Lepton explanations", "2026-11-26T00:00:00-00:00", "What becomes of a packet, and which object decides it"},
		{"lepton-nat-exempt", "Lepton NAT exemptions of routers", "2026-11-26T00:00:00-00:00", "Destinations beyond a router's gateway to which nothing is translated"},
		{"lepton-instances", "Lepton instances", "2026-11-26T00:00:00-00:00", "What guests are told about themselves by the metadata service"},
		{"lepton-realization", "Lepton realization of objects on hosts", "2026-11-26T00:00:00-00:00", "What each host made of a port, a router, a floating IP, or the DHCP of a network"},
		{"lepton-rule-stats", "Lepton security group rule statistics", "2026-11-26T00:00:00-00:00", "Packets and bytes that each security group rule admitted"},
		{"lepton-topology", "Lepton topology", "2026-11-26T00:00:00-00:00", "The cloud as a picture shows it: networks, routers and hosts with their ports counted, and a search"},
		{"lepton-status", "Lepton status", "2026-11-26T00:00:00-00:00", "Controllers, store, agents, and the ports that are not wired"},
		{"local_ip", "Local IP", "2021-07-26T10:00:00-00:00", "Support Node Local Virtual IP"},
		{"logging", "Logging API Extension", "2017-01-01T10:00:00-00:00", "Provides a logging API for resources such as security group and firewall."},
		{"metering", "Neutron Metering", "2013-06-12T10:00:00-00:00", "Neutron Metering extension."},
		{"metering_source_and_destination_fields", "Neutron Metering with source and destination filtering", "2020-08-21T08:12:00-00:00", "Neutron Metering extension that enables the use of source and destination IP prefixes to create metering label rules."},
		{"net-mtu", "Network MTU", "2015-03-25T10:00:00-00:00", "Provides MTU attribute for a network resource."},
		{"net-mtu-writable", "Network MTU (writable)", "2017-07-12T00:00:00-00:00", "Provides a writable MTU attribute for a network resource."},
		{"network-ip-availability", "Network IP Availability", "2015-09-24T00:00:00-00:00", "Provides IP availability data for each network and subnet."},
		{"network-segment-range", "Neutron Network Segment Range", "2018-11-29T00:00:00-00:00", "Provides support for the network segment range management"},
		{"network_availability_zone", "Network Availability Zone", "2015-01-01T10:00:00-00:00", "Availability zone support for network."},
		{"pagination", "Pagination support", "2016-06-12T00:00:00-00:00", "Extension that indicates that pagination is enabled."},
		{"port-device-profile", "Port device profile", "2020-12-17T10:00:00-00:00", "Expose the port device profile (Cyborg)"},
		{"port-mac-address-regenerate", "Neutron Port MAC address regenerate", "2018-05-03T10:00:00-00:00", "Network port MAC address regenerate"},
		{"port-numa-affinity-policy", "Port NUMA affinity policy", "2020-07-08T10:00:00-00:00", "Expose the port NUMA affinity policy"},
		{"port-resource-request", "Port Resource Request", "2018-05-08T10:00:00-00:00", "Expose resource request to Port"},
		{"port-resource-request-groups", "Port Resource Request Groups", "2021-08-02T10:00:00-00:00", "Support requesting multiple groups of resources and traits from the same RP subtree in resource_request"},
		{"port-security", "Port Security", "2012-07-23T10:00:00-00:00", "Provides port security"},
		{"port-security-groups-filtering", "Port filtering on security groups", "2018-01-09T09:00:00-00:00", "Provides security groups filtering when listing ports"},
		{"project-id", "project_id field enabled", "2016-09-09T09:09:09-09:09", "Extension that indicates that project_id field is enabled."},
		{"provider", "Provider Network", "2012-09-07T10:00:00-00:00", "Expose mapping of virtual networks to physical networks"},
		{"qos", "Quality of Service", "2015-06-08T10:00:00-00:00", "The Quality of Service extension."},
		{"qos-bw-limit-direction", "Direction for QoS bandwidth limit rule", "2017-04-10T10:00:00-00:00", "Allow to configure QoS bandwidth limit rule with specific direction: ingress or egress"},
		{"qos-bw-minimum-ingress", "Ingress direction for QoS minimum bandwidth rule", "2018-07-09T10:00:00-00:00", "Allow to configure QoS minumum bandwidth rule with ingress direction."},
		{"qos-default", "QoS default policy", "2017-041-06T10:00:00-00:00", "Expose the QoS default policy per project"},
		{"qos-fip", "Floating IP QoS", "2017-07-20T00:00:00-00:00", "The floating IP Quality of Service extension"},
		{"qos-gateway-ip", "Router gateway IP QoS", "2018-02-24T00:00:00-00:00", "The Router gateway IP Quality of Service extension"},
		{"qos-port-network-policy", "QoS port network policy ID", "2019-11-01T10:00:00-00:00", "Adds a the QoS network ID to the port definition"},
		{"qos-pps", "QoS Rule Type Packet per Second Extension", "2021-05-12T10:00:00-00:00", "Add QoS Rule Type Packet per Second"},
		{"qos-pps-minimum", "QoS minimum packet rate rule", "2021-07-14T10:00:00-00:00", "Allow to configure QoS minimum packet rate rule."},
		{"qos-pps-minimum-rule-alias", "QoS minimum packet rate rule alias", "2021-10-22T10:00:00-00:00", "API to enable GET, PUT and DELETE operations on QoS minimum packet rate rule without specifying policy ID"},
		{"qos-rule-type-details", "Details of QoS rule types", "2017-06-22T10:00:00-00:00", "Expose details about QoS rule types supported by loaded backend drivers"},
		{"qos-rule-type-filter", "Allow to filter the list of QoS rule types", "2022-02-02T10:00:00-00:00", "Allows to filter the QoS rule type list adding two new flags. \"all_rules\" prints all implemented QoS rule types.\"all_supported\" prints all supported QoS rule types by the loaded mechanism drivers"},
		{"qos-rules-alias", "Quality of Service rules alias API", "2018-10-07T10:00:00-00:00", "API to enable GET, PUT and DELETE operations on QoS policy rules without specifying policy ID"},
		{"quota-check-limit", "Quota engine limit check", "2021-09-08T16:00:00-00:00", "Support for checking the resource usage before applying a new quota limit"},
		{"quota_details", "Quota details management support", "2017-02-10T10:00:00-00:00", "Expose functions for quotas usage statistics per project"},
		{"quotas", "Quota management support", "2012-07-29T10:00:00-00:00", "Expose functions for quotas management per project"},
		{"rbac-address-group", "Add address_group type to RBAC", "2021-01-20T00:00:00-00:00", "Add address_group type to network RBAC"},
		{"rbac-address-scope", "Add address_scope type to RBAC", "2020-02-12T00:00:00-00:00", "Add address_scope type to RBAC"},
		{"rbac-policies", "RBAC Policies", "2015-06-17T12:15:12-00:00", "Allows creation and modification of policies that control tenant access to resources."},
		{"rbac-security-groups", "Add security_group type to network RBAC", "2019-02-14T00:00:00-00:00", "Add security_group type to network RBAC"},
		{"rbac-subnetpool", "Add subnetpool type to RBAC", "2020-02-05T00:00:00-00:00", "Add subnetpool type to RBAC"},
		{"revision-if-match", "If-Match constraints based on revision_number", "2016-12-11T00:00:00-00:00", "Extension indicating that If-Match based on revision_number is supported."},
		{"router", "Neutron L3 Router", "2012-07-20T10:00:00-00:00", "Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks via a NAT gateway."},
		{"router-admin-state-down-before-update", "Enforce Router's Admin State Down Before Update Extension", "2019-07-02T15:56:00", "Ensure that the admin state of a router is DOWN (admin_state_up=False) before updating the distributed attribute"},
		{"router_availability_zone", "Router Availability Zone", "2015-01-01T10:00:00-00:00", "Availability zone support for router."},
		{"security-group", "security-group", "2012-10-05T10:00:00-00:00", "The security groups extension."},
		{"security-groups-default-rules", "Default rules for security groups", "2022-12-19T10:00:00-00:00", "Configure set of security group rules used as default rules for every new security group"},
		{"security-groups-normalized-cidr", "Normalized CIDR field for security group rules", "2020-07-28T10:00:00-00:00", "Add new field with normalized remote_ip_prefix cidr in SG rule"},
		{"security-groups-remote-address-group", "Remote address group id field for security group rules", "2020-08-25T10:00:00-00:00", "Add new field of remote address group id in SG rules"},
		{"security-groups-shared-filtering", "Security group filtering on the shared field", "2021-10-05T09:00:00-00:00", "Support filtering security groups on the shared field"},
		{"segment", "Segment", "2016-02-24T17:00:00-00:00", "Segments extension."},
		{"segments-peer-subnet-host-routes", "Segments peer-subnet host routes", "2018-06-12T10:00:00-00:00", "Add host routes to subnets on a routed network (segments)"},
		{"service-type", "Neutron Service Type Management", "2013-01-20T00:00:00-00:00", "API for retrieving service providers for Neutron advanced services"},
		{"sorting", "Sorting support", "2016-06-12T00:00:00-00:00", "Extension that indicates that sorting is enabled."},
		{"standard-attr-description", "standard-attr-description", "2016-02-10T10:00:00-00:00", "Extension to add descriptions to standard attributes"},
		{"standard-attr-revisions", "Resource revision numbers", "2016-04-11T10:00:00-00:00", "This extension will display the revision number of neutron resources."},
		{"standard-attr-segment", "Standard Attribute Segment Extension", "2018-04-09T10:00:00-00:00", "Add standard attributes to Segment resource"},
		{"standard-attr-tag", "Tag support for resources with standard attribute: port, subnet, subnetpool, network, security_group, router, floatingip, policy, trunk, network_segment_range", "2017-01-01T00:00:00-00:00", "Enables to set tag on resources with standard attribute."},
		{"standard-attr-timestamp", "Resource timestamps", "2016-09-12T10:00:00-00:00", "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes."},
		{"stateful-security-group", "Stateful security group", "2019-11-26T09:00:00-00:00", "Indicates if the security group is stateful or not"},
		{"subnet-dns-publish-fixed-ip", "Subnet DNS publish fixed IP", "2019-05-24T10:00:00-00:00", "Support choosing to publish DNS records for IPs from a subnet"},
		{"subnet-segmentid-writable", "Subnet SegmentID (writable)", "2018-03-12T00:00:00-00:00", "Provides a writable segment_id attribute for a subnet resource."},
		{"subnet-service-types", "Subnet service types", "2016-03-15T18:00:00-00:00", "Provides ability to set the subnet service_types field"},
		{"subnet_allocation", "Subnet Allocation", "2015-03-30T10:00:00-00:00", "Enables allocation of subnets from a subnet pool"},
		{"subnet_onboard", "Subnet Onboard", "2018-12-18T09:00:00-00:00", "Provides support for onboarding subnets into subnet pools"},
		{"subnetpool-prefix-ops", "Subnet Pool Prefix Operations", "2019-02-08T10:00:00-00:00", "Provides support for adjusting the prefix list of subnet pools"},
		{"tag-ports-during-bulk-creation", "Tag Ports During Bulk Creation", "2019-12-29T19:00:00-00:00", "Allow to tag ports during bulk creation"},
		{"trunk", "Trunk Extension", "2016-01-01T10:00:00-00:00", "Provides support for trunk ports"},
		{"trunk-details", "Trunk port details", "2016-01-01T10:00:00-00:00", "Expose trunk port details"},
		{"uplink-status-propagation", "Uplink status propagation extension", "2018-05-31T18:00:00-00:00", "Provides ability to propagate port uplink status."},
	}
}

func (e extension) object() object {
	return object{
		{"alias", e.alias},
		{"name", e.name},
		{"description", e.description},
		{"updated", e.updated},
		{"links", []string{}},
	}
}

// extensionList serves /v2.0/extensions.
type extensionList struct{}

func (extensionList) serve(_ context.Context, rq *request, rest []string) (response, error) {
	if len(rest) > 1 {
		return response{}, errNoPath
	}
	if rq.http.Method != http.MethodGet {
		return response{}, errMethod
	}
	var all []object
	for _, e := range extensions() {
		if len(rest) == 1 && e.alias == rest[0] {
			return response{status: http.StatusOK, body: appendObject(nil, object{{"extension", e.object()}})}, nil
		}
		all = append(all, e.object())
	}
	if len(rest) == 1 { // not a NeutronError here
		return response{status: http.StatusNotFound, body: appendObject(nil, object{
			{"message", "Extension with alias " + rest[0] + " does not exist"},
			{"code", "404 Not Found"},
			{"title", "Not Found"},
		})}, nil
	}
	return response{status: http.StatusOK, body: appendObject(nil, object{{"extensions", all}})}, nil
}
