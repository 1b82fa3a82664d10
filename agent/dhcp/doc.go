// Package dhcp keeps the DHCP and DNS servers of the networks that this host
// serves: for each a network namespace with a port on br-int and a dnsmasq in
// it, which offers what the records allot and nothing else.
//
//	records ─► View ─► Input ─► answers.Of ─► Desired ─► Server (a value)
//	                                                        │  Loop: one goroutine (agent/upkeep)
//	                                                        ▼
//	              worker per network: port ─► links ─► files ─► dnsmasq ─► "it has them"
//
// Desired is a pure function: the same records give the same description and
// the same files, whatever happened before. A worker compares it with what the
// host holds and writes the difference, so a restarted agent that finds
// everything as it should be writes nothing.
//
// A port is reported when the dnsmasq that runs has read the files that it is
// in, which dnsmasq itself is asked: a guest that boots then gets its address.
//
// The namespace is qdhcp-<network>, and qdhcp-<network>-<host> where an agent of
// another host on the same machine has that one.
package dhcp
