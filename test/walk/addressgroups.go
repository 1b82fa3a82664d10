package walk

var addressGroupSteps = []Step{
	{
		Command: "address group create offices --address 192.0.2.0/25 --address 2001:db8::/64 --description people -f json",
		Shows:   Attributes{"name": "offices", "addresses": []string{"192.0.2.0/25", "2001:db8::/64"}, "description": "people"},
		Saves:   "offices",
	},
	{Command: "address group create odd --address 192.0.2.300", Refused: "192.0.2.300"},
	{Command: "address group set offices --name sites --description all --address 198.51.100.7 --address 203.0.113.0/24"},
	{
		Command: "address group show sites -f json",
		Shows: Attributes{
			"name": "sites", "description": "all",
			"addresses": []string{"192.0.2.0/25", "198.51.100.7/32", "203.0.113.0/24", "2001:db8::/64"},
		},
	},
	{Command: "address group unset sites --address 192.0.2.0/25 --address 203.0.113.0/24"},
	{Command: "address group unset sites --address 192.0.2.0/25", Refused: "192.0.2.0/25"},
	{
		Command: "address group list -f json",
		Shows:   []Attributes{{"Name": "sites", "Description": "all", "Addresses": []string{"198.51.100.7/32", "2001:db8::/64"}}},
	},
	{Command: "address group list --name nosuch -f json", Shows: []Attributes{}},
	{
		Command: "security group rule create www --protocol tcp --dst-port 443 --remote-address-group sites -f json",
		Shows:   Attributes{"remote_address_group_id": "$offices", "port_range_min": 443, "remote_ip_prefix": nil},
		Saves:   "siterule",
	},
	{Command: "security group rule show $siterule -f json", Shows: Attributes{"remote_address_group_id": "$offices", "direction": "ingress"}},
	{Command: "address group delete sites", Refused: "409"},
	{Command: "security group rule delete $siterule"},
	{Command: "security group rule show $siterule", Refused: "$siterule"},
	{Command: "address group delete sites"},
	{Command: "address group list -f json", Shows: []Attributes{}},
}
