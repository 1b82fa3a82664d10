#!/bin/bash
# A separate network node: follow a ping from a guest to the internet through
# the router's NAT and the node's.
. "$(dirname "$0")/lib.sh"
cleanup='os <<<"router remove subnet far-router far4
router delete far-router
port delete far1
network delete far
network delete outside"'

say "A guest on hv1, its router on $NET"
os <<'END'
network create outside --external --provider-network-type flat --provider-physical-network public
subnet create outside4 --network outside --no-dhcp --subnet-range 203.0.113.0/24 --gateway 203.0.113.1 --allocation-pool start=203.0.113.100,end=203.0.113.199
network create far
subnet create far4 --network far --subnet-range 10.5.0.0/24 --no-dhcp
router create far-router
router set far-router --external-gateway outside
router add subnet far-router far4
port create far1 --network far --host hv1 --fixed-ip ip-address=10.5.0.11
END
guest hv1 far1
reaches far1 "$INTERNET"

say "The first NAT is the router's, the second the node's"
router=qrouter-$(os_value "router show far-router -f value -c id")
holds "the router translates to its address on br-ext" 'src=10.5.0.11 dst='"$INTERNET"'.*dst=203.0.113.1[0-9][0-9]' "$NET" "ip netns exec $router conntrack -L -p icmp"
show "$NET" 'iptables -t nat -S POSTROUTING | grep MASQUERADE'
holds "the node translates once more" 'src=203.0.113.1[0-9][0-9] dst='"$INTERNET" "$NET" 'conntrack -L -p icmp'
