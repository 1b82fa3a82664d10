// Package localdhcp answers DHCP, DHCPv6 and router solicitations of the guests
// of this host, without a server anywhere (`dhcp.mode: local`).
//
//	guest ─ br-int: anti-spoofing, table 60, meter ─ packet-in ─▶ Take ─▶ queue ─▶ Run
//	  ▲                                                            │ beyond the port's share,
//	  │                                                            │ or the queue is full:
//	  └────────────── packet-out ◀── answer ◀── records            └▶ counted, and gone
//
// Nothing is remembered between two questions: an answer follows from the
// records (package answers) and the question. So a restart of the agent loses
// nothing, guests go on with their leases meanwhile, and every host gives a guest
// that moves the same answers.
//
// Where router advertisements are wanted and no router sends them, ports are told
// without asking, too.
//
// Who asks is known by the port that the question came out of, not by what it
// says. A question that says something else, for another MAC or through a relay,
// is not answered.
//
// The server calls itself by the subnet's gateway address, and by
// 169.254.169.254 where there is none; in DHCPv6 by the network's UUID (RFC
// 6355). Its answers come from the MAC 02:1e:00:00:00:02, which no port has and
// nobody needs to reach: whatever a guest sends to a DHCP server, to whatever
// address, comes here. A guest that cannot resolve the server's address renews
// its lease when it asks all servers, after seven eighths of the time (RFC 2131
// section 4.4.5).
package localdhcp
