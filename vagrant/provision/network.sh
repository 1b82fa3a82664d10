#!/bin/bash
# The network node: routers and DHCP, and the way out. br-ext is an external
# network of its own, which this node is the gateway of and masquerades.
#   provision/network.sh NAME NUMBER
. /vagrant/provision/common.sh
install_packages openvswitch-switch iptables
bridge br-ext
ip addr replace 203.0.113.1/24 dev br-ext
sysctl -qw net.ipv4.ip_forward=1
# To the other machines, too: they know no way back to 203.0.113.0/24.
iptables -t nat -C POSTROUTING -s 203.0.113.0/24 ! -o br-ext -j MASQUERADE 2>/dev/null ||
	iptables -t nat -A POSTROUTING -s 203.0.113.0/24 ! -o br-ext -j MASQUERADE
agent "l2, l3, dhcp, metadata" "physnet1: br-phys, public: br-ext"
