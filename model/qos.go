package model

// QoSRuleType is a kind of QoS rule, as the API names it.
type QoSRuleType string

// The kinds of QoS rules.
const (
	BandwidthLimit    QoSRuleType = "bandwidth_limit"
	DSCPMarking       QoSRuleType = "dscp_marking"
	MinimumBandwidth  QoSRuleType = "minimum_bandwidth"
	MinimumPacketRate QoSRuleType = "minimum_packet_rate"
	PacketRateLimit   QoSRuleType = "packet_rate_limit"
)

// QoSRuleTypes are all kinds of QoS rules, in the order of their names.
func QoSRuleTypes() []QoSRuleType {
	return []QoSRuleType{BandwidthLimit, DSCPMarking, MinimumBandwidth, MinimumPacketRate, PacketRateLimit}
}

// QoSPolicy says what is done to the traffic of ports, networks, floating
// addresses and router gateways that name it.
type QoSPolicy struct {
	Meta
	// IsDefault gives the policy to new networks of its project that name none.
	IsDefault bool      `json:"is_default,omitempty"`
	Rules     []QoSRule `json:"rules,omitempty"`
}

// QoSRule is one thing that a QoS policy says.
type QoSRule struct {
	ID   string      `json:"id"`
	Type QoSRuleType `json:"type"`
	// Direction is ingress, egress, or any for the minimum packet rate, as the
	// instance sees it; empty for DSCP.
	Direction string `json:"direction,omitempty"`
	// Value is max_kbps or min_kbps in kbit/s, max_kpps or min_kpps in thousands
	// of packets a second, or dscp_mark, 0–56.
	Value int `json:"value"`
	// Burst is max_burst_kbps in kbit, or max_burst_kpps in thousands of
	// packets; 0 leaves it to the host.
	Burst int `json:"burst,omitempty"`
}
