#!/bin/bash
# DHCP and DNS: guests without an address lease one, learn routes and MTU, and
# resolve each other's names.
. "$(dirname "$0")/lib.sh"
cleanup='os <<<"port delete lease1 lease2
network delete leases"'

say "A network with DHCP, served from a namespace on $NET"
os <<'END'
network create leases
subnet create leases4 --network leases --subnet-range 10.6.0.0/24
port create lease1 --network leases --host hv1 --dns-name lease1
port create lease2 --network leases --host hv2 --dns-name lease2 --fixed-ip ip-address=10.6.0.77
END
bare_guest hv1 lease1
bare_guest hv2 lease2
dhcp=qdhcp-$(os_value "network show leases -f value -c id")
show "$NET" "ip netns exec $dhcp ip -4 -br addr"

say "Discover, offer, request, acknowledge, as the server hears them"
heard=$(mktemp)
(on "$NET" "timeout 8 tcpdump -lnv -c 4 -i \$(ip netns exec $dhcp ls /sys/class/net | grep -m1 tap) udp port 67 2>/dev/null" >"$heard" || true) &
listener=$!
lease lease1
lease lease2
wait "$listener" || true
rm -f "$heard"
reaches lease1 10.6.0.77

say "Names come from dns_name, and addresses have names"
server=$(in_guest lease1 "ip route show 169.254.169.254 2>/dev/null" | awk '{ print $3; exit }')
server=${server:-$(on "$NET" "ip netns exec $dhcp ip -4 -br addr" | grep -oE '10\.6\.0\.[0-9]+' | head -1)}
resolve lease1 "$server" lease2.openstacklocal 10.6.0.77
resolve lease1 "$server" 10.6.0.77 lease2.openstacklocal
