package walk

var networkSteps = []Step{
	{
		Command: "network create tenant -f json",
		Shows: Attributes{
			"name": "tenant", "status": "ACTIVE", "admin_state_up": true, "mtu": 1450,
			"provider:network_type": "vxlan", "provider:physical_network": nil, "router:external": false,
			"shared": false, "port_security_enabled": true, "subnets": []any{}, "tags": []any{}, "revision_number": 1,
		},
	},
	{
		Command: "network create blue --provider-network-type vxlan --provider-segment 4242 --mtu 1400 --share --description ocean --dns-domain example.org. --tag t1 --tag t2 -f json",
		Shows: Attributes{
			"provider:network_type": "vxlan", "provider:segmentation_id": 4242, "mtu": 1400, "shared": true,
			"description": "ocean", "dns_domain": "example.org.", "tags": []string{"t1", "t2"},
		},
	},
	{
		Command: "network create green --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 101 --disable-port-security --disable -f json",
		Shows: Attributes{
			"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 101,
			"mtu": 1500, "port_security_enabled": false, "admin_state_up": false,
		},
	},
	{
		Command: "network create white --provider-network-type flat --provider-physical-network physnet1 --external --default -f json",
		Shows: Attributes{
			"provider:network_type": "flat", "provider:segmentation_id": nil, "router:external": true, "is_default": true,
		},
	},
	{Command: "network create gre --provider-network-type gre -f json", Shows: Attributes{"provider:network_type": "gre", "mtu": 1458}},
	{Command: "network create geneve --provider-network-type geneve -f json", Shows: Attributes{"provider:network_type": "geneve", "mtu": 1450}},
	{Command: "network create local --provider-network-type local -f json", Shows: Attributes{"provider:network_type": "local", "provider:segmentation_id": nil}},
	{
		Command: "network create twice --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 101",
		Refused: "ConflictException: 409, Unable to create the network. The VLAN 101 on physical network physnet1 is in use.",
	},
	{
		Command: "network create twice --provider-network-type vxlan --provider-segment 4242",
		Refused: "ConflictException: 409, Unable to create the network. The tunnel ID 4242 is in use.",
	},
	{
		Command: "network create twice --provider-network-type flat --provider-physical-network physnet1",
		Refused: "409, Unable to create the flat network. Physical network physnet1 is in use.",
	},
	{Command: "network create odd --provider-network-type carrier-pigeon", Refused: "carrier-pigeon"},
	{Command: "network create odd --provider-network-type vlan --provider-physical-network nosuch", Refused: "nosuch"},
	{Command: "network create odd --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 5000", Refused: "400"},
	{Command: "network create odd --mtu 9000", Refused: "Requested MTU is too big, maximum is 1450."},
	{
		Command: "network list --long -f json",
		Shows: []Attributes{
			{"Name": "tenant", "Network Type": "vxlan", "State": true, "Shared": false},
			{"Name": "blue", "Network Type": "vxlan", "Shared": true, "Tags": []string{"t1", "t2"}},
			{"Name": "green", "Network Type": "vlan", "State": false},
			{"Name": "white", "Network Type": "flat", "Router Type": true},
			{"Name": "gre"},
			{"Name": "geneve"},
			{"Name": "local"},
		},
	},
	{Command: "network list --external -f json", Shows: []Attributes{{"Name": "white"}}},
	{Command: "network list --provider-segment 4242 -f json", Shows: []Attributes{{"Name": "blue"}}},
	{Command: "network list --provider-network-type vlan -f json", Shows: []Attributes{{"Name": "green"}}},
	{Command: "network list --name blue -f json", Shows: []Attributes{{"Name": "blue"}}},
	{Command: "network list --disable -f json", Shows: []Attributes{{"Name": "green"}}},
	{Command: "network list --share -f json", Shows: []Attributes{{"Name": "blue"}}},
	{Command: "network list --tags t1,t2 -f json", Shows: []Attributes{{"Name": "blue"}}},
	{Command: "network list --not-tags t1 --provider-network-type vxlan -f json", Shows: []Attributes{{"Name": "tenant"}}},
	{Command: "network set blue --name azure --mtu 1300 --no-share --description sky --dns-domain example.com. --tag t3"},
	{
		Command: "network show azure -f json",
		Shows: Attributes{
			"name": "azure", "mtu": 1300, "shared": false, "description": "sky", "dns_domain": "example.com.",
			"tags": []string{"t1", "t2", "t3"}, "provider:segmentation_id": 4242,
		},
	},
	{Command: "network unset azure --tag t1 --tag t3"},
	{Command: "network show azure -f json", Shows: Attributes{"tags": []string{"t2"}}},
	{Command: "network set green --enable --enable-port-security --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 102"},
	{
		Command: "network show green -f json",
		Shows:   Attributes{"admin_state_up": true, "port_security_enabled": true, "provider:segmentation_id": 102},
	},
	{Command: "network set white --internal"},
	{Command: "network show white -f json", Shows: Attributes{"router:external": false, "is_default": false}},
	{Command: "network show blue -f json", Refused: "No Network found for blue"},
	{Command: "network delete gre geneve local"},
	{Command: "network list --provider-network-type gre -f json", Shows: []Attributes{}},
}
