package walk

var sharingSteps = []Step{
	{Command: "network create common -f json", Shows: Attributes{"shared": false}, Saves: "common"},
	{
		Command: "network rbac create --type network --action access_as_shared --target-all-projects common -f json",
		Shows: Attributes{
			"object_type": "network", "object_id": "$common", "action": "access_as_shared", "target_project_id": "*",
		},
		Saves: "policy",
	},
	{Command: "network rbac create --type network --action access_as_shared --target-all-projects common", Refused: "409"},
	{Command: "network show common -f json", Shows: Attributes{"shared": true}},
	{Command: "network rbac list --action access_as_shared -f json", Shows: []Attributes{{"ID": "$policy", "Object Type": "network", "Object ID": "$common"}}},
	{Command: "network rbac list --type security_group -f json", Shows: []Attributes{}},
	{Command: "network rbac show $policy -f json", Shows: Attributes{"object_id": "$common", "target_project_id": "*"}},
	{Command: "network rbac delete $policy"},
	{Command: "network rbac show $policy", Refused: "$policy"},
	{Command: "network show common -f json", Shows: Attributes{"shared": false}},
	{
		Command: "network rbac create --type security_group --action access_as_shared --target-all-projects www -f json",
		Shows:   Attributes{"object_type": "security_group"}, Saves: "grouppolicy",
	},
	{Command: "network rbac delete $grouppolicy"},
	{Command: "network delete common"},
}
