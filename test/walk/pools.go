package walk

var poolSteps = []Step{
	{Command: "address scope create inside -f json", Shows: Attributes{"name": "inside", "ip_version": 4, "shared": false}},
	{Command: "address scope create six --ip-version 6 --share -f json", Shows: Attributes{"ip_version": 6, "shared": true}},
	{Command: "address scope set inside --name within"},
	{Command: "address scope show within -f json", Shows: Attributes{"name": "within", "ip_version": 4}, Saves: "scope"},
	{Command: "address scope list --ip-version 6 -f json", Shows: []Attributes{{"Name": "six", "IP Version": 6, "Shared": true}}},
	{Command: "address scope list --share -f json", Shows: []Attributes{{"Name": "six"}}},
	{Command: "address scope list --name within -f json", Shows: []Attributes{{"Name": "within", "Shared": false}}},
	{Command: "address scope show inside", Refused: "No AddressScope found for inside"},
	{
		Command: "subnet pool create four --pool-prefix 10.210.0.0/16 --pool-prefix 10.211.0.0/16 --default-prefix-length 26" +
			" --min-prefix-length 20 --max-prefix-length 28 --address-scope within --description ranges --tag p1 --default-quota 4096 -f json",
		Shows: Attributes{
			// Neighbours become one.
			"prefixes": []string{"10.210.0.0/15"}, "default_prefixlen": 26, "min_prefixlen": 20, "max_prefixlen": 28,
			"address_scope_id": "$scope", "description": "ranges", "ip_version": 4, "is_default": false, "shared": false,
			"tags": []string{"p1"}, "default_quota": 4096,
		},
		Saves: "pool",
	},
	{
		Command: "subnet pool create all --pool-prefix 2001:db8:aa::/48 --default --share -f json",
		Shows:   Attributes{"ip_version": 6, "is_default": true, "shared": true, "default_prefixlen": 64},
	},
	{Command: "subnet pool create odd --pool-prefix 10.0.0.0/8 --pool-prefix 2001:db8::/32", Refused: "400"},
	{Command: "subnet pool create odd --pool-prefix 10.0.0.0/24 --min-prefix-length 28 --max-prefix-length 26", Refused: "400"},
	{Command: "subnet pool create odd --pool-prefix 10.211.1.0/24 --address-scope within", Refused: "subnetpools within an address scope must have unique prefixes"},
	{
		Command: "subnet pool list --long -f json",
		Shows: []Attributes{
			{"Name": "four", "Prefixes": []string{"10.210.0.0/15"}, "Default Prefix Length": 26, "Address Scope": "$scope", "Default Subnet Pool": false},
			{"Name": "all", "Prefixes": []string{"2001:db8:aa::/48"}, "Default Subnet Pool": true, "Shared": true},
		},
	},
	{Command: "subnet pool list --default -f json", Shows: []Attributes{{"Name": "all"}}},
	{Command: "subnet pool list --address-scope within -f json", Shows: []Attributes{{"Name": "four"}}},
	{Command: "subnet pool list --tags p1 -f json", Shows: []Attributes{{"Name": "four"}}},
	{Command: "subnet pool set four --pool-prefix 10.212.0.0/16 --default-prefix-length 24 --name fours --description wider --tag p2"},
	{
		Command: "subnet pool show fours -f json",
		Shows: Attributes{
			"prefixes": []string{"10.210.0.0/15", "10.212.0.0/16"}, "default_prefixlen": 24, "description": "wider", "tags": []string{"p1", "p2"},
		},
	},
	{Command: "subnet pool unset fours --tag p1"},
	{Command: "subnet pool show fours -f json", Shows: Attributes{"tags": []string{"p2"}}},
	{Command: "network create pooled -f json", Shows: Attributes{"ipv4_address_scope": nil}},
	{
		Command: "subnet create first --network pooled --subnet-pool fours -f json",
		Shows:   Attributes{"cidr": "10.212.0.0/24", "subnetpool_id": "$pool"},
	},
	{Command: "subnet create second --network pooled --subnet-pool fours --prefix-length 26 -f json", Shows: Attributes{"cidr": "10.212.1.0/26"}},
	{
		Command: "subnet create third --network pooled --subnet-pool fours --subnet-range 10.211.9.0/25 -f json",
		Shows:   Attributes{"cidr": "10.211.9.0/25"},
	},
	{
		Command: "subnet create automatic --network pooled --use-default-subnet-pool --ip-version 6 --ipv6-ra-mode slaac --ipv6-address-mode slaac -f json",
		Shows:   Attributes{"cidr": "2001:db8:aa::/64", "ipv6_ra_mode": "slaac"},
	},
	{Command: "subnet create odd --network pooled --subnet-pool fours --prefix-length 29", Refused: "29"},
	{Command: "subnet create odd --network pooled --subnet-pool fours --prefix-length 20", Refused: "Per-tenant subnet pool prefix quota exceeded"},
	{Command: "subnet create odd --network pooled --subnet-range 10.9.9.0/24", Refused: "400"},
	{Command: "network show pooled -f json", Shows: Attributes{"ipv4_address_scope": "$scope", "ipv6_address_scope": nil}},
	{Command: "subnet list --subnet-pool fours -f json", Shows: []Attributes{{"Name": "first"}, {"Name": "second"}, {"Name": "third"}}},
	{Command: "subnet pool delete fours", Refused: "400"},
	{Command: "address scope delete within", Refused: "409"},
	{Command: "network delete pooled"},
	{Command: "network create grown"},
	{Command: "subnet create own --network grown --subnet-range 10.220.0.0/24"},
	{Command: "network onboard subnets grown fours"},
	{Command: "subnet show own -f json", Shows: Attributes{"subnetpool_id": "$pool"}},
	{Command: "subnet pool show fours -f json", Shows: Attributes{"prefixes": []string{"10.210.0.0/15", "10.212.0.0/16", "10.220.0.0/24"}}},
	{Command: "network delete grown"},
	{Command: "subnet pool set fours --no-address-scope"},
	{Command: "subnet pool show fours -f json", Shows: Attributes{"address_scope_id": nil}},
	{Command: "subnet pool delete fours all"},
	{Command: "address scope delete within six"},
	{Command: "subnet pool list -f json", Shows: []Attributes{}},
	{Command: "address scope list -f json", Shows: []Attributes{}},
}
