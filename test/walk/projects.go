package walk

// CloudChapters are those that only a whole cloud has: they name projects, which
// the client looks up in Keystone, and want agents for routers and DHCP on net1.
func CloudChapters() []Chapter {
	return []Chapter{{"projects and quotas", projectSteps}, {"schedulers", schedulerSteps}}
}

var projectSteps = []Step{
	{Command: "project create guests -f json", Saves: "guests"},
	{Command: "network create theirs --project guests -f json", Shows: Attributes{"project_id": "$guests"}, Saves: "theirs"},
	{Command: "network list --project guests -f json", Shows: []Attributes{{"Name": "theirs"}}},
	{Command: "network create ours -f json", Saves: "ours"},
	{
		Command: "network rbac create --type network --action access_as_shared --target-project guests ours -f json",
		Shows:   Attributes{"target_project_id": "$guests", "object_id": "$ours"}, Saves: "policy",
	},
	{Command: "project create others -f json", Saves: "others"},
	{Command: "network rbac set $policy --target-project others"},
	{Command: "network rbac show $policy -f json", Shows: Attributes{"target_project_id": "$others"}},
	{Command: "network rbac delete $policy"},
	{Command: "security group list --project guests -f json", Shows: []Attributes{{"Name": "default", "Project": "$guests"}}},
	{Command: "quota set --networks 3 --ports 7 --secgroups 4 guests"},
	{Command: "quota show guests -f json", Shows: Attributes{"networks": 3, "ports": 7, "secgroups": 4, "subnets": 100, "subnet_pools": -1}},
	{Command: "router create theirs --project guests -f json", Shows: Attributes{"project_id": "$guests"}},
	{Command: "router delete theirs"},
	{Command: "availability zone list --network -f json"},
	{Command: "network delete theirs ours"},
	{Command: "network auto allocated topology create --check-resources -f json", Refused: "No default router:external network"},
	{Command: "network create beyond --external --default"},
	{Command: "subnet create beyond --network beyond --subnet-range 203.0.113.0/24"},
	{Command: "subnet pool create quick --pool-prefix 10.240.0.0/16 --default-prefix-length 24 --default --share"},
	{Command: "network auto allocated topology create --check-resources -f json"},
	{Command: "network auto allocated topology create --or-show -f json", Shows: Attributes{"project_id": "$project"}, Saves: "topology"},
	{Command: "network show $topology -f json", Shows: Attributes{"id": "$topology", "project_id": "$project"}},
	{Command: "network auto allocated topology create --or-show -f json", Shows: Attributes{"id": "$topology"}},
	{Command: "network auto allocated topology delete"},
	{Command: "network show $topology", Refused: "No Network found for $topology"},
	{Command: "network delete beyond"},
	{Command: "subnet pool delete quick"},
	{Command: "project delete guests others"},
}
