package pipeline

// The priorities, table by table in packet order, highest first. No literal
// priority stands in a rule.
const (
	// Every table: what no other rule matches.
	prioMiss = 0

	// br-int 0, classify.
	prioDeadVLAN = 65535 // frames of ports that are not wired, as Neutron tags them
	prioWired    = 100

	// br-int 24, ARP and ND spoofing.
	prioProbe   = 110
	prioClaim   = 100
	prioNoClaim = 50 // ARP or an advertisement that no claim allowed

	// br-int 25, MAC spoofing.
	prioOwnMAC = 100

	// br-int 71, egress base.
	prioProbed    = 120 // probes, put right after the check of table 24
	prioGuard     = 110 // what no guest may send, whatever its addresses
	prioNoAddress = 100 // from hosts that have no address yet
	prioOwnIP     = 90

	// br-int 60, transient.
	prioBridgeControl = 110
	prioMulticast     = 100

	// br-int 61, local MAC direct.
	prioKnownMAC = 100

	// br-int 62, transient egress.
	prioOpenPorts = 100 // 101: the following pages

	// br-int 94, output.
	prioFlood  = 100 // 101: the following pages
	prioUplink = 90

	// br-tun 0, classify.
	prioTunnelPort = 100

	// br-tun 2, unicast or multicast.
	prioQuestion     = 110
	prioTunMulticast = 100
	prioTunUnicast   = 90

	// br-tun 3, 4, 6, tunnel id; 10, learn; 22, flood.
	prioNetwork = 100

	// br-tun 21, ARP and ND responder.
	prioAnswerReady = 130 // an advertisement half made, see responder.go
	prioUnspecified = 120 // duplicate address detection
	prioGratuitous  = 110
	prioAnswer      = 100

	// br-tun 20, unicast to tunnel.
	prioRecorded = 100
	prioLearned  = 50

	// Provider bridges 0 and 2.
	prioFromInt = 100
	prioSegment = 100
)
