// Package answers says what DHCP has to offer, from the records alone: to each
// port its addresses, routes, name servers, names and options, for IPv4 (RFC
// 2131) and IPv6 (RFC 8415). Who answers, dnsmasq on a few hosts or the agent on
// every host, makes no difference to what is answered.
//
//	records of a network ─► Of(Input) ─► Network ─┬─ Subnets: options of all ports
//	                                              ├─ Ports: leases and own options
//	                                              └─ Names: what DNS has to know
//
// Of is a pure function, and the order of what it gives depends on nothing but
// the records. What of the records cannot be offered is left out and told of as
// a problem; the rest is offered all the same.
package answers
