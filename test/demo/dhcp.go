package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// leaseScript is what the guest's DHCP client runs when it is told something: it
// shows it. Guests share the machine's files, so it writes none.
const leaseScript = `#!/bin/sh
[ "$1" = bound ] || exit 0
for v in ip mask router dns domain hostname mtu lease staticroutes; do eval echo "$v: \$$v"; done
ip address replace $ip/$mask dev $interface
`

// leases has a guest that knows nothing get its address, and a name resolved.
func (t *tour) leases(ctx context.Context) error {
	t.title("A guest leases its address")
	t.say("net1 serves DHCP and DNS: dnsmasq in a namespace for each network, which knows the\nports and nobody else. blue3 is plugged without any address, and asks.\n")
	if err := t.openstack(ctx, "port create blue3 --network blue --fixed-ip subnet=blue4,ip-address=10.0.0.41 --dns-name blue3 -f value -c id"); err != nil {
		return err
	}
	if _, err := t.ctl(ctx, fmt.Sprintf("lab plug --name %s --no-address hv2 blue3", t.name)); err != nil {
		return err
	}
	f, err := os.CreateTemp("", "lepton-demo-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(leaseScript)
	if err := errors.Join(err, f.Chmod(0o755), f.Close()); err != nil {
		return err
	}
	out, err := t.exec(ctx, "blue3", "udhcpc -i eth0 -f -q -n -t 10 -T 1 -O 121 -O 26 -s "+f.Name())
	t.claim(err == nil && strings.Contains(out, "ip: 10.0.0.41"), "blue3 was given its port's address")
	t.claim(strings.Contains(out, "mtu: 1450") && strings.Contains(out, "hostname: blue3"), "and its network's MTU and its name")
	out, err = t.exec(ctx, "blue3", "ping -c 3 -i 0.2 10.0.0.11")
	t.claim(err == nil && strings.Contains(out, " 3 received"), "blue3 reaches blue1 with it")
	t.say("What the server knows, it has from the records:")
	id, err := t.on(ctx, "net1", openstackPath+" network show blue -f value -c id")
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "net1", "ip netns exec qdhcp-"+strings.TrimSpace(id)+" ip -br addr")
	return err
}
