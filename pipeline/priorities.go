package pipeline

// The priorities, table by table in packet order, highest first. No literal
// priority stands in a rule.
const (
	// Every table.
	prioMiss = 0 // what no other rule matches

	// br-int 0, classify.
	prioDeadVLAN = 65535 // frames with VLAN id 0xfff, with which Neutron tags ports that are not wired
	prioModest   = 110   // what DHCP servers and routers say of the metadata service's IPv6 address
	prioWired    = 100   // ports and segments that are connected

	// br-int 1, from other hosts.
	prioAnswered = 110 // answers to a router's questions, questions for its addresses
	prioStandIn  = 100 // for a router or its stand-in

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

	// br-int 72 and 82, egress and ingress rules.
	prioMetadata     = 270 // requests for metadata that the host answers (table 72)
	prioClaimed      = 260 // targets that were checked in the place of senders (table 72)
	prioAsking       = 255 // questions for DHCP servers and routers, to be marked (table 72)
	prioAdmitted     = 250 // what a rule has admitted already
	prioBase         = 240 // what no rule is asked about (table 72; see 81 for the other direction)
	prioServer       = 230 // DHCP servers in guests, once their fragments are put together (table 72)
	prioConnection   = 220 // to the connection tracker, and what it says
	prioHeadersFirst = 210 // ports with a stateless group: the groups to compare with
	prioNoHeaders    = 200 // all others go on to the connection tracker
	prioRule         = 100 // rules, and the addresses of remote groups
	prioGroups       = 90  // ports: the groups to compare with
	prioRemotes      = 50  // groups: the remote groups that their rules name

	// br-int 73 and 92, accept or ingress and accepted ingress.
	prioJudgedCrossed = 130 // replies go back to the direction that they take
	prioLoggedHeaders = 127 // what stateless groups of ports with a log have admitted: a copy to the agent, then again (table 92)
	prioLoggedAccept  = 125 // new connections into ports with a log: a copy to the agent, then as 120 (table 92)
	prioNewConnection = 120 // the connection is remembered (table 92)
	prioJudged        = 110 // what a rule has admitted
	prioNotByHeaders  = 100 // what no stateless rule has admitted goes to the connection tracker

	// br-int 91 and 93, accepted egress and dropped.
	prioLogged = 100 // ports with a log: a copy to the agent; 101 where a TCP connection is opened (table 91)

	// br-int 60, transient.
	prioServiceAnswer  = 130 // advertisements of the metadata service that lack the link-layer address only
	prioAsk            = 120 // ports whose questions the agent answers; requests for metadata that the host answers
	prioPaced          = 115 // questions of ports for DHCP servers and routers, through the port's meter, then again
	prioBridgeControl  = 110 // frames that end at the first bridge
	prioBaseMulticast  = 108 // multicast that no rule is asked about
	prioTrackMulticast = 105 // other IP multicast, to be tracked once for all receivers
	prioMulticast      = 100 // broadcast and multicast

	// br-int 61, local MAC direct.
	prioKnownMAC = 100 // MACs of the network's ports

	// br-int 62, transient egress.
	prioOpenPorts = 100 // networks with a port without port security; 101 the next pages of a long list

	// br-int 81, ingress base.
	prioUnfiltered  = 120 // ports without port security and trusted ports
	prioIngressBase = 110 // what no rule is asked about
	prioFiltered    = 100 // IP to all other ports

	// br-int 94, output.
	prioCommit      = 120 // new connections are remembered
	prioJudgedFlood = 110 // multicast that rules are asked about, in networks with many ports; 111 the pages of its list
	prioFlood       = 100 // broadcast and multicast; 101 the next pages of a long list
	prioUplink      = 90  // the rest

	// br-int 95, to other hosts.
	prioAnnounced = 130 // a router's own announcements, at its home
	prioKept      = 120 // questions for a router's addresses
	prioAsked     = 110 // a router's questions
	prioSaid      = 105 // what else a router says to everybody
	prioHidden    = 100 // what a router sends
	prioLeave     = 50  // all else of the network

	// br-tun 0, classify.
	prioTunnelPort = 100 // br-int and the tunnels

	// br-tun 2, unicast or multicast.
	prioQuestion     = 110 // ARP requests and neighbour solicitations
	prioTunMulticast = 100 // other broadcast and multicast
	prioTunUnicast   = 90  // unicast

	// br-tun 3, 4 and 6, tunnel id to local VLAN; 10, learn; 22, flood.
	prioLocated = 110 // MACs of ha routers, from the tunnels of their hosts (table 10)
	prioNetwork = 100 // networks

	// br-tun 21, ARP and ND responder.
	prioAnswerReady = 130 // advertisements that lack the link-layer address only
	prioUnspecified = 120 // duplicate address detection
	prioGratuitous  = 110 // announcements of ports here
	prioAnswer      = 100 // addresses of ports

	// br-tun 20, unicast to tunnel.
	prioRecorded = 100 // MACs of ports elsewhere
	prioLearned  = 50  // MACs that the switch has learned
	prioShared   = 40  // MACs of ha routers, as long as it is not learned which host uses them

	// Provider bridges 0 and 2.
	prioFromInt = 100 // from br-int
	prioSegment = 100 // networks of the physical network
)
