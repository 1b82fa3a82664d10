// Package lab builds a cloud on one machine: per host a network namespace with
// its own Open vSwitch and lepton-agent, one controller, an underlay and
// physical networks between the hosts, and guests plugged as Nova and libvirt
// plug them. Everything that runs is the real program.
//
//	           fabric namespace: Linux bridges as switches
//	  ┌── mgmt ────────┬──── underlay ────┬──── one per physical network ──┐
//	  │                │                  │                                │
//	mgmt (RPC)    br-ul: underlay    br-physnet1: phys1            … next host
//	  │                │                  │
//	  │              br-tun ── br-int ── (patch)
//	lepton-controller            │
//	lepton-agent              tap<port> ──veth── eth0 in a guest's namespace
//
// What belongs to a lab is written to its state file before it is made, every
// process carries the lab's mark in its environment, and every namespace
// carries it as alias of its loopback link. So Down finds all of it, whenever
// the program that built the lab may have died, and touches nothing else.
package lab
