#!/bin/bash
# A router between a tenant's network and the outside: guests reach out by SNAT,
# the outside reaches in by a floating IP, and not without one.
. "$(dirname "$0")/lib.sh"
cleanup='os <<<"floating ip delete 203.0.113.150
router remove subnet out-router out4
router delete out-router
port delete out1 out2
network delete out-net
security group delete out-ping
network delete outside"'

say "An external network, a tenant's network, a router between them, a floating IP for out1"
os <<'END'
network create outside --external --provider-network-type flat --provider-physical-network public
subnet create outside4 --network outside --no-dhcp --subnet-range 203.0.113.0/24 --gateway 203.0.113.1 --allocation-pool start=203.0.113.100,end=203.0.113.199
network create out-net
subnet create out4 --network out-net --subnet-range 10.3.0.0/24 --no-dhcp
router create out-router
router set out-router --external-gateway outside
router add subnet out-router out4
security group create out-ping
security group rule create out-ping --protocol icmp
port create out1 --network out-net --host hv1 --fixed-ip ip-address=10.3.0.11 --security-group out-ping
port create out2 --network out-net --host hv2 --fixed-ip ip-address=10.3.0.12 --security-group out-ping
floating ip create outside --port out1 --floating-ip-address 203.0.113.150
END
guest hv1 out1
guest hv2 out2
reaches out2 203.0.113.1
reaches out1 203.0.113.1

say "The router's namespace: a port in each network, NAT by iptables"
router=qrouter-$(os_value "router show out-router -f value -c id")
show "$NET" "ip netns exec $router ip -br addr"
show "$NET" "ip netns exec $router iptables-save -t nat | grep -e DNAT -e SNAT"
say "From outside: by the floating IP, and not without"
show "$NET" 'ping -c 3 -w 20 203.0.113.150'
if on "$NET" 'ping -q -c 2 -w 2 10.3.0.12' >/dev/null; then fail "a guest without a floating IP is reached"; fi
echo '  10.3.0.12 is not reached'
reaches out2 203.0.113.150
