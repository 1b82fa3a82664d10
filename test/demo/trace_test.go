package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `Flow: icmp,in_port="tap1"

bridge("br-int")
----------------
 0. in_port="tap1",vlan_tci=0x0000/0x1fff, priority 100, cookie 0x1e06
    set_field:0x3->reg5
    goto_table:24
24. priority 0, cookie 0x1e01
    resubmit(,60)

bridge("br-tun")
----------------
 0. in_port=1, priority 100
    output:2
     -> output to native tunnel
22. No match.
    drop
23. ip, priority 5
    ct(table=72,zone=1)
    drop
     -> A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table 72.
     -> Sets the packet to an untracked state, and clears all the conntrack fields.

Final flow: unchanged
Megaflow: recirc_id=0
Datapath actions: drop
`

func TestParseTrace(t *testing.T) {
	steps, verdict := parseTrace(sample)
	want := []step{
		{"br-int", "0", `in_port="tap1",vlan_tci=0x0000/0x1fff`, "0x1e06", []string{"set_field:0x3->reg5", "goto_table:24"}},
		{"br-int", "24", "", "0x1e01", []string{"resubmit(,60)"}},
		{"br-tun", "0", "in_port=1", "", []string{"output:2", "-> output to native tunnel"}},
		{"br-tun", "22", "No match.", "", []string{"drop"}},
		{"br-tun", "23", "ip", "", []string{
			"ct(table=72,zone=1)", "drop",
			"-> A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table 72.",
			"-> Sets the packet to an untracked state, and clears all the conntrack fields.",
		}},
	}
	if diff := cmp.Diff(want, steps, cmp.AllowUnexported(step{})); diff != "" {
		t.Error(diff)
	}
	if verdict != "drop" {
		t.Errorf("verdict %q", verdict)
	}
}

func TestCondenseNamesTheTables(t *testing.T) {
	names := tableNames(
		" cookie=0x1, priority=9 actions=drop\n cookie=0x1, table=24, priority=0 actions=drop\n cookie=0x1, table=60, priority=0 actions=drop\n",
		" cookie=0x1, table=classify, priority=9 actions=drop\n cookie=0x1, table=\"arp_spoofing\", priority=0 actions=drop\n cookie=0x1, table=transient, priority=0 actions=drop\n")
	if names["0"] != "classify" {
		t.Errorf("table 0 is %q", names["0"])
	}
	steps, _ := parseTrace(sample)
	var got []string
	for _, s := range steps {
		got = append(got, s.condense(names))
	}
	want := []string{"set_field:0x3->reg5, → 24 arp_spoofing", "→ 60 transient", "output:2 (output to native tunnel)", "drop", "ct(table=72,zone=1)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseTrace(f *testing.F) {
	f.Add(sample)
	f.Fuzz(func(_ *testing.T, out string) {
		steps, _ := parseTrace(out)
		for _, s := range steps {
			s.condense(tableNames(out, out))
		}
	})
}
