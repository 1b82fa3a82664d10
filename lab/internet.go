package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/config"
)

// This file: a physical network whose bridges are joined over VXLAN instead of
// cables, with one host as its gateway to what plays the internet, as in clouds
// whose nodes have a routed underlay and no layer 2 of their own.

const (
	internetName = "internet" // its namespace, and the name of the place
	publicLink   = "public"   // the link between it and the gateway, at both ends
	// The network's tunnels have a UDP port of their own, the one that Linux
	// takes by default, as any VXLAN id on 4789 may be a tenant's.
	joinPort, joinID = 8472, 100
	vxlanOverhead4   = 50 // bytes that VXLAN takes from a packet over IPv4
	vxlanOverhead6   = 70
)

// Addresses that play the internet (TEST-NET-2 of RFC 5737): it knows no others.
var (
	internetAddress = netip.MustParsePrefix("198.51.100.1/24")
	publicAddress   = netip.MustParsePrefix("198.51.100.2/24")
)

// Gateway makes a host the way out of a physical network.
type Gateway struct {
	// Host has the address, forwards what comes from the network and gives it
	// its own public address.
	Host string `yaml:"host" json:"host"`
	// Address is the host's on the network's bridge, IPv4 with the length of
	// the prefix: the gateway of subnets there.
	Address netip.Prefix `yaml:"address" json:"address"`
}

// Join is a host's part in a physical network that is joined over VXLAN.
type Join struct {
	Bridge string `json:"bridge"`
	// Peers are the tunnel addresses at the other ends: all hosts for the
	// gateway, the gateway for all hosts.
	Peers []netip.Addr `json:"peers"`
	MTU   int          `json:"mtu"`
	// Address is the gateway's; invalid on others.
	Address netip.Prefix `json:"address"`
}

// joinedMTU is what fits through the tunnels of a joined network.
func (t Topology) joinedMTU() int {
	if t.UnderlayIP == 6 {
		return t.MTU - vxlanOverhead6
	}
	return t.MTU - vxlanOverhead4
}

func (t Topology) validateGateways(e *config.Errors) {
	found := ""
	for _, p := range t.PhysicalNetworks {
		g := p.Gateway
		if g == nil {
			continue
		}
		if found != "" {
			e.Add("physical_networks", "%s and %s have a gateway, one network may", found, p.Name)
		}
		found = p.Name
		if !g.Address.IsValid() || !g.Address.Addr().Is4() {
			e.Add("physical_networks", "gateway of %s: address %q is not IPv4 with a prefix length", p.Name, g.Address)
		}
		cabled := func(h HostSpec) bool { return h.Name == g.Host && slices.Contains(t.physicalNetworks(h), p) }
		if !slices.ContainsFunc(t.Hosts, cabled) {
			e.Add("physical_networks", "gateway of %s: %q is no host that has this network", p.Name, g.Host)
		}
	}
}

// join decides how the hosts of a network with a gateway are joined.
func (p *Plan) join(net PhysicalNetwork) {
	p.Internet = p.Lab + "-" + internetName
	var hub *HostPlan
	var spokes []*HostPlan
	for i := range p.Hosts {
		switch h := &p.Hosts[i]; {
		case h.Name == net.Gateway.Host:
			hub = h
		case h.Mappings[net.Name] != "":
			spokes = append(spokes, h)
		}
	}
	own := Join{Bridge: net.Bridge, MTU: p.Topology.joinedMTU(), Address: net.Gateway.Address}
	for _, h := range spokes {
		own.Peers = append(own.Peers, h.Tunnel.Addr())
		h.Join = &Join{Bridge: net.Bridge, MTU: own.MTU, Peers: []netip.Addr{hub.Tunnel.Addr()}}
	}
	hub.Join = &own
}

// joinMAC is fixed for the same reason as underlayMAC.
func (h HostPlan) joinMAC() string {
	return strings.Replace(h.underlayMAC(), "0a:1a:b0", "0a:1a:b1", 1)
}

