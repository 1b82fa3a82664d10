# What all machines have in common. The scripts beside this one read it.
# DATAPATH=netdev is for kernels without the module of Open vSwitch.
set -eu
name=$1 number=$2
export DEBIAN_FRONTEND=noninteractive

# link ADDRESS: the link that has it.
link() { ip -o -4 addr show | awk -v a="$1/" 'index($4, a) == 1 { print $2 }'; }

# install PACKAGE...: those of Lepton from /debs, others from Debian.
install_packages() {
	local package all=()
	for package in "$@"; do
		if ls /debs/"$package"_*.deb >/dev/null 2>&1; then
			all+=(/debs/"$package"_*.deb)
		else
			all+=("$package")
		fi
	done
	apt-get -qq update
	apt-get -qq install -y --no-install-recommends "${all[@]}"
}

# certificates OWNER: puts this machine's in /etc/lepton/tls.
certificates() {
	mkdir -p /etc/lepton/tls
	install -g "$1" -m 640 /vagrant/pki/"$name"/*.pem /etc/lepton/tls/
}

# bridge NAME LINK: a bridge of Open vSwitch with a link in it.
bridge() {
	ovs-vsctl --may-exist add-br "$1" ${DATAPATH:+-- set Bridge "$1" "datapath_type=$DATAPATH"}
	[ -z "${2-}" ] || ovs-vsctl --may-exist add-port "$1" "$2"
	ip link set "$1" up
}

# underlay: the userspace datapath tunnels over its own bridges only.
underlay() {
	local l address=192.168.57.$number
	l=$(link "$address")
	[ "$l" != br-under ] || return 0
	ip addr del "$address/24" dev "$l"
	bridge br-under "$l"
	ip addr replace "$address/24" dev br-under
}

# the third private network: the last link that has no address.
physical() {
	for l in /sys/class/net/eth* /sys/class/net/en*; do
		l=${l##*/}
		[ -e "/sys/class/net/$l" ] && ! ip -o -4 addr show dev "$l" | grep -q . && last=$l
	done
	ip link set "${last:?no link for the physical network}" up promisc on
	echo "$last"
}

# agent ROLES MAPPINGS: the agent's configuration, and its start.
agent() {
	install_packages openvswitch-switch radvd keepalived conntrackd lepton-agent leptonctl tcpdump conntrack udhcpc busybox curl
	systemctl disable --now radvd keepalived conntrackd 2>/dev/null || true
	certificates root
	[ "${DATAPATH-}" != netdev ] || underlay
	bridge br-phys "$(physical)"
	cat >/etc/lepton/agent.yaml <<END
host: $name
roles: [$1]
controller:
  address: 192.168.56.10:9797
  tls: { cert: /etc/lepton/tls/cert.pem, key: /etc/lepton/tls/key.pem, ca: /etc/lepton/tls/ca.pem }
ovs: { datapath_type: "${DATAPATH-}", bridge_mappings: { $2 } }
tunnel: { local_ip: 192.168.57.$number }
END
	lepton-agent --check --config /etc/lepton/agent.yaml
	systemctl restart lepton-agent
}
