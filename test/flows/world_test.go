package flows_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// world makes random rules and packets of a small world, in which they meet
// often.
type world struct{ *rand.Rand }

func (w world) pick(choices ...string) string { return choices[w.IntN(len(choices))] }

// The protocols of rules and packets: the words of a match, with what may
// follow.
var protocols = []struct {
	word          string
	matches, sets []string
}{
	{"", nil, nil},
	{"ip", []string{"nw_src=10.0.0.1", "nw_dst=10.0.0.0/30", "nw_proto=6", "nw_tos=32", "nw_ttl=64"}, []string{"set_field:10.0.0.3->ip_src", "set_field:8->ip_dscp", "dec_ttl"}},
	{"ipv6", []string{"ipv6_src=fe80::1", "ipv6_dst=fe80::/126", "nw_proto=58"}, []string{"set_field:fe80::3->ipv6_dst", "set_field:5->ipv6_label", "dec_ttl"}},
	{"arp", []string{"arp_op=1", "arp_spa=10.0.0.1", "arp_tpa=10.0.0.0/30", "arp_sha=00:00:00:00:00:01"}, []string{"set_field:2->arp_op", "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]", "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", "set_field:00:00:00:00:00:03->arp_sha"}},
	{"tcp", []string{"tp_src=1", "tp_dst=0x2/0x2", "tcp_flags=+syn-ack", "nw_src=10.0.0.1"}, []string{"set_field:3->tcp_dst", "set_field:10.0.0.3->ip_dst"}},
	{"udp", []string{"tp_src=2", "tp_dst=0/0x1"}, []string{"set_field:3->udp_src"}},
	{"icmp", []string{"icmp_type=8", "icmp_code=0"}, []string{"set_field:0->icmp_type"}},
	{"tcp6", []string{"tp_dst=2"}, []string{"set_field:3->tcp_src"}},
	{"icmp6", []string{"icmp_type=135,icmp_code=0,nd_target=fe80::1", "icmp_type=128"}, nil},
}

// match gives 0 to 3 parts of a match without protocol.
func (w world) match() []string {
	var parts []string
	for range w.IntN(4) {
		parts = append(parts, w.pick(
			"in_port=1", "in_port=2", "in_port=LOCAL", "reg0=0x1", "reg1=0x1/0x3", "reg2=0", "metadata=0x2",
			"xreg1=0x1/0x1", "tun_id=0x5", "ct_mark=0x1/0x1", "ct_zone=5", "ct_state=+trk+new", "ct_state=-trk",
			"ct_state=+est", "pkt_mark=0x1", "dl_vlan=5", "vlan_tci=0x0000/0x1fff", "vlan_tci=0x1000/0x1000",
			"dl_vlan=5,dl_vlan_pcp=1", "vlan_tci=0x0001/0x0003",
			"dl_src=00:00:00:00:00:01", "dl_dst=00:00:00:00:00:02", "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
		))
	}
	return parts
}

// actions gives a list of actions that any packet can have.
func (w world) actions(table int, ip bool) []string {
	var list []string
	for range w.IntN(5) {
		list = append(list, w.pick(
			w.jump(table), w.jump(table), w.jump(table), w.pick("output:1", "output:2", "output:3", "output:9", "LOCAL", "IN_PORT"),
			w.pick("output:NXM_NX_REG3[0..15]", "output:NXM_NX_REG3[]", "output:OXM_OF_IN_PORT[]", "FLOOD", "ALL", "NORMAL"),
			w.pick("load:0x1->NXM_NX_REG0[]", "load:0x3->NXM_NX_REG1[1..2]", "set_field:0x2/0x3->reg3", "set_field:0x100000001->xreg1", "set_field:0x3->xxreg0"),
			w.pick("move:NXM_NX_REG0[0..15]->NXM_NX_REG1[16..31]", "move:NXM_OF_IN_PORT[]->NXM_NX_REG3[0..15]", "move:NXM_OF_VLAN_TCI[0..11]->NXM_NX_REG2[0..11]", "move:NXM_NX_REG0[]->NXM_NX_CT_MARK[]"),
			w.pick("load:0->NXM_OF_IN_PORT[]", "load:0x2->NXM_OF_IN_PORT[]", "set_field:0x5->tun_id", "set_field:0x2->metadata", "set_field:0x1->pkt_mark"),
			w.pick("push_vlan:0x8100", "push_vlan:0x8100,set_field:4101->vlan_vid", "pop_vlan", "set_field:4102->vlan_vid", "load:0->NXM_OF_VLAN_TCI[]", "load:0x1005->NXM_OF_VLAN_TCI[]"),
			w.pick("set_field:00:00:00:00:00:03->eth_dst", "ct_clear", "group:1", "group:2", "group:3", "group:9", "note:01", "controller"),
		))
	}
	if ip && w.IntN(2) == 0 {
		list = append(list, w.pick(
			fmt.Sprintf("ct(table=%d)", w.IntN(tableCount)), fmt.Sprintf("ct(table=%d,zone=5)", w.IntN(tableCount)),
			fmt.Sprintf("ct(commit,table=%d,zone=NXM_NX_REG0[0..15],exec(load:0x1->NXM_NX_CT_MARK[]))", w.IntN(tableCount)), "ct(commit,zone=5)",
		))
		list = append(list, w.pick("output:2", w.jump(table), "output:3"))
	}
	if table < tableCount-1 && w.IntN(3) == 0 {
		list = append(list, fmt.Sprintf("goto_table:%d", table+1+w.IntN(tableCount-table-1)))
	}
	return list
}

