package policy

// operating is the table of what belongs to the cloud rather than to a project.
// Availability zones, service providers and flavors are seen by everybody,
// because clients offer them as choices.
func operating() []Resource {
	agent := operators("agent")
	agent.Actions = []Action{
		{"get_dhcp-networks", admin},
		{"create_dhcp-network", admin},
		{"delete_dhcp-network", admin},
		{"get_dhcp-agents", admin},
		{"get_l3-routers", admin},
		{"create_l3-router", admin},
		{"delete_l3-router", admin},
		{"get_l3-agents", admin},
	}
	return []Resource{
		agent,
		// A project sees its own limits.
		{Name: "quota", Get: reader, Update: admin, Delete: admin},
		{Name: "availability_zone", Get: everyone},
		{Name: "network_ip_availability", Get: admin},
		operators("segment"),
		operators("network_segment_range"),
		operators("binding"), // of a port to a host
		{Name: "service_provider", Get: everyone},
		{Name: "flavor", Get: everyone, Create: admin, Update: admin, Delete: admin},
		operators("service_profile"),
		operators("log"),
		// What is explained is a port's; the answer leaves out what is not the
		// project's.
		{Name: "lepton_explain", Get: reader},
		// A project sees what happened to its own objects, and not who else did it.
		{Name: "lepton_event", Get: reader},
		{Name: "lepton_status", Get: admin},
		{Name: "loggable_resource", Get: admin},
		{Name: "metering_label", Get: reader, Create: admin, Delete: admin},
		{Name: "metering_label_rule", Get: reader, Create: admin, Delete: admin},
	}
}
