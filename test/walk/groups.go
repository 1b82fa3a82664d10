package walk

var groupSteps = []Step{
	{
		Command: "security group list -f json",
		Shows:   []Attributes{{"Name": "default", "Description": "Default security group"}},
	},
	{
		Command: "security group create web --description servers --tag k -f json",
		Shows:   Attributes{"name": "web", "description": "servers", "tags": []string{"k"}, "stateful": true},
	},
	{
		Command: "security group rule create web --protocol tcp --dst-port 80:81 --remote-ip 192.0.2.0/24 --description hello -f json",
		Shows: Attributes{
			"direction": "ingress", "ether_type": "IPv4", "protocol": "tcp", "port_range_min": 80, "port_range_max": 81,
			"remote_ip_prefix": "192.0.2.0/24", "description": "hello",
		},
	},
	{
		Command: "security group rule create web --protocol ipv6-icmp --ethertype IPv6 --icmp-type 128 -f json",
		Shows:   Attributes{"ether_type": "IPv6", "protocol": "ipv6-icmp", "port_range_min": 128, "port_range_max": nil},
	},
	{
		Command: "security group rule create web --egress --protocol udp --dst-port 53 --remote-group default -f json",
		Shows:   Attributes{"direction": "egress", "protocol": "udp", "port_range_min": 53, "remote_ip_prefix": nil},
	},
	{
		Command: "security group rule create web --protocol tcp --dst-port 80:81 --remote-ip 192.0.2.0/24",
		Refused: "409, Security group rule already exists.",
	},
	{Command: "security group rule create web --protocol sneakernet", Refused: "sneakernet"},
	{Command: "security group rule create web --protocol tcp --remote-ip 192.0.2.0/33", Refused: "192.0.2.0/33"},
	{Command: "security group rule create nosuch --protocol tcp", Refused: "No SecurityGroup found for nosuch"},
	{
		Command: "security group rule list web -f json",
		Shows: []Attributes{
			{"Direction": "egress", "Ethertype": "IPv4", "IP Protocol": nil},
			{"Direction": "egress", "Ethertype": "IPv6", "IP Protocol": nil},
			{"Direction": "ingress", "IP Protocol": "tcp", "Port Range": "80:81", "IP Range": "192.0.2.0/24"},
			{"Direction": "ingress", "IP Protocol": "ipv6-icmp", "Port Range": "type=128", "IP Range": "::/0"},
			{"Direction": "egress", "IP Protocol": "udp", "Port Range": "53:53"},
		},
	},
	{Command: "security group rule list web --protocol tcp -f json", Shows: []Attributes{{"IP Protocol": "tcp"}}},
	{Command: "security group rule list web --ingress -f json", Shows: []Attributes{{"IP Protocol": "tcp"}, {"IP Protocol": "ipv6-icmp"}}},
	{Command: "security group set web --name www --description changed"},
	{Command: "security group show www -f json", Shows: Attributes{"name": "www", "description": "changed"}},
	{Command: "security group unset www --tag k"},
	{Command: "security group show www -f json", Shows: Attributes{"tags": []any{}}},
	{Command: "security group set www --tag k"},
	{Command: "security group create spare -f json", Shows: Attributes{"name": "spare"}},
	{Command: "security group list --tags k -f json", Shows: []Attributes{{"Name": "www"}}},
	{Command: "security group delete spare"},
	{Command: "security group list -f json", Shows: []Attributes{{"Name": "default"}, {"Name": "www"}}},
}
