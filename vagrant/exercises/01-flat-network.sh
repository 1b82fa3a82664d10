#!/bin/bash
# A flat network: what guests send leaves the host untagged, on the bridge of
# the physical network. Look at taps, tags and flows.
. "$(dirname "$0")/lib.sh"
cleanup='os <<<"port delete flat1 flat2
network delete flat"'

say "A provider network on physnet1, and a guest on each compute node"
os <<'END'
network create flat --provider-network-type flat --provider-physical-network physnet1
subnet create flat4 --network flat --subnet-range 192.168.90.0/24 --no-dhcp
port create flat1 --network flat --host hv1 --fixed-ip ip-address=192.168.90.11
port create flat2 --network flat --host hv2 --fixed-ip ip-address=192.168.90.12
END
guest hv1 flat1
guest hv2 flat2
reaches flat1 192.168.90.12

say "The tap carries the port's id, and a local VLAN that means something on this host only"
show hv1 'ovs-vsctl --columns=name,ofport,external_ids find Interface external_ids:iface-status=active'
say "On its way to the wire the local VLAN is taken off"
show hv1 'ovs-vsctl show | grep -A3 "Port int-\|Port phy-"'
bridge=$(on hv1 'ovs-vsctl --bare --columns=name list Port | sed -n "s/^phy-//p" | grep phys' | head -1)
holds "the provider bridge pops the tag" 'pop_vlan|strip_vlan' hv1 "ovs-ofctl dump-flows $bridge"
holds "br-int takes what comes untagged for the network" 'int-.*vlan_tci=0x0000' hv1 'ovs-ofctl --names dump-flows br-int table=0'
