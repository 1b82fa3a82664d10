package walk

var qosSteps = []Step{
	{Command: "network qos rule type list -f json", Shows: []Attributes{{"Type": "bandwidth_limit"}, {"Type": "dscp_marking"}, {"Type": "minimum_bandwidth"}, {"Type": "minimum_packet_rate"}, {"Type": "packet_rate_limit"}}},
	{Command: "network qos rule type show bandwidth_limit -f json", Shows: Attributes{"rule_type_name": "bandwidth_limit"}},
	{
		Command: "network qos policy create slow --description limited -f json",
		Shows:   Attributes{"name": "slow", "description": "limited", "shared": false, "is_default": false, "rules": []any{}}, Saves: "slow",
	},
	{Command: "network qos policy create common --share --default -f json", Shows: Attributes{"shared": true, "is_default": true}},
	{Command: "network qos policy set slow --name slower --no-default"},
	{Command: "network qos policy list --share -f json", Shows: []Attributes{{"Name": "common", "Shared": true, "Default": true}}},
	{
		Command: "network qos rule create slower --type bandwidth-limit --max-kbps 1000 --max-burst-kbits 800 --egress -f json",
		Shows:   Attributes{"max_kbps": 1000, "max_burst_kbps": 800, "direction": "egress"}, Saves: "limit",
	},
	{Command: "network qos rule create slower --type bandwidth-limit --max-kbps 2000 --egress", Refused: "409"},
	{Command: "network qos rule create slower --type dscp-marking --dscp-mark 26 -f json", Shows: Attributes{"dscp_mark": 26}, Saves: "mark"},
	{Command: "network qos rule create slower --type dscp-marking --dscp-mark 27", Refused: "27"},
	{Command: "network qos rule create slower --type minimum-bandwidth --min-kbps 100 --egress -f json", Shows: Attributes{"min_kbps": 100}},
	{Command: "network qos rule set slower $limit --max-kbps 1500"},
	{Command: "network qos rule show slower $limit -f json", Shows: Attributes{"max_kbps": 1500, "max_burst_kbps": 800}},
	{
		Command: "network qos rule list slower -f json",
		Shows: []Attributes{
			{"ID": "$limit", "Type": "bandwidth_limit", "Max Kbps": 1500, "Direction": "egress"},
			{"ID": "$mark", "Type": "dscp_marking", "DSCP mark": 26},
			{"Type": "minimum_bandwidth", "Min Kbps": 100},
		},
	},
	{Command: "network qos rule delete slower $mark"},
	{Command: "network qos rule show slower $mark", Refused: "$mark"},
	{Command: "network qos policy show slower -f json", Shows: Attributes{"id": "$slow", "description": "limited"}},
	{Command: "network qos policy delete slower common"},
	{Command: "network qos policy list -f json", Shows: []Attributes{}},
}
