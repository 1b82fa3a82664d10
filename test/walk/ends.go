package walk

var inUseSteps = []Step{
	{Command: "network delete azure", Refused: "There are one or more ports still in use on the network."},
	{Command: "subnet delete s4new", Refused: "One or more ports have an IP allocation from this subnet."},
	{Command: "security group delete www", Refused: "in use"},
	{Command: "security group delete default", Refused: "409"},
	{Command: "network set azure --provider-network-type gre", Refused: "400"},
	{Command: "network show azure -f json", Shows: Attributes{"provider:segmentation_id": 4242}},
	{Command: "network delete nosuch", Refused: "No Network found for nosuch"},
	{Command: "port delete nosuch", Refused: "No Port found for nosuch"},
}

var deleteSteps = []Step{
	{Command: "port delete one p2 p3 auto"},
	{Command: "subnet delete s4new s6"},
	{Command: "subnet list --network azure -f json", Shows: []Attributes{}},
	{Command: "network delete azure green white tenant"},
	{Command: "network list -f json", Shows: []Attributes{}},
	{Command: "port list -f json", Shows: []Attributes{}},
	{Command: "subnet list -f json", Shows: []Attributes{}},
	{Command: "security group delete www"},
	{Command: "security group list -f json", Shows: []Attributes{{"Name": "default"}}},
}
