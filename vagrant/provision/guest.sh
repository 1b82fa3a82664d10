#!/bin/bash
# A guest without a hypervisor: a network namespace whose NIC is plugged into
# br-int as Nova does it.
#   guest.sh plug NAME PORT [--no-address]    PORT: what "openstack port show -f json" says, in base64
#   guest.sh unplug NAME
set -euo pipefail
name=$2 ns=guest-$2 note=/run/guest-$2
case $1 in
plug)
	read -r id mac address < <(base64 -d <<<"$3" | python3 -c '
import json, sys
p = json.load(sys.stdin)
print(p["id"], p["mac_address"], p["fixed_ips"][0]["ip_address"])')
	tap=tap${id:0:11}
	echo "$tap" >"$note"
	ip netns add "$ns"
	ovs-vsctl add-port br-int "$tap" -- set Interface "$tap" type=internal \
		external_ids:iface-id="$id" external_ids:attached-mac="$mac" external_ids:iface-status=active
	ip link set "$tap" netns "$ns" address "$mac" mtu 1450
	ip -n "$ns" link set lo up
	ip -n "$ns" link set "$tap" up
	[ "${4-}" != --no-address ] || exit 0
	ip -n "$ns" addr add "$address/24" dev "$tap"
	ip -n "$ns" route add default via "${address%.*}.1"
	;;
unplug)
	[ ! -e "$note" ] || ovs-vsctl --if-exists del-port "$(cat "$note")"
	rm -f "$note"
	ip netns delete "$ns"
	;;
*)
	echo "usage: guest.sh plug NAME PORT | unplug NAME" >&2
	exit 2
	;;
esac
