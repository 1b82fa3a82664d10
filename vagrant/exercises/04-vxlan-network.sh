#!/bin/bash
# A tenant's network over VXLAN, as a plain user makes it. br-tun has flows for
# it only while a guest of it is on the host.
. "$(dirname "$0")/lib.sh"
cleanup='os <<<"port delete blue1 blue2
network delete blue"'

say "Only a name is given: type and id come from the configuration"
os <<'END'
network create blue
subnet create blue4 --network blue --subnet-range 10.4.0.0/24 --no-dhcp
END
vni=$(os_value "network show blue -f value -c provider:segmentation_id")
hex=$(printf 0x%x "$vni")
echo "  its VNI is $vni ($hex)"
say "br-tun of hv1 before there is a guest"
if flows hv1 br-tun | grep -q "tun_id=$hex"; then fail "br-tun knows the network already"; fi
echo "  nothing with $hex"
os <<'END'
port create blue1 --network blue --host hv1 --fixed-ip ip-address=10.4.0.11
port create blue2 --network blue --host hv2 --fixed-ip ip-address=10.4.0.12
END
guest hv1 blue1
guest hv2 blue2
reaches blue1 10.4.0.12
say "br-tun now: the tunnel id both ways, one tunnel for the other's MAC, ARP answered on the host"
holds "packets with the VNI come in" "tun_id=$hex" hv1 'ovs-ofctl --names dump-flows br-tun'
holds "the other guest's address is answered here" 'arp_tpa=10.4.0.12' hv1 'ovs-ofctl --names dump-flows br-tun'
show hv1 'ovs-ofctl --names --no-stats dump-flows br-tun | grep -e tun_id -e set_tunnel | head -5'
