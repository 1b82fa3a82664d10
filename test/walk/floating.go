package walk

var floatingSteps = []Step{
	{
		Command: "floating ip create outer --floating-ip-address 203.0.113.70 --description door --tag f1 -f json",
		Shows: Attributes{
			"floating_ip_address": "203.0.113.70", "fixed_ip_address": nil, "port_id": nil, "router_id": nil, "status": "DOWN",
			"floating_network_id": "$outer", "description": "door", "tags": []string{"f1"},
		},
		Saves: "float",
	},
	{Command: "floating ip create outer --floating-ip-address 203.0.113.70", Refused: "409"},
	{Command: "floating ip create inner", Refused: "400"},
	{Command: "floating ip set $float --port guest --tag f2"},
	{
		Command: "floating ip show 203.0.113.70 -f json",
		Shows: Attributes{
			"fixed_ip_address": "10.30.0.9", "port_id": "$guest", "router_id": "$edge", "tags": []string{"f1", "f2"},
		},
	},
	{
		Command: "floating ip create outer --port guest --fixed-ip-address 10.30.0.9",
		Refused: "409",
	},
	{
		Command: "floating ip list --long -f json",
		Shows: []Attributes{
			{"Floating IP Address": "203.0.113.70", "Fixed IP Address": "10.30.0.9", "Port": "$guest", "Router": "$edge", "Description": "door"},
		},
	},
	{Command: "floating ip list --port guest -f json", Shows: []Attributes{{"ID": "$float"}}},
	{Command: "floating ip list --fixed-ip-address 10.30.0.9 -f json", Shows: []Attributes{{"ID": "$float"}}},
	{Command: "floating ip list --router border -f json", Shows: []Attributes{{"ID": "$float"}}},
	{Command: "floating ip list --network inner -f json", Shows: []Attributes{}},
	{Command: "router remove subnet border inside", Refused: "409"},
	{Command: "router unset border --external-gateway", Refused: "409"},
	{Command: "floating ip unset $float --port --tag f1"},
	{Command: "floating ip show $float -f json", Shows: Attributes{"port_id": nil, "router_id": nil, "tags": []string{"f2"}}},
	{
		Command: "floating ip port forwarding create $float --internal-ip-address 10.30.0.9 --port guest --internal-protocol-port 22" +
			" --external-protocol-port 2222 --protocol tcp --description ssh -f json",
		Shows: Attributes{
			"internal_ip_address": "10.30.0.9", "internal_port": 22, "external_port": 2222, "protocol": "tcp", "description": "ssh",
		},
		Saves: "forward",
	},
	{
		Command: "floating ip port forwarding create $float --internal-ip-address 10.30.0.9 --port guest --internal-protocol-port 80" +
			" --external-protocol-port 2222 --protocol tcp",
		Refused: "2222",
	},
	{
		Command: "floating ip port forwarding create $float --internal-ip-address 10.30.0.9 --port guest --internal-protocol-port 53" +
			" --external-protocol-port 5353 --protocol udp -f json",
		Shows: Attributes{"internal_port": 53, "external_port": 5353, "protocol": "udp"},
	},
	{Command: "floating ip port forwarding set $float $forward --external-protocol-port 2223 --description shell"},
	{
		Command: "floating ip port forwarding show $float $forward -f json",
		Shows:   Attributes{"external_port": 2223, "internal_port": 22, "description": "shell"},
	},
	{
		Command: "floating ip port forwarding list $float -f json",
		Shows:   []Attributes{{"External Port": 2223, "Protocol": "tcp"}, {"External Port": 5353, "Protocol": "udp"}},
	},
	{Command: "floating ip port forwarding list $float --protocol tcp -f json", Shows: []Attributes{{"ID": "$forward"}}},
	{Command: "floating ip set $float --port guest", Refused: "409"},
	{Command: "floating ip port forwarding delete $float $forward"},
	{Command: "floating ip port forwarding list $float -f json", Shows: []Attributes{{"Protocol": "udp"}}},
	{Command: "floating ip pool list", Refused: "Floating ip pool operations are only available for Compute v2 network."},
	{Command: "port delete guest"},
	{Command: "floating ip port forwarding list $float -f json", Shows: []Attributes{}},
	{Command: "floating ip delete 203.0.113.70"},
	{Command: "floating ip list -f json", Shows: []Attributes{}},
	// Limits of floating addresses and gateways.
	{Command: "network qos policy create narrow -f json", Shows: Attributes{"name": "narrow"}, Saves: "narrow"},
	{Command: "network qos rule create narrow --type bandwidth-limit --max-kbps 1000 --ingress -f json", Shows: Attributes{"direction": "ingress"}},
	{Command: "floating ip create outer --qos-policy narrow -f json", Shows: Attributes{"qos_policy_id": "$narrow"}, Saves: "limited"},
	{Command: "network qos rule create narrow --type dscp-marking --dscp-mark 26", Refused: "bandwidth limits only"},
	{Command: "network qos policy delete narrow", Refused: "1 of 1 QoS policies failed to delete"},
	{Command: "floating ip set $limited --no-qos-policy"},
	{Command: "router set border --external-gateway outer --qos-policy narrow"},
	{Command: "network qos policy delete narrow", Refused: "1 of 1 QoS policies failed to delete"},
	{Command: "router set border --external-gateway outer --no-qos-policy"},
	{Command: "floating ip delete $limited"},
	{Command: "network qos policy delete narrow"},
	// Lepton's own lepton-nat-exempt, in the client's general way.
	{Command: "router set border --extra-property type=list,name=lepton_nat_exempt,value=192.0.2.1/24", Refused: "host bits"},
	{Command: "router set border --extra-property type=list,name=lepton_nat_exempt,value=192.0.2.0/24"},
	{Command: "router unset border --external-gateway"},
	{Command: "router remove subnet border inside"},
	{Command: "router delete border"},
	{Command: "router list -f json", Shows: []Attributes{}},
	{Command: "network delete outer inner"},
}