// tableCount is the number of tables that the rules are spread over.
const tableCount = 5

// jump gives a resubmit, mostly to a later table.
func (w world) jump(table int) string {
	to := w.IntN(tableCount)
	if table < tableCount-1 && w.IntN(8) > 0 {
		to = table + 1 + w.IntN(tableCount-table-1)
	}
	return w.pick(fmt.Sprintf("resubmit(,%d)", to), fmt.Sprintf("resubmit(,%d)", to), fmt.Sprintf("resubmit(2,%d)", to))
}

// rules gives rules of which no two have the same table and priority, except
// the clauses of one conjunction, which do not overlap with other rules.
func (w world) rules(n int) []string {
	var lines []string
	for i := range n {
		table := w.IntN(tableCount)
		proto := protocols[w.IntN(len(protocols))]
		parts, actions := w.match(), w.actions(table, proto.word != "" && proto.word != "arp")
		if proto.word != "" {
			parts = append(parts, proto.word)
		}
		if len(proto.matches) > 0 && w.IntN(2) == 0 {
			parts = append(parts, proto.matches[w.IntN(len(proto.matches))])
		}
		if len(proto.sets) > 0 && w.IntN(2) == 0 {
			actions = append([]string{proto.sets[w.IntN(len(proto.sets))]}, actions...)
		}
		lines = append(lines, w.line(i+1, table, 10*(i+1), parts, actions))
	}
	return append(lines, w.conjunctions(n+1)...)
}

func (w world) line(cookie, table, priority int, parts, actions []string) string {
	if len(actions) == 0 {
		actions = []string{"drop"}
	}
	head := append([]string{fmt.Sprintf("cookie=%#x,table=%d,priority=%d", cookie, table, priority)}, parts...)
	return strings.Join(head, ",") + " actions=" + strings.Join(actions, ",")
}

// conjunctions gives two conjunctions with clauses of their own priority.
func (w world) conjunctions(cookie int) []string {
	var lines []string
	for id := 1; id <= 2; id++ {
		table, priority := w.IntN(tableCount), 10*w.IntN(300)+id
		for clause, choices := range [][]string{
			{"in_port=1", "in_port=2", "in_port=3"},
			{"dl_src=00:00:00:00:00:01", "dl_src=00:00:00:00:00:02"},
		} {
			for _, choice := range choices {
				if w.IntN(3) == 0 {
					continue
				}
				lines = append(lines, w.line(cookie, table, priority, []string{choice}, []string{fmt.Sprintf("conjunction(%d,%d/2)", id, clause+1)}))
				cookie++
			}
		}
		lines = append(lines, w.line(cookie, table, priority, []string{fmt.Sprintf("conj_id=%d", id)}, w.actions(table, false)))
		cookie++
	}
	return lines
}

// packet gives a packet as the switch takes it for a trace.
func (w world) packet() string {
	mac := func() string { return fmt.Sprintf("00:00:00:00:00:0%d", 1+w.IntN(3)) }
	parts := []string{w.pick("in_port=1", "in_port=2", "in_port=3", "in_port=LOCAL"), "dl_src=" + mac(), "dl_dst=" + w.pick(mac(), "ff:ff:ff:ff:ff:ff")}
	if w.IntN(3) == 0 {
		parts = append(parts, w.pick("dl_vlan=5", "dl_vlan=6,dl_vlan_pcp=1", "dl_vlan=5,dl_vlan_pcp=1"))
	}
	v4 := fmt.Sprintf("nw_src=10.0.0.%d,nw_dst=10.0.0.%d,nw_ttl=%s", 1+w.IntN(3), 1+w.IntN(6), w.pick("1", "64", "64"))
	v6 := fmt.Sprintf("ipv6_src=fe80::%d,ipv6_dst=fe80::%d,nw_ttl=64", 1+w.IntN(3), 1+w.IntN(6))
	parts = append(parts, w.pick(
		"tcp,"+v4+",tcp_src=1,tcp_dst="+w.pick("1", "2", "3")+w.pick("", ",tcp_flags=syn", ",tcp_flags=syn|ack"),
		"udp,"+v4+",udp_src=2,udp_dst="+w.pick("1", "2"),
		"icmp,"+v4+",icmp_type="+w.pick("8", "0")+",icmp_code=0",
		"ip,nw_proto=47,nw_tos=32,"+v4,
		"tcp6,"+v6+",tcp_src=1,tcp_dst=2",
		"icmp6,"+v6+",icmpv6_type=135,icmpv6_code=0,nd_target=fe80::1,nd_sll="+mac(),
		"arp,arp_op="+w.pick("1", "2")+",arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha="+mac()+",arp_tha="+mac(),
		"dl_type=0x88cc",
	))
	return strings.Join(parts, ",")
}
