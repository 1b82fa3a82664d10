package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/lepton-sdn/lepton/lab"
)

// tour is the way through the demonstration.
type tour struct {
	*screen
	shell
	name string
	up   bool
}

// guest is one of the tour's: its port has the same name.
type guest struct {
	name, host string
	net        network
	v4         string
}

// network is one of the tour's. All use the same range of addresses: it is the
// network that tells them apart, not the address.
type network struct {
	name, what, flags string
	mtu               int
}

var (
	blue  = network{"blue", "VXLAN, a tenant's own, with the next free id", "--provider-network-type vxlan", 1450}
	green = network{"green", "VLAN 101 on physnet1", "--provider-network-type vlan --provider-physical-network physnet1 --provider-segment 101", 1500}
	white = network{"white", "flat: physnet1 as it is", "--provider-network-type flat --provider-physical-network physnet1", 1500}
)

const (
	range4 = "10.0.0.0/24"
	range6 = "fd00:10::/64"
)

// guests are pairs, one on each compute node.
func guests() []guest {
	return []guest{
		{"blue1", "hv1", blue, "10.0.0.11"},
		{"blue2", "hv2", blue, "10.0.0.12"},
		{"green1", "hv1", green, "10.0.0.21"},
		{"green2", "hv2", green, "10.0.0.22"},
		{"white1", "hv1", white, "10.0.0.31"},
		{"white2", "hv2", white, "10.0.0.32"},
	}
}

