// Package linux is the room of what the agent does to the kernel of its host.
// The work is in the packages below it; none of them knows what it is used for.
//
//	netns      named network namespaces: make, enter, delete
//	links      links, addresses, routes and neighbours of a namespace: desired, diff, apply
//	sysctl     settings of a namespace
//	shaping    bandwidth limits of links and addresses: desired, read, apply
//	offload    checksums that the kernel is to fill in
//	iptables   rulesets: build, print, parse, diff, restore
//	conntrack  entries of a namespace's connection tracking: list, delete
//	announce   gratuitous ARP and unsolicited neighbour advertisements
//	child      programs that outlive the agent: start, adopt, restart, stop
//
// All of them write nothing when what they find is what they were asked for.
package linux
