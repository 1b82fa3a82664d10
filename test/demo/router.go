package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Addresses of the chapters about routers, the lab's own where not floating.
const (
	publicRange = "203.0.113.0/24"
	nodeV4      = "203.0.113.1"  // net1, the gateway of public
	nodePublic  = "198.51.100.2" // net1 towards the internet
	internetV4  = "198.51.100.1"
	floatingV4  = "203.0.113.100"
)

// router leads from a tenant's network to the outside and back.
func (t *tour) router(ctx context.Context) error {
	t.title("A router, and a floating IP")
	t.say("public is an external network, flat on the bridges br-ext, which the lab has joined\nover VXLAN. net1 is its gateway and masquerades it towards the internet, a namespace\nthat knows neither the tenants' addresses nor public's.\n")
	if err := t.openstack(ctx,
		"network create public --external --provider-network-type flat --provider-physical-network public -f value -c id",
		"subnet create public4 --network public --no-dhcp --subnet-range "+publicRange+" --gateway "+nodeV4+" -f value -c cidr",
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
	ns, err := t.routerNamespace(ctx)
	if err != nil {
		return err
	}
	t.say("r1 is a namespace on the network node, with a port on each network:")
	if _, err := t.exec(ctx, "net1", "ip netns exec "+ns+" ip -br addr"); err != nil {
		return err
	}
	for _, a := range []struct{ from, to, what string }{
		{"blue2", internetV4, "blue2 reaches the internet, by the router's own address"},
		{"blue1", internetV4, "blue1 does, by its floating IP"},
		{"net1", floatingV4, "the outside reaches blue1 on its floating IP"},
		{"blue2", floatingV4, "so does blue2, from within"},
	} {
		if err := t.answers(ctx, a.from, a.to, a.what); err != nil {
			return err
		}
	}
	_, unreached := t.on(ctx, "net1", "ping -c 2 -i 0.2 -W 0.5 10.0.0.12")
	t.claim(unreached != nil, "the outside does not reach blue2, which has no floating IP")
	t.say("What was translated is in the router's connection tracking, by these rules:")
	out, err := t.exec(ctx, "net1", "ip netns exec "+ns+" conntrack -L -p icmp")
	t.claim(err == nil && strings.Contains(out, "dst="+floatingV4), "blue1's connection was tracked with its floating IP")
	out, err = t.exec(ctx, "net1", "ip netns exec "+ns+" iptables-save")
	t.claim(err == nil && strings.Contains(out, "-j DNAT --to-destination 10.0.0.11") && strings.Contains(out, "-j SNAT --to-source "+floatingV4),
		"DNAT leads in and SNAT out")
	return t.twoNATs(ctx, ns)
}

func (t *tour) routerNamespace(ctx context.Context) (string, error) {
	id, err := t.on(ctx, "net1", openstackPath+" router show r1 -f value -c id")
	return "qrouter-" + strings.TrimSpace(id), err
}

// twoNATs follows a ping from blue2 to the internet and shows what it looks
// like at every link.
func (t *tour) twoNATs(ctx context.Context, ns string) error {
	t.title("The path of a ping through two NATs")
	st, err := t.status(ctx)
	if err != nil {
		return err
	}
	tap, err := nic(st, "blue2")
	if err != nil {
		return err
	}
	links, err := t.on(ctx, "net1", "ip netns exec "+ns+" ls /sys/class/net")
	if err != nil {
		return err
	}
	own, err := t.on(ctx, "net1", openstackPath+" port list --device-owner network:router_gateway -f json -c fixed_ips --long")
	if err != nil {
		return err
	}
	address := regexp.MustCompile(`203\.0\.113\.\d+`).FindString(own)
	named := func(prefix string) string {
		for _, l := range strings.Fields(links) {
			if strings.HasPrefix(l, prefix) {
				return l
			}
		}
		return prefix
	}
	points := []struct{ place, link, ns, what string }{
		{"hv2", tap.Tap, "", "10.0.0.12 > " + internetV4},
		{"net1", named("qr-"), ns, "10.0.0.12 > " + internetV4},
		{"net1", named("qg-"), ns, address + " > " + internetV4},
		{"net1", "br-ext", "", address + " > " + internetV4},
		{"internet", "public", "", nodePublic + " > " + internetV4},
	}
	t.say("tcpdump listens at five links while blue2 sends one ping to %s.\n", internetV4)
	heard := make([]chan string, len(points))
	for i, p := range points {
		line := "timeout 10 tcpdump -n -t -l -c 1 -i " + p.link + " icmp[icmptype]==icmp-echo"
		if p.ns != "" {
			line = "ip netns exec " + p.ns + " " + line
		}
		heard[i] = make(chan string, 1)
		go func() {
			out, _ := t.on(ctx, p.place, line) // exits 124 when it hears nothing
			heard[i] <- strings.TrimSpace(out)
		}()
	}
	time.Sleep(1500 * time.Millisecond) // tcpdump needs a moment to listen
	if _, err := t.exec(ctx, "blue2", "ping -c 1 -W 2 "+internetV4); err != nil {
		return err
	}
	for i, p := range points {
		line := <-heard[i]
		fmt.Fprintf(t.w, "    %-9s %-16s %s\n", p.place, p.link, t.paint(inDim, line))
		t.claim(strings.Contains(line, p.what), "on %s it is %s", p.link, p.what)
	}
	t.say("The second NAT is the node's own:")
	out, err := t.exec(ctx, "net1", "iptables -t nat -S POSTROUTING")
	t.claim(err == nil && strings.Contains(out, "MASQUERADE"), "the node masquerades")
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