// visit goes through all chapters; an error ends the tour.
func (t *tour) visit(ctx context.Context) error {
	t.lab = t.name
	for _, chapter := range []func(context.Context) error{
		t.cloud, t.networks, t.plug, t.pings, t.leases, t.groups, t.isolation, t.sizes, t.path, t.flows, t.router, t.metadata, t.restart,
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) cloud(ctx context.Context) error {
	t.title("A cloud of three nodes")
	t.say("Each node is a network namespace with its own Open vSwitch and lepton-agent;\nnet1 also runs lepton-controller. They speak over mutual TLS.\n")
	t.up = true // also after a failure there may be something to take down
	if _, err := t.ctl(ctx, "lab up --topology gateway --name "+t.name); err != nil {
		return err
	}
	if _, err := t.ctl(ctx, "lab status --name "+t.name); err != nil {
		return err
	}
	out, err := t.ctl(ctx, "agents --lab "+t.name)
	t.claim(err == nil && strings.Count(out, "yes    yes") == 3, "three agents are alive and in sync")
	return err
}

func (t *tour) networks(ctx context.Context) error {
	t.title("Networks, with the stock openstack client")
	t.say("Typed into %s on net1, with OS_AUTH_TYPE=none and\nOS_ENDPOINT=%s. All three networks use the same addresses.\n", openstackPath, lab.APIURL)
	var commands []string
	for _, n := range []network{blue, green, white} {
		commands = append(commands,
			fmt.Sprintf("network create %s %s -f value -c id", n.name, n.flags),
			fmt.Sprintf("subnet create %s4 --network %s --subnet-range %s -f value -c cidr", n.name, n.name, range4))
	}
	commands = append(commands,
		fmt.Sprintf("subnet create blue6 --network blue --ip-version 6 --subnet-range %s -f value -c cidr", range6))
	for _, g := range guests() {
		c := fmt.Sprintf("port create %s --network %s --fixed-ip subnet=%s4,ip-address=%s", g.name, g.net.name, g.net.name, g.v4)
		if g.net == blue {
			c += " --fixed-ip subnet=blue6"
		}
		commands = append(commands, c+" -f value -c id")
	}
	if err := t.openstack(ctx, commands...); err != nil {
		return err
	}
	commands = nil
	for _, n := range []network{blue, green, white} {
		commands = append(commands, fmt.Sprintf(
			"network show %s -f yaml -c name -c mtu -c provider:network_type -c provider:physical_network -c provider:segmentation_id", n.name))
	}
	commands = append(commands, "port list")
	return t.openstack(ctx, commands...)
}

func (t *tour) plug(ctx context.Context) error {
	t.title("Guests on both compute nodes")
	t.say("As Nova and libvirt do it: the port is bound to the host, and a tap on br-int\ncarries the port's id and MAC. leptonctl returns when the port is ACTIVE.\n")
	for _, g := range guests() {
		if _, err := t.ctl(ctx, fmt.Sprintf("lab plug --name %s %s %s", t.name, g.host, g.name)); err != nil {
			return err
		}
	}
	if _, err := t.exec(ctx, "hv1", "ovs-vsctl show"); err != nil {
		return err
	}
	st, err := t.status(ctx)
	if err != nil {
		return err
	}
	active := 0
	for _, g := range st.Guests {
		for _, s := range g.Status {
			if s == "ACTIVE" {
				active++
			}
		}
	}
	t.claim(active == len(guests()), "%d of %d ports are ACTIVE", active, len(guests()))
	return nil
}

func (t *tour) pings(ctx context.Context) error {
	t.title("Pings across hosts, on each network")
	gs := guests()
	for i := 0; i < len(gs); i += 2 {
		t.say("%s: %s", gs[i].net.name, gs[i].net.what)
		out, err := t.exec(ctx, gs[i].name, "ping -c 3 -i 0.2 "+gs[i+1].v4)
		t.claim(err == nil && strings.Contains(out, " 3 received, 0% packet loss"),
			"%s on %s reaches %s on %s", gs[i].name, gs[i].host, gs[i+1].name, gs[i+1].host)
	}
	st, err := t.status(ctx)
	if err != nil {
		return err
	}
	for _, g := range st.Guests {
		if g.Name == "blue2" {
			out, err := t.exec(ctx, "blue1", "ping -c 3 -i 0.2 "+g.IP(6).String())
			t.claim(err == nil && strings.Contains(out, " 3 received, 0% packet loss"), "blue1 reaches blue2 over IPv6 too")
		}
	}
	return nil
}

func (t *tour) isolation(ctx context.Context) error {
	t.title("Networks do not leak into each other")
	t.say("blue1, green1 and white1 are on the same host, in the same range of addresses.\n")
	for _, from := range guests() {
		for _, to := range guests() {
			if from.host != "hv1" || from.net == to.net {
				continue
			}
			out, _ := t.on(ctx, from.name, "ping -c 2 -i 0.1 -W 0.3 "+to.v4) // exits 1 without answer
			t.claim(strings.Contains(out, " 0 received"), "%s cannot reach %s on %s", from.name, to.name, to.host)
		}
	}
	return nil
}

func (t *tour) sizes(ctx context.Context) error {
	t.title("Packets of the network's MTU pass, larger ones do not")
	t.say("VXLAN takes 50 of the underlay's 1500 bytes. IP and ICMP headers are 28.\n")
	for _, p := range [][2]guest{{guests()[0], guests()[1]}, {guests()[2], guests()[3]}, {guests()[4], guests()[5]}} {
		for _, over := range []int{0, 1} {
			size := p[0].net.mtu + over
			line := fmt.Sprintf("ping -c 2 -i 0.2 -M do -s %d %s", size-28, p[1].v4)
			t.command(p[0].name+"# ", line)
			out, err := t.on(ctx, p[0].name, line)
			if over == 0 {
				t.claim(err == nil && strings.Contains(out, " 2 received"), "%s: %d bytes pass", p[0].net.name, size)
			} else {
				t.claim(err != nil && !strings.Contains(out, " 2 received"), "%s: %d bytes do not", p[0].net.name, size)
			}
		}
	}
	return nil
}

func (t *tour) restart(ctx context.Context) error {
	t.title("The data plane outlives the control plane")
	t.say("blue1 pings blue2 two hundred times while both agents and the controller are\nkilled and started again.\n")
	line := "ping -q -c 200 -i 0.02 10.0.0.12"
	t.command("blue1# ", line+" &")
	type result struct {
		out string
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := t.on(ctx, "blue1", line)
		done <- result{out, err}
	}()
	for _, p := range []string{"hv1 agent", "hv2 agent", "net1 controller"} {
		if _, err := t.ctl(ctx, fmt.Sprintf("lab stop --name %s %s --kill", t.name, p)); err != nil {
			return err
		}
	}
	for _, p := range []string{"net1 controller", "hv1 agent", "hv2 agent"} {
		if _, err := t.ctl(ctx, fmt.Sprintf("lab start --name %s %s", t.name, p)); err != nil {
			return err
		}
	}
	r := <-done
	t.output(r.out)
	t.claim(r.err == nil && strings.Contains(r.out, " 200 received"), "no packet was lost")
	return nil
}

// leave takes the lab down and looks for anything that it left behind.
func (t *tour) leave(ctx context.Context) {
	if !t.up {
		return
	}
	t.title("Everything is taken down again")
	_, err := t.ctl(ctx, "lab down --name "+t.name)
	t.claim(err == nil, "the lab is down")
	if err != nil {
		t.output(err.Error())
	}
	left, err := leftBehind(t.name)
	t.claim(err == nil && len(left) == 0, "nothing is left of it: no namespace, no process, no file")
	t.output(strings.Join(left, "\n"))
	t.say("")
}

// status asks leptonctl for the lab's.
func (t *tour) status(ctx context.Context) (lab.Status, error) {
	var st lab.Status
	out, err := t.quiet(ctx, "", "lab status -o json --name "+t.name)
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal([]byte(out), &st)
}

// nic gives a guest's only NIC.
func nic(st lab.Status, guest string) (lab.NIC, error) {
	for _, g := range st.Guests {
		if g.Name == guest && len(g.NICs) > 0 {
			return g.NICs[0], nil
		}
	}
	return lab.NIC{}, fmt.Errorf("no guest %s", guest)
}

// tunnelPort is how the agent names the port to a remote address.
func tunnelPort(remote netip.Addr) string {
	a := remote.As4()
	return fmt.Sprintf("vxlan-%02x%02x%02x%02x", a[0], a[1], a[2], a[3])
}
