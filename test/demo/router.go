package main

import (
	"context"
	"fmt"
	"strings"
)

// Addresses of the chapter about routers.
const (
	publicRange = "203.0.113.0/24"
	outsideV4   = "203.0.113.200"
	floatingV4  = "203.0.113.100"
)

// router leads from a tenant's network to the outside and back.
func (t *tour) router(ctx context.Context) error {
	t.title("A router, and a floating IP")
	t.say("public is an external network: VLAN 102 on physnet1. A machine on it plays the\noutside; it knows nothing of the tenants' addresses.\n")
	if err := t.openstack(ctx,
		"network create public --external --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 102 -f value -c id",
		"subnet create public4 --network public --no-dhcp --subnet-range "+publicRange+" -f value -c cidr",
		"port create outside --network public --no-security-group --disable-port-security --fixed-ip subnet=public4,ip-address="+outsideV4+" -f value -c id",
		"router create r1 -f value -c id",
		"router set r1 --external-gateway public",
		"router add subnet r1 blue4",
		"floating ip create public --port blue1 --floating-ip-address "+floatingV4+" -f value -c floating_ip_address",
		"security group create reach -f value -c name",
		"security group rule create reach --protocol icmp --remote-ip "+publicRange+" -f value -c id",
		"port set blue1 --security-group reach",
	); err != nil {
		return err
	}
	if _, err := t.ctl(ctx, fmt.Sprintf("lab plug --name %s hv2 outside", t.name)); err != nil {
		return err
	}
	id, err := t.on(ctx, "net1", openstackPath+" router show r1 -f value -c id")
	if err != nil {
		return err
	}
	ns := "qrouter-" + strings.TrimSpace(id)
	t.say("r1 is a namespace on the network node, with a port on each network:")
	if _, err := t.exec(ctx, "net1", "ip netns exec "+ns+" ip -br addr"); err != nil {
		return err
	}
	t.say("blue2 goes out by the router's own address, blue1 by its floating IP:")
	for _, guest := range []string{"blue2", "blue1"} {
		if err := t.answers(ctx, guest, outsideV4, guest+" reaches the outside"); err != nil {
			return err
		}
	}
	if err := t.answers(ctx, "outside", floatingV4, "the outside reaches blue1 on its floating IP"); err != nil {
		return err
	}
	if err := t.answers(ctx, "blue2", floatingV4, "so does blue2, from within"); err != nil {
		return err
	}
	t.say("What was translated is in the router's connection tracking, by these rules:")
	out, err := t.exec(ctx, "net1", "ip netns exec "+ns+" conntrack -L -p icmp")
	t.claim(err == nil && strings.Contains(out, "dst="+floatingV4), "blue1's connection was tracked with its floating IP")
	out, err = t.exec(ctx, "net1", "ip netns exec "+ns+" iptables-save -t nat")
	t.claim(err == nil && strings.Contains(out, "-j DNAT --to-destination 10.0.0.11") && strings.Contains(out, "-j SNAT --to-source "+floatingV4),
		"DNAT leads in and SNAT out")
	return nil
}

// answers pings until the first answer, at most ten seconds, shows three pings
// and claims that they were answered.
func (t *tour) answers(ctx context.Context, from, to, what string) error {
	for range 10 {
		if _, err := t.on(ctx, from, "ping -c 1 -W 1 "+to); err == nil {
			break
		}
	}
	out, err := t.exec(ctx, from, "ping -c 3 -i 0.2 "+to)
	t.claim(err == nil && strings.Contains(out, " 3 received"), "%s", what)
	return ctx.Err()
}
