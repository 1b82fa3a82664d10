#!/bin/bash
# A VLAN network with id 100: the local VLAN becomes 100 on the wire. The node
# itself joins the network with an internal port that has tag 100.
. "$(dirname "$0")/lib.sh"
cleanup='on hv1 "ip netns delete node100; ovs-vsctl --if-exists del-port node100"
os <<<"port delete vlan1 vlan2
network delete vlan100"'

say "VLAN 100 of physnet1, and a guest on each compute node"
os <<'END'
network create vlan100 --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 100
subnet create vlan4 --network vlan100 --subnet-range 192.168.100.0/24 --no-dhcp
port create vlan1 --network vlan100 --host hv1 --fixed-ip ip-address=192.168.100.11
port create vlan2 --network vlan100 --host hv2 --fixed-ip ip-address=192.168.100.12
port set vlan1 --no-security-group --disable-port-security
port set vlan2 --no-security-group --disable-port-security
END
guest hv1 vlan1
guest hv2 vlan2
reaches vlan1 192.168.100.12

say "The local VLAN of the host, and 100 on the wire"
bridge=$(on hv1 'ovs-vsctl --bare --columns=name list Port | sed -n "s/^phy-//p" | grep phys' | head -1)
holds "out: the local VLAN becomes 100 (4096 + 100)" '4196->vlan_vid|mod_vlan_vid:100' hv1 "ovs-ofctl dump-flows $bridge"
holds "in: 100 becomes the local VLAN" 'dl_vlan=100' hv1 'ovs-ofctl dump-flows br-int table=0'

say "The node joins with an internal port of the physical bridge with tag 100"
on hv1 "ovs-vsctl --may-exist add-port $bridge node100 tag=100 -- set Interface node100 type=internal
ip netns add node100
ip link set node100 netns node100
ip -n node100 addr add 192.168.100.200/24 dev node100
ip -n node100 link set node100 up"
show hv1 'ip netns exec node100 ping -c 3 -w 20 192.168.100.11'
