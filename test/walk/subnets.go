package walk

var subnetSteps = []Step{
	{
		Command: "subnet create plain --network tenant --subnet-range 10.9.0.0/29 -f json",
		Shows: Attributes{
			"cidr": "10.9.0.0/29", "gateway_ip": "10.9.0.1", "enable_dhcp": true, "ip_version": 4,
			"allocation_pools": []Attributes{{"start": "10.9.0.2", "end": "10.9.0.6"}},
		},
	},
	{
		Command: "subnet create s4 --network azure --subnet-range 10.1.0.0/24 --gateway 10.1.0.254 --no-dhcp" +
			" --allocation-pool start=10.1.0.30,end=10.1.0.40 --allocation-pool start=10.1.0.10,end=10.1.0.20" +
			" --dns-nameserver 192.0.2.53 --dns-nameserver 192.0.2.54" +
			" --host-route destination=198.51.100.0/24,gateway=10.1.0.3 --description first --tag s -f json",
		Shows: Attributes{
			"gateway_ip": "10.1.0.254", "enable_dhcp": false, "description": "first", "tags": []string{"s"},
			"dns_nameservers": []string{"192.0.2.53", "192.0.2.54"},
			"host_routes":     []Attributes{{"destination": "198.51.100.0/24", "nexthop": "10.1.0.3"}},
		},
	},
	{
		Command: "subnet create s6 --network azure --ip-version 6 --subnet-range fd00:1::/64 --gateway fd00:1::ff --dns-nameserver 2001:db8::53 -f json",
		Shows: Attributes{
			"cidr": "fd00:1::/64", "ip_version": 6, "gateway_ip": "fd00:1::ff", "dns_nameservers": []string{"2001:db8::53"},
			"ipv6_ra_mode": nil, "ipv6_address_mode": nil,
			"allocation_pools": []Attributes{
				{"start": "fd00:1::1", "end": "fd00:1::fe"},
				{"start": "fd00:1::100", "end": "fd00:1::ffff:ffff:ffff:ffff"},
			},
		},
	},
	{
		Command: "subnet create s6auto --network tenant --ip-version 6 --subnet-range fd00:2::/64 --ipv6-ra-mode slaac --ipv6-address-mode slaac -f json",
		Shows:   Attributes{"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac", "gateway_ip": "fd00:2::"},
	},
	{Command: "subnet create odd --network azure --subnet-range 10.300.0.0/24", Refused: "400: Client Error for url: $api/v2.0/subnets, Invalid input for cidr. Reason: '10.300.0.0/24' is not a valid IP subnet."},
	{Command: "subnet create odd --network azure --subnet-range 10.1.0.0/25", Refused: "overlaps with another subnet"},
	{
		Command: "subnet create odd --network azure --subnet-range 10.2.0.0/24 --gateway 10.2.0.5 --allocation-pool start=10.2.0.2,end=10.2.0.9",
		Refused: "409: Client Error for url: $api/v2.0/subnets, Gateway ip 10.2.0.5 conflicts with allocation pool 10.2.0.2-10.2.0.9.",
	},
	{Command: "subnet create odd --network azure --subnet-range 10.2.0.0/24 --allocation-pool start=10.3.0.2,end=10.3.0.9", Refused: "10.3.0.2"},
	{Command: "subnet create odd --network azure --ip-version 6 --subnet-range 10.2.0.0/24", Refused: "10.2.0.0/24"},
	{Command: "subnet create odd --network nosuch --subnet-range 10.2.0.0/24", Refused: "No Network found for nosuch"},
	{
		Command: "subnet list --network azure --long -f json",
		Shows: []Attributes{
			{"Name": "s4", "Subnet": "10.1.0.0/24", "DHCP": false, "Gateway": "10.1.0.254", "IP Version": 4, "Tags": []string{"s"}},
			{"Name": "s6", "Subnet": "fd00:1::/64", "DHCP": true, "Gateway": "fd00:1::ff", "IP Version": 6},
		},
	},
	{Command: "subnet list --ip-version 6 -f json", Shows: []Attributes{{"Name": "s6"}, {"Name": "s6auto"}}},
	{Command: "subnet list --subnet-range 10.9.0.0/29 -f json", Shows: []Attributes{{"Name": "plain"}}},
	{Command: "subnet list --gateway 10.1.0.254 -f json", Shows: []Attributes{{"Name": "s4"}}},
	{Command: "subnet list --no-dhcp -f json", Shows: []Attributes{{"Name": "s4"}}},
	{
		Command: "subnet set s4 --name s4new --no-allocation-pool --allocation-pool start=10.1.0.50,end=10.1.0.60" +
			" --no-dns-nameservers --dns-nameserver 192.0.2.99 --no-host-route --host-route destination=203.0.113.0/24,gateway=10.1.0.4 --gateway 10.1.0.1 --dhcp --tag u",
	},
	{
		Command: "subnet show s4new -f json",
		Shows: Attributes{
			"allocation_pools": []Attributes{{"start": "10.1.0.50", "end": "10.1.0.60"}},
			"dns_nameservers":  []string{"192.0.2.99"}, "gateway_ip": "10.1.0.1", "enable_dhcp": true,
			"host_routes": []Attributes{{"destination": "203.0.113.0/24", "nexthop": "10.1.0.4"}},
			"tags":        []string{"s", "u"},
		},
	},
	{Command: "subnet unset s4new --dns-nameserver 192.0.2.99 --host-route destination=203.0.113.0/24,gateway=10.1.0.4 --tag u"},
	{Command: "subnet set s4new --gateway none"},
	{
		Command: "subnet show s4new -f json",
		Shows:   Attributes{"dns_nameservers": []any{}, "host_routes": []any{}, "gateway_ip": nil, "tags": []string{"s"}},
	},
	{Command: "subnet set s4new --gateway 10.1.0.55", Refused: "Gateway ip 10.1.0.55 conflicts with allocation pool 10.1.0.50-10.1.0.60."},
}
