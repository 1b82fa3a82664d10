package walk

var agentSteps = []Step{
	{Command: "extension show security-group -f json", Shows: Attributes{"alias": "security-group", "name": "security-group"}},
	{Command: "extension show nosuch -f json", Refused: "nosuch"},
	{
		Command: "network agent list --agent-type open-vswitch -f json",
		Shows:   []Attributes{aliveOn("net1"), aliveOn("hv1"), aliveOn("hv2")},
	},
	{
		Command: "network agent list --host hv1 --agent-type open-vswitch -f json",
		Shows:   []Attributes{aliveOn("hv1")}, Saves: "agent",
	},
	{Command: "network agent show $agent -f json", Shows: Attributes{"host": "hv1", "alive": true, "admin_state_up": true}},
	{Command: "network agent set $agent --disable --description maintenance"},
	{
		Command: "network agent show $agent -f json",
		Shows:   Attributes{"alive": true, "admin_state_up": false, "description": "maintenance"},
	},
	{Command: "network agent set $agent --enable"},
	{Command: "network agent show $agent -f json", Shows: Attributes{"admin_state_up": true}},
	{Command: "network agent show 00000000-0000-0000-0000-000000000000 -f json", Refused: "could not be found"},
	{Command: "network agent delete 00000000-0000-0000-0000-000000000000", Refused: "could not be found"},
}

// aliveOn is the host's Open vSwitch agent in a list.
func aliveOn(host string) Attributes {
	return Attributes{
		"Host": host, "Alive": true, "State": true,
		"Agent Type": "Open vSwitch agent", "Binary": "neutron-openvswitch-agent",
	}
}
