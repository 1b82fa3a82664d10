package walk

var segmentSteps = []Step{
	{Command: "network create routed --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 110 -f json", Saves: "routed"},
	{
		Command: "network segment list --network routed -f json",
		Shows:   []Attributes{{"Network": "$routed", "Network Type": "vlan", "Segment": 110}}, Saves: "first",
	},
	{
		Command: "network segment create upstairs --network routed --network-type vlan --physical-network physnet1 --segment 111 --description second -f json",
		Shows: Attributes{
			"name": "upstairs", "network_id": "$routed", "network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 111,
			"description": "second",
		},
	},
	{
		Command: "network segment create odd --network routed --network-type vlan --physical-network physnet1 --segment 111",
		Refused: "111",
	},
	{Command: "network segment set $first --name downstairs --description one"},
	{Command: "network segment show downstairs -f json", Shows: Attributes{"name": "downstairs", "description": "one", "segmentation_id": 110}},
	{
		Command: "network segment list --network routed --long -f json",
		Shows: []Attributes{
			{"Name": "downstairs", "Segment": 110, "Physical Network": "physnet1"}, {"Name": "upstairs", "Segment": 111, "Physical Network": "physnet1"},
		},
	},
	{Command: "network segment delete upstairs"},
	{Command: "network segment show upstairs", Refused: "No Segment found for upstairs"},
	{Command: "network delete routed"},
	{Command: "network segment list --network $routed -f json", Refused: "No Network found for"},
	{
		Command: "network segment range create lab --shared --network-type vlan --physical-network physnet1 --minimum 2100 --maximum 2110 -f json",
		Shows:   Attributes{"name": "lab", "network_type": "vlan", "physical_network": "physnet1", "minimum": 2100, "maximum": 2110, "shared": true, "default": false},
	},
	{
		Command: "network segment range create odd --shared --network-type vlan --physical-network physnet1 --minimum 2120 --maximum 2119",
		Refused: "2119",
	},
	{Command: "network segment range set lab --name labs --minimum 2100 --maximum 2120"},
	{Command: "network segment range show labs -f json", Shows: Attributes{"minimum": 2100, "maximum": 2120, "name": "labs"}},
	{
		Command: "network segment range list --used -f json",
		Shows: []Attributes{
			{"Network Type": "vlan", "Default": true}, {"Network Type": "vxlan", "Default": true},
		},
	},
	{Command: "network segment range delete labs"},
	{Command: "network segment range show labs", Refused: "No NetworkSegmentRange found for labs"},
}
