# What the exercises have in common. They run on two kinds of cloud:
#
#   CLOUD=vagrant   the machines of vagrant up (the default)
#   CLOUD=lab       leptonctl lab up --topology gateway, on one machine;
#                   LAB_DIR and LAB_NAME say which
#
# Every exercise can be repeated: it takes away what it made.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CLOUD=${CLOUD:-vagrant}
declare -A guests=()

case $CLOUD in
lab)
	CTL=net1 NET=net1 INTERNET=198.51.100.1
	leptonctl=${LEPTONCTL:-$here/../../bin/leptonctl}
	lab() { "$leptonctl" lab "$1" ${LAB_DIR:+--dir "$LAB_DIR"} ${LAB_NAME:+--name "$LAB_NAME"} "${@:2}"; }
	on() { lab exec "$1" -- bash -c "${*:2}"; }
	in_guest() { lab exec "$1" -- bash -c "${*:2}"; }
	attach() { lab plug "$1" "$2" --guest "$2" "${@:3}"; }
	lease_script=$here/lease
	detach() { lab unplug "$2"; }
	;;
vagrant)
	CTL=ctl1 NET=net1 INTERNET=${INTERNET:-192.168.56.10}
	export VAGRANT_CWD=$here/..
	on() { vagrant ssh "$1" -c "sudo bash -lc $(printf %q "${*:2}")" 2>/dev/null; }
	in_guest() { on "${guests[$1]}" "ip netns exec guest-$1 bash -c $(printf %q "${*:2}")"; }
	attach() { on "$1" "/vagrant/provision/guest.sh plug $2 $(os_value "port show $2 -f json" | base64 -w0) ${3-}"; }
	lease_script=/vagrant/exercises/lease
	detach() { on "$1" "/vagrant/provision/guest.sh unplug $2"; }
	;;
*)
	echo "CLOUD=$CLOUD is neither vagrant nor lab" >&2
	exit 2
	;;
esac

say() { printf '\n== %s\n' "$*"; }

fail() {
	printf 'FAILED: %s\n' "$*" >&2
	exit 1
}

# os reads commands of the openstack client, one a line, and runs them in one
# session. The client tells of failures on standard error only.
os() {
	local commands errors
	commands=$(cat)
	errors=$(mktemp)
	sed 's/^/  openstack /' <<<"$commands"
	on "$CTL" openstack <<<"$commands" >/dev/null 2>"$errors" || true
	grep -v Warning "$errors" >&2 && fail "openstack" || true
	rm -f "$errors"
}

# os_value runs one command and gives what it prints.
os_value() { on "$CTL" "openstack $1"; }

# guest HOST PORT: a guest with the name of its port, on a host.
guest() {
	guests[$2]=$1
	attach "$1" "$2" >/dev/null
	printf '  %s is on %s\n' "$2" "$1"
}

# bare_guest HOST PORT: a guest whose NIC has no address.
bare_guest() {
	guests[$2]=$1
	attach "$1" "$2" --no-address >/dev/null
	printf '  %s is on %s\n' "$2" "$1"
}

# lease GUEST: asks for an address, as a stock image does when it boots.
lease() {
	printf '  %s# udhcpc: ' "$1"
	in_guest "$1" "udhcpc -i \$(ls /sys/class/net | grep -m1 -e eth0 -e tap) -f -q -n -t 10 -T 1 -s $lease_script 2>/dev/null" || fail "$1 gets no lease"
}

# resolve GUEST SERVER NAME ANSWER
resolve() {
	printf '  %s# nslookup %s %s: ' "$1" "$3" "$2"
	local out
	out=$(in_guest "$1" "busybox nslookup $3 $2" 2>&1) || true
	grep -qF "$4" <<<"$out" || fail "no $4 in: $out"
	echo "$4"
}

# asks GUEST URL ANSWER: what curl gets has the answer in it.
asks() {
	printf '  %s# curl %s: ' "$1" "$2"
	local out try
	for try in 1 2 3 4 5 6 7 8 9 10; do
		out=$(in_guest "$1" "curl -sS -m 5 $2" 2>&1) || true
		if grep -qF -- "$3" <<<"$out"; then
			echo "$3"
			return
		fi
		sleep 1
	done
	fail "no $3 in: $out"
}

# show HOST COMMAND: runs it and shows what it prints.
show() {
	printf '  %s# %s\n' "$1" "${*:2}"
	on "$@" | sed 's/^/    /'
}

# reaches FROM ADDRESS: a guest gets three answers within 20 seconds.
reaches() {
	printf '  %s# ping %s: ' "$1" "$2"
	in_guest "$1" "ping -q -c 3 -i 0.3 -w 20 $2" >/dev/null || fail "$1 does not reach $2"
	echo answered
}

# misses FROM ADDRESS: a guest gets no answer.
misses() {
	printf '  %s# ping %s: ' "$1" "$2"
	if in_guest "$1" "ping -q -c 2 -i 0.3 -w 2 $2" >/dev/null; then fail "$1 reaches $2"; fi
	echo no answer
}

# holds WHAT PATTERN HOST COMMAND: what a host prints has a line like it.
holds() {
	local out
	out=$(on "$3" "${@:4}")
	grep -qE -- "$2" <<<"$out" || fail "$1: nothing like '$2' in: $out"
	printf '  seen: %s\n' "$1"
}

# flows HOST BRIDGE [MATCH]: its flows as an operator reads them.
flows() { on "$1" "ovs-ofctl --names --no-stats dump-flows $2 '${3-}'"; }

# away NAME...: unplugs the guests that were made. Exercises call it at their
# end and whenever they fail.
away() {
	local g
	for g in "${!guests[@]}"; do
		detach "${guests[$g]}" "$g" >/dev/null 2>&1 || true
	done
	guests=()
}
cleanup=:
trap 'away; eval "$cleanup" >/dev/null 2>&1 || true' EXIT
