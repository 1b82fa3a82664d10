package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/lab"
)

// path follows one ping from blue1 to blue2 through the tables of both hosts.
func (t *tour) path(ctx context.Context) error {
	t.title("The path of one ping, table by table")
	st, err := t.status(ctx)
	if err != nil {
		return err
	}
	from, err := nic(st, "blue1")
	if err != nil {
		return err
	}
	to, err := nic(st, "blue2")
	if err != nil {
		return err
	}
	// What the connection tracker would say of the packet has to be told: a new
	// connection, and its addresses, protocol and ICMP type.
	src, dst := from.Addresses[0].Addr(), to.Addresses[0].Addr()
	packet := fmt.Sprintf("ct_state=trk|new,ct_nw_src=%s,ct_nw_dst=%s,ct_nw_proto=1,ct_tp_src=8,"+
		"icmp,dl_src=%s,dl_dst=%s,nw_src=%s,nw_dst=%s,nw_ttl=64,icmp_type=8", src, dst, from.MAC, to.MAC, src, dst)

	t.say("On hv1, from blue1's tap to the tunnel:\n")
	out, err := t.trace(ctx, "hv1", "br-int", "in_port="+from.Tap+","+packet)
	if err != nil {
		return err
	}
	t.claim(strings.Contains(out, "tnl_push") || strings.Contains(out, "set(tunnel"), "it leaves hv1 in a VXLAN tunnel")

	if err := t.arrival(ctx, st, packet); err != nil {
		return err
	}
	vlan, err := t.on(ctx, "hv2", "ovs-vsctl get Port "+to.Tap+" tag")
	if err != nil {
		return err
	}
	t.say("\nand in br-int, where blue2's security group is asked:\n")
	out, err = t.trace(ctx, "hv2", "br-int", fmt.Sprintf("in_port=patch-tun,dl_vlan=%s,%s", strings.TrimSpace(vlan), packet))
	if err != nil {
		return err
	}
	t.claim(remembered.ReplaceAllString(strings.TrimSpace(out), "") == to.Tap, "it reaches blue2's tap, and nothing else: %s", out)
	return nil
}

// remembered is what the datapath does first with a packet from a tunnel: the tag
// goes, and a new connection is remembered.
var remembered = regexp.MustCompile(`^pop_vlan,(ct\(commit,zone=\d+\),)?`)

// arrival shows the tables of br-tun on hv2.
func (t *tour) arrival(ctx context.Context, st lab.Status, packet string) error {
	vni, err := t.vni(ctx)
	if err != nil {
		return err
	}
	hosts := map[string]lab.HostStatus{}
	for _, h := range st.Hosts {
		hosts[h.Name] = h
	}
	t.say("\nOn hv2, from the tunnel to blue2's tap, in br-tun:\n")
	_, packet, _ = strings.Cut(packet, "icmp,") // nobody has tracked it yet
	_, err = t.trace(ctx, "hv2", "br-tun", fmt.Sprintf("in_port=%s,tun_id=%d,tun_src=%s,tun_dst=%s,icmp,%s",
		tunnelPort(hosts["hv1"].Tunnel), vni, hosts["hv1"].Tunnel, hosts["hv2"].Tunnel, packet), "br-int")
	return err
}

// vni asks for the network's segmentation id.
func (t *tour) vni(ctx context.Context) (int, error) {
	out, err := t.on(ctx, "net1", openstackPath+" network show blue -f json -c provider:segmentation_id")
	if err != nil {
		return 0, err
	}
	var n struct {
		ID int `json:"provider:segmentation_id"`
	}
	return n.ID, json.Unmarshal([]byte(out), &n)
}

// trace runs ofproto/trace on a host, shows it condensed, and gives what the
// datapath does in the end. It ends before the packet is in the bridge until.
func (t *tour) trace(ctx context.Context, host, bridge, flow string, until ...string) (string, error) {
	line := "ovs-appctl ofproto/trace --names " + bridge + " " + flow
	t.command(host+"# ", line)
	out, err := t.on(ctx, host, line)
	if err != nil {
		return "", err
	}
	steps, verdict := parseTrace(out)
	names := map[string]map[string]string{}
	shown := ""
	for _, s := range steps {
		if slices.Contains(until, s.bridge) {
			return verdict, nil
		}
		if names[s.bridge] == nil {
			if names[s.bridge], err = t.tableNames(ctx, host, s.bridge); err != nil {
				return "", err
			}
		}
		if s.bridge != shown {
			fmt.Fprintf(t.w, "    %s\n", t.paint(inBold, s.bridge))
			shown = s.bridge
		}
		match := s.match
		if match == "" {
			match = "anything else"
		}
		fmt.Fprintf(t.w, "     %2s %-20s %s\n", s.table, names[s.bridge][s.table], t.paint(inDim, match))
		fmt.Fprintf(t.w, "     %s %s\n", strings.Repeat(" ", 23), s.condense(names[s.bridge]))
	}
	fmt.Fprintf(t.w, "    %s %s\n", t.paint(inBold, "datapath"), verdict)
	return verdict, nil
}

func (t *tour) tableNames(ctx context.Context, host, bridge string) (map[string]string, error) {
	numbered, err := t.on(ctx, host, "ovs-ofctl dump-flows --no-stats --no-names "+bridge)
	if err != nil {
		return nil, err
	}
	named, err := t.on(ctx, host, "ovs-ofctl dump-flows --no-stats --names "+bridge)
	return tableNames(numbered, named), err
}

// flows shows excerpts of the tables.
func (t *tour) flows(ctx context.Context) error {
	t.title("Flows that carry it")
	for _, e := range []struct{ what, line string }{
		{"where each guest's MAC is, local ones in br-int", "ovs-ofctl dump-flows --no-stats --names br-int table=61"},
		{"and remote ones in br-tun: the tunnel is known, nothing is flooded", "ovs-ofctl dump-flows --no-stats --names br-tun table=20"},
		{"ARP and neighbour discovery are answered on the host", "ovs-ofctl dump-flows --no-stats --names br-tun table=21"},
		{"the provider bridge turns local VLANs into the network's own, or strips them", "ovs-ofctl dump-flows --no-stats --names br-physnet1"},
	} {
		t.say("%s:", e.what)
		out, err := t.exec(ctx, "hv1", e.line)
		if err != nil {
			return err
		}
		t.claim(strings.Contains(out, "priority=100"), "the table has flows of guests")
	}
	return nil
}

// leftBehind lists namespaces, processes and files of the lab.
func leftBehind(name string) ([]string, error) {
	left, err := filepath.Glob("/run/netns/" + name + "-*")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(lab.DefaultDir, name)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		left = append(left, dir)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	for _, p := range processes {
		// One that has ended meanwhile is not left behind.
		cmdline, _ := os.ReadFile(p)
		if strings.Contains(string(cmdline), dir+"/") {
			left = append(left, strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return left, nil
}
