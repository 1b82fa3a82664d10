// Package metadata tells the metadata proxy of the host (package proxy) what
// there is: where guests may ask, which port has which address, and who answers.
//
//	records ─► view ─► Scope of each router and DHCP network ─► files ─► SIGHUP
//	                                                                      │
//	                              lepton-agent metadata-proxy ◄───────────┘
//
// A scope is a pure function of the records. Files are written when they differ
// from what is there, so a restart on an unchanged host writes nothing and the
// proxy, which went on meanwhile, is not even told. It is a child of the agent's
// (package linux/child) and is adopted by the next one; another version of the
// program takes its place.
//
// Whether a guest gets as far as a socket is others' business: the router's rules
// redirect to port 9697, and the DHCP server's namespace has 169.254.169.254 and
// fe80::a9fe:a9fe where they are needed.
package metadata
