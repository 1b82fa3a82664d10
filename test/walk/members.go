package walk

// MemberChapter is for a session of a member of a project. There is a network of
// another project, $hidden by its id and hidden by its name.
func MemberChapter() Chapter {
	return Chapter{"what a member may", []Step{
		{Command: "network list -f json", Shows: []Attributes{}},
		{Command: "network show hidden", Refused: "No Network found for hidden"},
		{Command: "network show $hidden", Refused: "No Network found for $hidden"},
		{Command: "network delete $hidden", Refused: "No Network found for $hidden"},
		{Command: "subnet create odd --network $hidden --subnet-range 10.0.0.0/24", Refused: "No Network found for $hidden"},
		{Command: "network create own -f json", Shows: Attributes{"name": "own", "provider:network_type": nil, "provider:segmentation_id": nil}},
		{Command: "network create odd --provider-network-type vxlan", Refused: "403"},
		{Command: "network create odd --share", Refused: "403"},
		{Command: "network set own --external", Refused: "403"},
		{Command: "network agent list -f json", Shows: []Attributes{}},
		{Command: "security group list -f json", Shows: []Attributes{{"Name": "default"}}},
		{Command: "network delete own"},
	}}
}
