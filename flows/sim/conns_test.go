package sim

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/flows"
)

// firewall lets connections out of port 1, and their answers in from port 2.
func firewall(t *testing.T) *Bridge {
	return NewBridge("br", rules(
		t,
		"table=0,priority=5,ip actions=ct(table=1,zone=7)",
		"table=0,priority=5,ipv6 actions=ct(table=1,zone=7)",
		"table=1,priority=9,ct_mark=0x1,ct_state=+trk,ip actions=drop",
		"table=1,priority=5,in_port=1,ct_state=+new,ip actions=ct(commit,zone=7),output:2",
		"table=1,priority=5,in_port=1,ct_state=+new,ipv6 actions=ct(commit,zone=7),output:2",
		"table=1,priority=5,in_port=1,ct_state=+est actions=output:2",
		"table=1,priority=5,in_port=2,ct_state=+est+rpl actions=output:1",
	))
}

func TestConnections(t *testing.T) {
	const (
		out  = "in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=80,tcp_flags=syn"
		back = "in_port=2,tcp,nw_src=10.0.0.2,nw_dst=10.0.0.1,tp_src=80,tp_dst=1000,tcp_flags=syn|ack"
	)
	tests := []struct {
		name    string
		packets []string
		want    []string // of the last packet
	}{
		{"the first packet out passes", []string{out}, []string{"br:2"}},
		{"a packet in without connection is dropped", []string{back}, nil},
		{"an answer passes", []string{out, back}, []string{"br:1"}},
		{"the connection is established after an answer", []string{out, back, out}, []string{"br:2"}},
		{"another port is another connection", []string{out, "in_port=2,tcp,nw_src=10.0.0.2,nw_dst=10.0.0.1,tp_src=81,tp_dst=1000"}, nil},
		{"a ping is answered", []string{"in_port=1,icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2,icmp_type=8,icmp_code=0", "in_port=2,icmp,nw_src=10.0.0.2,nw_dst=10.0.0.1,icmp_type=0,icmp_code=0"}, []string{"br:1"}},
		{"a ping the other way is not an answer", []string{"in_port=1,icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2,icmp_type=8,icmp_code=0", "in_port=2,icmp,nw_src=10.0.0.2,nw_dst=10.0.0.1,icmp_type=8,icmp_code=0"}, nil},
		{"an IPv6 ping is answered", []string{"in_port=1,icmp6,ipv6_src=fe80::1,ipv6_dst=fe80::2,icmp_type=128,icmp_code=0", "in_port=2,icmp6,ipv6_src=fe80::2,ipv6_dst=fe80::1,icmp_type=129,icmp_code=0"}, []string{"br:1"}},
		{"an answer is no beginning", []string{back}, nil},
		{"a second step of a handshake begins nothing", []string{"in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=80,tcp_flags=syn|ack"}, nil},
		{"neighbour discovery has no connections", []string{"in_port=1,icmp6,ipv6_src=fe80::1,ipv6_dst=fe80::2,icmp_type=135,icmp_code=0"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, conns := firewall(t), &Conns{}
			var r Result
			for _, text := range tt.packets {
				r = b.Run(packet(t, text), Options{Conns: conns})
			}
			if diff := cmp.Diff(append([]string{}, tt.want...), outputs(r)); diff != "" {
				t.Errorf("outputs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestZonesAreApart(t *testing.T) {
	b := NewBridge("br", rules(
		t,
		"in_port=1,ip actions=ct(commit,zone=1)",
		"in_port=2,ip actions=ct(table=1,zone=2)",
		"in_port=3,ip actions=ct(table=1,zone=1)",
		"table=1,ct_state=+rpl,ip actions=output:9",
	))
	conns := &Conns{}
	b.Run(packet(t, "in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1,tp_dst=2"), Options{Conns: conns})
	answer := ",udp,nw_src=10.0.0.2,nw_dst=10.0.0.1,tp_src=2,tp_dst=1"
	if r := b.Run(packet(t, "in_port=2"+answer), Options{Conns: conns}); len(r.Outputs) != 0 {
		t.Error("the connection is seen in another zone")
	}
	if r := b.Run(packet(t, "in_port=3"+answer), Options{Conns: conns}); len(r.Outputs) != 1 {
		t.Error("the connection is not seen in its zone")
	}
}

func TestAMarkStaysWithTheConnection(t *testing.T) {
	b, conns := firewall(t), &Conns{}
	b.Add(rules(t, "table=1,priority=8,in_port=1,tcp,tp_dst=99 actions=ct(commit,zone=7,exec(load:0x1->NXM_NX_CT_MARK[]))")...)
	const marked = "in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=99,tcp_flags=syn"
	b.Run(packet(t, marked), Options{Conns: conns})
	r := b.Run(packet(t, "in_port=2,tcp,nw_src=10.0.0.2,nw_dst=10.0.0.1,tp_src=99,tp_dst=1000,tcp_flags=syn|ack"), Options{Conns: conns})
	if len(r.Outputs) != 0 {
		t.Error("an answer of a marked connection passes")
	}
	var seen []Conn
	conns.Each(func(c Conn) { seen = append(seen, c) })
	if len(seen) != 1 || seen[0].Mark != 1 || !seen[0].Replied {
		t.Fatalf("connections are %+v", seen)
	}
	conns.Flush(func(c Conn) bool { return c.Mark == 1 })
	if conns.Len() != 0 {
		t.Error("a flushed connection is still there")
	}
}

func TestAPassThatFailsCommitsNothing(t *testing.T) {
	b := NewBridge("br", rules(t, "ip actions=ct(commit,zone=1),resubmit(,1)", "table=1 actions=resubmit(,1)"))
	conns := &Conns{}
	r := b.Run(packet(t, "in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1,tp_dst=2"), Options{Conns: conns})
	if len(r.Errors) != 1 || conns.Len() != 0 {
		t.Errorf("errors %v and %d connections", r.Errors, conns.Len())
	}
}

func TestRecirculationEnds(t *testing.T) {
	b := NewBridge("br", rules(t, "ip actions=ct(table=0)"))
	r := b.Run(NewPacket(flows.ExactU(flows.EthType, ethIPv4)), Options{})
	if len(r.Errors) != 1 || len(r.Finals) != maxRecirculations+1 {
		t.Errorf("errors %v after %d passes", r.Errors, len(r.Finals))
	}
}

// TestErrorsBelongToTheConnectionThatTheyQuote looks at the original direction
// of the connection that an ICMP error is given to.
func TestErrorsBelongToTheConnectionThatTheyQuote(t *testing.T) {
	b := NewBridge("br", rules(
		t,
		"in_port=1,ip actions=ct(commit,zone=7)",
		"in_port=2,ip actions=ct(table=1,zone=7)",
		"table=1,ct_state=+rel+rpl,ip,ct_nw_src=10.0.0.1,ct_nw_proto=17,ct_tp_src=5,ct_tp_dst=6 actions=output:8",
		"table=1,ct_state=+rel-rpl,ip,ct_nw_src=10.0.0.1,ct_nw_proto=17,ct_tp_dst=6 actions=output:9",
	))
	conns := &Conns{}
	sent := packet(t, "in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=5,tp_dst=6")
	b.Run(sent, Options{Conns: conns})
	for _, test := range []struct {
		name, outer, quoted string
		want                []string
	}{
		{"from the other end", "nw_src=10.0.0.2,nw_dst=10.0.0.1", "nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=5,tp_dst=6", []string{"br:8"}},
		{"from a router on the way", "nw_src=10.0.0.254,nw_dst=10.0.0.1", "nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=5,tp_dst=6", []string{"br:8"}},
		{"about a reply", "nw_src=10.0.0.1,nw_dst=10.0.0.2", "nw_src=10.0.0.2,nw_dst=10.0.0.1,tp_src=6,tp_dst=5", []string{"br:9"}},
		{"about nothing that is known", "nw_src=10.0.0.2,nw_dst=10.0.0.1", "nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=5,tp_dst=7", nil},
		{"to somebody else", "nw_src=10.0.0.2,nw_dst=10.0.0.3", "nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=5,tp_dst=6", nil},
	} {
		p := packet(t, "in_port=2,icmp,icmp_type=3,icmp_code=3,"+test.outer)
		p.Quote(packet(t, "udp,"+test.quoted))
		if diff := cmp.Diff(append([]string{}, test.want...), outputs(b.Run(p, Options{Conns: conns}))); diff != "" {
			t.Errorf("%s: outputs (-want +got):\n%s", test.name, diff)
		}
	}
}
