#!/bin/bash
# Metadata: a guest behind a router asks 169.254.169.254 who it is, and gets its
# own answer, whatever it writes into its headers.
. "$(dirname "$0")/lib.sh"
cleanup='on "$CTL" "curl -sS -X DELETE $API/lepton-instances/$instance"
os <<<"router remove subnet self-router self4
router delete self-router
port delete self1
network delete self"'
API=http://127.0.0.1:9696/v2.0
instance=none

say "A guest behind a router, and a record of what it is to be told"
os <<'END'
network create self
subnet create self4 --network self --subnet-range 10.7.0.0/24 --no-dhcp
router create self-router
router add subnet self-router self4
port create self1 --network self --host hv1 --fixed-ip ip-address=10.7.0.11
END
port=$(os_value "port show self1 -f value -c id")
data=$(printf '#!/bin/sh\necho hello\n' | base64 -w0)
instance=$(on "$CTL" "curl -sS --fail-with-body -H 'Content-Type: application/json' $API/lepton-instances -d '{\"lepton_instance\": {\"name\": \"self1\", \"hostname\": \"self1\", \"user_data\": \"$data\", \"port_ids\": [\"$port\"]}}'" |
	python3 -c 'import json, sys; print(json.load(sys.stdin)["lepton_instance"]["id"])')
guest hv1 self1

say "The router redirects it to the proxy of its host"
router=qrouter-$(os_value "router show self-router -f value -c id")
holds "the redirect" '169.254.169.254/32.*9697' "$NET" "ip netns exec $router iptables-save -t nat"
asks self1 http://169.254.169.254/latest/meta-data/local-ipv4 10.7.0.11
asks self1 http://169.254.169.254/openstack/latest/meta_data.json "\"$instance\""
asks self1 http://169.254.169.254/openstack/latest/user_data 'echo hello'
asks self1 http://169.254.169.254/openstack/latest/network_data.json "\"$port\""

say "Headers of its own change nothing"
asks self1 "-H 'X-Instance-ID: somebody' -H 'X-Forwarded-For: 10.7.0.99' http://169.254.169.254/latest/meta-data/local-ipv4" 10.7.0.11
