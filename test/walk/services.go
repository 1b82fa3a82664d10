package walk

var flavorSteps = []Step{
	{Command: "network service provider list -f json", Shows: []Attributes{
		{"Service Type": "L3_ROUTER_NAT", "Name": "dvr", "Default": false}, {"Service Type": "L3_ROUTER_NAT", "Name": "single_node", "Default": true},
	}},
	{
		Command: "network flavor create vanilla --service-type L3_ROUTER_NAT --description plain -f json",
		Shows:   Attributes{"name": "vanilla", "service_type": "L3_ROUTER_NAT", "enabled": true, "service_profile_ids": []any{}}, Saves: "vanilla",
	},
	{Command: "network flavor create odd --service-type ICE", Refused: "ICE"},
	{Command: "network flavor profile create --metainfo cold --description d -f json", Shows: Attributes{"meta_info": "cold", "enabled": true}, Saves: "profile"},
	{Command: "network flavor profile create --driver no.such", Refused: "no.such"},
	{Command: "network flavor add profile vanilla $profile"},
	{Command: "network flavor profile set $profile --disable", Refused: "used by"},
	{Command: "network flavor set vanilla --name chocolate --disable"},
	{Command: "network flavor show chocolate -f json", Shows: Attributes{"enabled": false, "service_profile_ids": []any{"$profile"}}},
	{Command: "network flavor list -f json", Shows: []Attributes{{"ID": "$vanilla", "Name": "chocolate", "Enabled": false}}},
	{Command: "network flavor remove profile chocolate $profile"},
	{Command: "network flavor profile set $profile --disable --description off"},
	{Command: "network flavor profile show $profile -f json", Shows: Attributes{"enabled": false, "description": "off"}},
	{Command: "network flavor profile list -f json", Shows: []Attributes{{"ID": "$profile", "Metainfo": "cold", "Enabled": false}}},
	{Command: "network flavor delete chocolate"},
	{Command: "network flavor profile delete $profile"},
}

var loggingSteps = []Step{
	{Command: "network loggable resources list -f json", Shows: []Attributes{{"Supported types": "security_group"}}},
	{Command: "security group create logged -f json", Saves: "logged"},
	{
		Command: "network log create drops --resource-type security_group --resource logged --event DROP --description d -f json",
		Shows:   Attributes{"Name": "drops", "Type": "security_group", "Resource": "$logged", "Target": nil, "Event": "DROP", "Enabled": true}, Saves: "drops",
	},
	{Command: "network log create odd --resource-type firewall_group", Refused: "firewall_group"},
	{Command: "network log set drops --name noise --disable"},
	{Command: "network log show noise -f json", Shows: Attributes{"Name": "noise", "Enabled": false, "Description": "d"}},
	{Command: "network log list --long -f json", Shows: []Attributes{{"ID": "$drops", "Name": "noise", "Enabled": false, "Type": "security_group"}}},
	{Command: "network log delete noise"},
	{Command: "security group delete logged"},
}

var meterSteps = []Step{
	{Command: "network meter create wan --description out --share -f json", Shows: Attributes{"name": "wan", "description": "out", "shared": true}, Saves: "wan"},
	{
		Command: "network meter rule create wan --source-ip-prefix 10.0.0.0/8 --egress -f json",
		Shows:   Attributes{"direction": "egress", "source_ip_prefix": "10.0.0.0/8", "remote_ip_prefix": nil, "metering_label_id": "$wan"}, Saves: "meterrule",
	},
	{Command: "network meter rule create wan --ingress", Refused: "must be defined"},
	{Command: "network meter rule show $meterrule -f json", Shows: Attributes{"direction": "egress"}},
	{Command: "network meter rule list -f json", Shows: []Attributes{{"ID": "$meterrule", "Source IP Prefix": "10.0.0.0/8"}}},
	{Command: "network meter list -f json", Shows: []Attributes{{"ID": "$wan", "Name": "wan"}}},
	{Command: "network meter show wan -f json", Shows: Attributes{"description": "out"}},
	{Command: "network meter rule delete $meterrule"},
	{Command: "network meter delete wan"},
}

var localIPSteps = []Step{
	{Command: "network create nearby"},
	{Command: "subnet create nearby4 --network nearby --subnet-range 10.77.0.0/24"},
	{Command: "port create near --network nearby --fixed-ip ip-address=10.77.0.9 -f json", Saves: "near"},
	{
		Command: "local ip create --name here --local-port near --ip-mode passthrough -f json",
		Shows:   Attributes{"name": "here", "local_port_id": "$near", "local_ip_address": "10.77.0.9", "ip_mode": "passthrough"}, Saves: "here",
	},
	{Command: "local ip create --name odd", Refused: "must be specified"},
	{Command: "local ip set here --description d"},
	{Command: "local ip show here -f json", Shows: Attributes{"description": "d"}},
	{Command: "local ip list -f json", Shows: []Attributes{{"ID": "$here", "Name": "here", "Local IP address": "10.77.0.9"}}},
	// Hosts do not translate local IPs yet.
	{Command: "local ip association create here near", Refused: "hosts do not translate local IPs yet"},
	{Command: "local ip association list here -f json", Shows: []Attributes{}},
	{Command: "local ip association delete here $near", Refused: "failed to delete"},
	{Command: "port delete near", Refused: "Local IPs"},
	{Command: "local ip delete here"},
	{Command: "port delete near"},
	{Command: "network delete nearby"},
}
