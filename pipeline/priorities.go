package pipeline

// The priorities, table by table in packet order, highest first. No literal
// priority stands in a rule.
const (
	// Every table.
	prioMiss = 0 // what no other rule matches

	// br-int 0, classify.
	prioDeadVLAN = 65535 // frames with VLAN id 0xfff, with which Neutron tags ports that are not wired
	prioWired    = 100   // ports and segments that are connected

	// br-int 24, ARP and ND spoofing.
	prioProbe   = 110 // probes, before their target takes the sender's place
	prioClaim   = 100 // addresses that a port has
	prioNoClaim = 50  // ARP and advertisements that no claim allowed

	// br-int 25, MAC spoofing.
	prioOwnMAC = 100 // MACs that a port has

	// br-int 71, egress base.
	prioProbed    = 120 // probes, put right after the check of table 24
	prioGuard     = 110 // what no guest may send, whatever its addresses
	prioNoAddress = 100 // from hosts that have no address yet
	prioOwnIP     = 90  // from addresses that a port has

	// br-int 60, transient.
	prioBridgeControl = 110 // frames that end at the first bridge
	prioMulticast     = 100 // broadcast and multicast

	// br-int 61, local MAC direct.
	prioKnownMAC = 100 // MACs of the network's ports

	// br-int 62, transient egress.
	prioOpenPorts = 100 // networks with a port without port security; 101 the next pages of a long list

	// br-int 94, output.
	prioFlood  = 100 // broadcast and multicast; 101 the next pages of a long list
	prioUplink = 90  // the rest

	// br-tun 0, classify.
	prioTunnelPort = 100 // br-int and the tunnels

	// br-tun 2, unicast or multicast.
	prioQuestion     = 110 // ARP requests and neighbour solicitations
	prioTunMulticast = 100 // other broadcast and multicast
	prioTunUnicast   = 90  // unicast

	// br-tun 3, 4 and 6, tunnel id to local VLAN; 10, learn; 22, flood.
	prioNetwork = 100 // networks

	// br-tun 21, ARP and ND responder.
	prioAnswerReady = 130 // advertisements that lack the link-layer address only
	prioUnspecified = 120 // duplicate address detection
	prioGratuitous  = 110 // announcements of ports here
	prioAnswer      = 100 // addresses of ports

	// br-tun 20, unicast to tunnel.
	prioRecorded = 100 // MACs of ports elsewhere
	prioLearned  = 50  // MACs that the switch has learned

	// Provider bridges 0 and 2.
	prioFromInt = 100 // from br-int
	prioSegment = 100 // networks of the physical network
)
