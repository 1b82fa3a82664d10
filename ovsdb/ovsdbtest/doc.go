// Package ovsdbtest is an Open vSwitch database in memory, for tests that need
// neither root nor Open vSwitch: the real protocol on a real socket, the tables
// and columns of Open_vSwitch that Lepton uses, unique names and references.
//
// RunSwitch adds the part of ovs-vswitchd that others wait for: it gives port
// numbers and datapath ids and reports the configuration as realised. Cut and
// Freeze break connections as a crash or a hang of ovsdb-server would.
package ovsdbtest
