package walk

var schedulerSteps = []Step{
	{Command: "network agent list --agent-type l3 -f json", Shows: []Attributes{{"Host": "net1", "Agent Type": "L3 agent"}}, Saves: "l3"},
	{Command: "network agent list --agent-type dhcp -f json", Shows: []Attributes{{"Host": "net1", "Agent Type": "DHCP agent"}}, Saves: "dhcp"},
	{Command: "availability zone list --network -f json", Shows: []Attributes{{"Zone Name": "nova", "Zone Status": "available"}}, Among: true},
	{Command: "router create placed"},
	{Command: "network agent add router --l3 $l3 placed"},
	{Command: "network agent list --router placed -f json", Shows: []Attributes{{"Host": "net1", "Agent Type": "L3 agent"}}},
	{Command: "router list --agent $l3 -f json", Shows: []Attributes{{"Name": "placed"}}, Among: true},
	{Command: "network agent remove router --l3 $l3 placed"},
	{Command: "network agent list --router placed -f json", Shows: []Attributes{}},
	{Command: "router delete placed"},
	{Command: "network create placed"},
	{Command: "network agent add network --dhcp $dhcp placed"},
	{Command: "network agent list --network placed -f json", Shows: []Attributes{{"Host": "net1", "Agent Type": "DHCP agent"}}},
	{Command: "network list --agent $dhcp -f json", Shows: []Attributes{{"Name": "placed"}}, Among: true},
	{Command: "network agent remove network --dhcp $dhcp placed"},
	{Command: "network agent list --network placed -f json", Shows: []Attributes{}},
	{Command: "network delete placed"},
}
