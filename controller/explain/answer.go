package explain

// Verdict is what becomes of a packet and of its answer.
type Verdict string

// The verdicts.
const (
	// Passes: the packet arrives, and the answer comes back.
	Passes Verdict = "passes"
	// Dropped: the packet, or the answer to it, ends on the way.
	Dropped Verdict = "dropped"
	// Leaves: the packet goes out to a physical network, to a machine that the
	// API knows nothing of; an answer would come back.
	Leaves Verdict = "leaves"
)

// Reason is the kind of what decides, for programs.
type Reason string

// The reasons.
const (
	ReasonDelivered     Reason = "delivered"      // nothing is in the way
	ReasonSecurityGroup Reason = "security_group" // of the port that is named
	ReasonPortSecurity  Reason = "port_security"  // anti-spoofing
	ReasonPortDown      Reason = "port_down"      // admin_state_up is false
	ReasonPortUnbound   Reason = "port_unbound"
	ReasonPortNotWired  Reason = "port_not_wired" // its host says why
	ReasonNoAddress     Reason = "no_address"     // the port has none of the family
	ReasonNetworkDown   Reason = "network_down"   // admin_state_up is false
	ReasonUnknown       Reason = "unknown_destination"
	ReasonNoTunnel      Reason = "no_way_between_hosts"
	ReasonNoGateway     Reason = "no_gateway" // of a subnet, or of a router
	ReasonNoRoute       Reason = "no_route"
	ReasonRouterDown    Reason = "router_down"
	ReasonRouterNowhere Reason = "router_not_realized"
	ReasonScope         Reason = "address_scope"
	ReasonOtherSource   Reason = "unexpected_source" // the answer is not from where the packet went
	ReasonLoop          Reason = "loop"
	ReasonNotForwarded  Reason = "not_forwarded" // a router's own address, of which nothing is translated
	ReasonTooBig        Reason = "too_big"       // for a network's MTU
	ReasonNoDHCP        Reason = "no_dhcp"       // nobody would answer
	ReasonNoMetadata    Reason = "no_metadata"   // likewise
	ReasonPipeline      Reason = "pipeline"      // a table's; see Text
)

// Object is an API object. One that the asker may not see has neither id nor
// name.
type Object struct {
	Kind string `json:"kind"` // as in bodies: port, security_group_rule, router …
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	// Text tells more: what a rule admits, a port's addresses.
	Text string `json:"text,omitempty"`

	project string
}

// Decision is what lets a packet through or drops it.
type Decision struct {
	// Direction is "forward" for the packet, "reply" for the answer to it.
	Direction string  `json:"direction"`
	Reason    Reason  `json:"reason"`
	Object    *Object `json:"object"`
	// Text is one sentence. Host is where it is decided.
	Text string `json:"text"`
	Host string `json:"host,omitempty"`

	// side, port and packet are what the nearest rule is looked for with.
	side   string
	port   string
	packet head
}

// Nearest is the rule that comes closest to admitting the packet.
type Nearest struct {
	Rule Object `json:"rule"`
	// Differs are what it would have to have otherwise: ethertype, protocol,
	// port_range, remote_ip_prefix, remote_group_id, remote_address_group_id.
	Differs []string `json:"differs"`
	Text    string   `json:"text"`
}

// Step is a stage of the way.
type Step struct {
	// Kind is sender, resolution (who answers ARP or a neighbour solicitation for
	// the next hop), bridges, tunnel, physical_network, router or receiver.
	Kind string `json:"kind"`
	Host string `json:"host,omitempty"`
	// Text is one sentence, which names no host.
	Text string `json:"text"`
	// Packet is the packet as the stage gets it.
	Packet string `json:"packet"`
	// Objects are those that the text is about.
	Objects []Object `json:"objects"`
	// In and Out are the ports of a router that the packet comes in and goes out
	// by, NextHop is whom it is sent to from there. A replica of a distributed
	// router that sends it to the router's home has no NextHop.
	In      *Object `json:"in,omitempty"`
	Out     *Object `json:"out,omitempty"`
	NextHop string  `json:"next_hop,omitempty"`
	// Path names the tables that the packet meets, "br-int 0 classify".
	Path []string `json:"path,omitempty"`
	// Tables are the flows that it hits, when they are asked for.
	Tables []Flow `json:"tables,omitempty"`
}

// Flow is a flow that a packet hits. Port numbers and local VLANs in it are made
// up: leptonctl flows shows the host's own.
type Flow struct {
	Bridge string `json:"bridge"`
	Table  uint8  `json:"table"`
	Name   string `json:"table_name"`
	Text   string `json:"flow"`
	// Feature is the part of the pipeline that the flow is of.
	Feature string  `json:"feature"`
	Object  *Object `json:"object,omitempty"`
}

// Pending is something that a host has not made of the records yet.
type Pending struct {
	Host   string  `json:"host,omitempty"`
	Object *Object `json:"object,omitempty"`
	Text   string  `json:"text"`
}

// Packet is what is sent.
type Packet struct {
	Protocol           string `json:"protocol"`
	SourceAddress      string `json:"source_ip_address"`
	DestinationAddress string `json:"destination_ip_address"`
	SourcePort         int    `json:"source_port,omitempty"`
	DestinationPort    int    `json:"destination_port,omitempty"`
	// Size is the length of the IP packet in bytes, 0 when nobody asks for it.
	Size         int  `json:"size,omitempty"`
	DontFragment bool `json:"dont_fragment,omitempty"`
}

// Answer is an explanation.
type Answer struct {
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	Packet  Packet  `json:"packet"`
	From    Object  `json:"from"`
	To      *Object `json:"to"` // nil: an address of no port
	// Decision is what drops, or what lets through last.
	Decision *Decision `json:"decision"`
	// Nearest and Advice are for drops by security groups: the rule that comes
	// closest, and a command that admits the packet.
	Nearest *Nearest `json:"nearest"`
	Advice  string   `json:"advice,omitempty"`
	Forward []Step   `json:"forward"`
	Reply   []Step   `json:"reply"`
	// Pending is what hosts on the way have not realised yet, Warnings what else
	// makes the answer less sure.
	Pending  []Pending `json:"pending"`
	Warnings []string  `json:"warnings"`
}