// joinArgs are ovs-vsctl's for the host's bridge of a joined network.
func (p *Plan) joinArgs(h HostPlan) []string {
	if h.Join == nil {
		return nil
	}
	br := h.Join.Bridge
	args := []string{
		"--", "add-br", br, "--", "set", "Bridge", br, `other_config:hwaddr="` + h.joinMAC() + `"`,
		"--", "set", "Interface", br, fmt.Sprintf("mtu_request=%d", h.Join.MTU),
	}
	if t := p.datapathType(); t != "" {
		args = append(args, "--", "set", "Bridge", br, "datapath_type="+t)
	}
	for i, peer := range h.Join.Peers {
		port := fmt.Sprintf("%s-%d", strings.TrimPrefix(br, "br-"), i+1)
		args = append(args, "--", "add-port", br, port, "--", "set", "Interface", port, "type=vxlan",
			"options:remote_ip="+peer.String(), "options:local_ip="+h.Tunnel.Addr().String(),
			fmt.Sprintf("options:key=%d", joinID), fmt.Sprintf("options:dst_port=%d", joinPort))
	}
	return args
}

// addressJoin puts the gateway's address on its bridge. The link is made anew
// each time ovs-vswitchd starts, so this is done then too.
func addressJoin(ctx context.Context, h HostPlan) error {
	if h.Join == nil || !h.Join.Address.IsValid() {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("ovs-vswitchd has not made it after 20 s"))
	defer cancel()
	err := withLinks(h.Namespace, func(l *links) error {
		err := poll(ctx, 5*time.Millisecond, func() (bool, error) { return l.exists(h.Join.Bridge) })
		if err != nil {
			return fmt.Errorf("wait for link %s: %w", h.Join.Bridge, context.Cause(ctx))
		}
		return l.addAddress(h.Join.Bridge, h.Join.Address)
	})
	if err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	return nil
}

// internet makes the namespace that plays it, and the gateway's way there.
func (b *builder) internet(ctx context.Context) error {
	if b.plan.Internet == "" {
		return nil
	}
	if err := createNetns(b.plan.Internet, b.lab.mark, guestSysctls()); err != nil {
		return err
	}
	for _, h := range b.plan.Hosts {
		if h.Join == nil || !h.Join.Address.IsValid() {
			continue
		}
		if err := b.openGateway(ctx, h); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return nil
}

func (b *builder) openGateway(ctx context.Context, h HostPlan) error {
	err := createVeth(
		end{netns: b.plan.Internet, name: publicLink, up: true},
		end{netns: h.Namespace, name: publicLink, up: true}, b.plan.Topology.MTU)
	if err != nil {
		return err
	}
	for ns, address := range map[string]netip.Prefix{b.plan.Internet: internetAddress, h.Namespace: publicAddress} {
		err := withLinks(ns, func(l *links) error { return l.addAddress(publicLink, address) })
		if err != nil {
			return err
		}
	}
	if err := inside(h.Namespace, sysctl{"ipv4/ip_forward", "1"}.set); err != nil {
		return err
	}
	p, err := b.lab.Place(h.Name)
	if err != nil {
		return err
	}
	cmd := p.Command(ctx, "iptables-restore", "--noflush", "--wait=10")
	cmd.Stdin = strings.NewReader(h.Join.rules())
	_, err = cmd.Run()
	return err
}

// rules let the network out and answers in, and keep the rest of the host shut.
func (j *Join) rules() string {
	return fmt.Sprintf(`*nat
-A POSTROUTING -s %[2]s -o %[3]s -j MASQUERADE
COMMIT
*filter
:FORWARD DROP
-A FORWARD -i %[1]s -o %[3]s -j ACCEPT
-A FORWARD -i %[3]s -o %[1]s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i %[1]s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i %[1]s -p icmp -j ACCEPT
-A INPUT -i %[1]s -j DROP
COMMIT
`, j.Bridge, j.Address.Masked(), publicLink)
}
