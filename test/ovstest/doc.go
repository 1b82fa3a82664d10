// Package ovstest starts private instances of Open vSwitch for tests.
//
// Each Switch is an ovsdb-server and an ovs-vswitchd of its own in a temporary
// directory and an anonymous network namespace, with the userspace datapath, so
// that tests neither need a kernel module nor see each other or the machine's
// own Open vSwitch. Everything ends with the test, and with the test process
// should that be killed. It needs root and Debian's openvswitch-switch.
package ovstest
