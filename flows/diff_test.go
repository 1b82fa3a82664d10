package flows

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// parsed reads rules that a test writes as text.
func parsed(t testing.TB, lines ...string) []Rule {
	t.Helper()
	var rules []Rule
	for _, line := range lines {
		r, err := ParseRule(line, ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	return rules
}

func texts(rules []Rule) []string {
	out := []string{}
	for _, r := range rules {
		out = append(out, r.String())
	}
	return out
}

func TestDiff(t *testing.T) {
	const rule = "table=5, priority=7,in_port=1 actions=output:2"
	tests := []struct {
		name        string
		have, want  []string
		add, remove []string
	}{
		{"equal tables need nothing", []string{rule}, []string{rule}, nil, nil},
		{"a new rule is added", nil, []string{rule}, []string{rule}, nil},
		{"a rule that is gone is deleted", []string{rule}, nil, nil, []string{rule}},
		{
			"another action replaces the rule without a delete",
			[]string{rule},
			[]string{"table=5, priority=7,in_port=1 actions=output:3"},
			[]string{"table=5, priority=7,in_port=1 actions=output:3"},
			nil,
		},
		{
			"another cookie replaces the rule",
			[]string{rule},
			[]string{"cookie=0x1, table=5, priority=7,in_port=1 actions=output:2"},
			[]string{"cookie=0x1, table=5, priority=7,in_port=1 actions=output:2"},
			nil,
		},
		{
			"another timeout replaces the rule",
			[]string{rule},
			[]string{"table=5, hard_timeout=9, priority=7,in_port=1 actions=output:2"},
			[]string{"table=5, hard_timeout=9, priority=7,in_port=1 actions=output:2"},
			nil,
		},
		{
			"another priority is another rule",
			[]string{rule},
			[]string{"table=5, priority=8,in_port=1 actions=output:2"},
			[]string{"table=5, priority=8,in_port=1 actions=output:2"},
			[]string{rule},
		},
		{
			"another mask is another rule",
			[]string{"priority=1,reg0=0x1/0xf actions=drop"},
			[]string{"priority=1,reg0=0x1/0x1 actions=drop"},
			[]string{"priority=1,reg0=0x1/0x1 actions=drop"},
			[]string{"priority=1,reg0=0x1/0xf actions=drop"},
		},
		{
			"load and set_field are the same",
			[]string{"priority=1 actions=set_field:0x5/0xffff->reg0,set_field:0x7->metadata"},
			[]string{"priority=1 actions=load:0x5->NXM_NX_REG0[0..15],load:0x7->OXM_OF_METADATA[]"},
			nil, nil,
		},
		{
			"wide registers are the same as single ones",
			[]string{"priority=1,reg0=0x1,reg1=0x2 actions=drop"},
			[]string{"priority=1,xreg0=0x100000002 actions=drop"},
			nil, nil,
		},
		{
			"vlan_tci and dl_vlan are the same",
			[]string{"priority=1,dl_vlan=5 actions=drop"},
			[]string{"priority=1,vlan_tci=0x1005/0x1fff actions=drop"},
			nil, nil,
		},
		{
			"the last of two rules with one key counts",
			nil,
			[]string{"priority=1 actions=output:1", "priority=1 actions=output:2"},
			[]string{"priority=1 actions=output:2"},
			nil,
		},
		{
			"the result is in the order in which packets meet rules",
			nil,
			[]string{"table=1, priority=1 actions=drop", "priority=1 actions=drop", "priority=2 actions=drop"},
			[]string{"priority=2 actions=drop", "priority=1 actions=drop", "table=1, priority=1 actions=drop"},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Diff(parsed(t, tt.have...), parsed(t, tt.want...))
			if diff := cmp.Diff(append([]string{}, tt.add...), texts(d.Add)); diff != "" {
				t.Errorf("add (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append([]string{}, tt.remove...), texts(d.Delete)); diff != "" {
				t.Errorf("delete (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEqualSeesEveryAttribute(t *testing.T) {
	base := "priority=1,ip actions=ct(commit,zone=1,nat(src=10.0.0.1),exec(load:0x1->NXM_NX_CT_MARK[])),learn(table=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),note:01,controller(userdata=01)"
	others := []string{
		"priority=1,ip actions=ct(commit,zone=2,nat(src=10.0.0.1),exec(load:0x1->NXM_NX_CT_MARK[])),learn(table=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),note:01,controller(userdata=01)",
		"priority=1,ip actions=ct(commit,zone=1,nat(src=10.0.0.2),exec(load:0x1->NXM_NX_CT_MARK[])),learn(table=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),note:01,controller(userdata=01)",
		"priority=1,ip actions=ct(commit,zone=1,nat(src=10.0.0.1),exec(load:0x2->NXM_NX_CT_MARK[])),learn(table=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),note:01,controller(userdata=01)",
		"priority=1,ip actions=ct(commit,zone=1,nat(src=10.0.0.1),exec(load:0x1->NXM_NX_CT_MARK[])),learn(table=4,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),note:01,controller(userdata=01)",
		"priority=1,ip actions=ct(commit,zone=1,nat(src=10.0.0.1),exec(load:0x1->NXM_NX_CT_MARK[])),learn(table=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_DST[]),note:01,controller(userdata=01)",
		"priority=1,ip actions=ct(commit,zone=1,nat(src=10.0.0.1),exec(load:0x1->NXM_NX_CT_MARK[])),learn(table=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),note:02,controller(userdata=01)",
		"priority=1,ip actions=ct(commit,zone=1,nat(src=10.0.0.1),exec(load:0x1->NXM_NX_CT_MARK[])),learn(table=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),note:01,controller(userdata=02)",
		"priority=1,ip actions=ct(commit,zone=1,exec(load:0x1->NXM_NX_CT_MARK[])),learn(table=3,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),note:01,controller(userdata=01)",
		"priority=1,ip actions=drop",
	}
	r := parsed(t, base)[0]
	if !r.Equal(parsed(t, base)[0]) {
		t.Fatal("a rule does not equal itself")
	}
	for _, other := range parsed(t, others...) {
		if r.Equal(other) || other.Equal(r) {
			t.Errorf("equal to %s", other)
		}
		if r.Key() != other.Key() {
			t.Errorf("key differs from that of %s", other)
		}
	}
}

// someRule draws a rule of a small world, so that keys meet often.
func someRule(t *rapid.T) Rule {
	r := Rule{
		Table:    rapid.Uint8Range(0, 2).Draw(t, "table"),
		Priority: rapid.Uint16Range(0, 3).Draw(t, "priority"),
		Cookie:   rapid.Uint64Range(0, 2).Draw(t, "cookie"),
	}
	parts := rapid.SliceOfNDistinct(rapid.SampledFrom([]FieldMatch{
		ExactU(InPort, 1), ExactU(Reg0, 5), MaskedU(Reg1, 1, 3), ExactU(XReg1, 1<<32), OnVLAN(5), MaskedU(VLANTCI, 0x1005, 0x1fff),
	}), 0, 3, func(m FieldMatch) Field { return m.Field }).Draw(t, "match")
	r.Match = Match(parts).Normalize()
	r.Actions = rapid.SliceOfN(rapid.SampledFrom([]Action{
		Output{1},
		Load{Dst: Whole(Reg0), Value: U64(1)},
		SetU(Reg0, 1),
		CT{Table: 1},
		CT{Table: NoTable, Commit: true, NAT: &NAT{}},
		Resubmit{Table: 5},
		Resubmit{InPort: PortInPort, Table: 5},
		Note{Data: []byte{1}},
		Learn{Table: 3},
	}), 0, 2).Draw(t, "actions")
	return r
}

func TestApplyingADiffGivesWhatIsWanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have := rapid.SliceOf(rapid.Custom(someRule)).Draw(t, "have")
		want := rapid.SliceOf(rapid.Custom(someRule)).Draw(t, "want")
		before := slices.Clone(want)
		d := Diff(have, want)
		got := d.Apply(have)
		if !Diff(got, want).Empty() {
			t.Fatalf("after the difference the switch has %v, want %v", texts(got), texts(want))
		}
		if len(got) != len(index(want)) {
			t.Fatalf("%d rules, want %d", len(got), len(index(want)))
		}
		if !slices.EqualFunc(before, want, Rule.Equal) {
			t.Fatal("Diff changed its input")
		}
		if !Diff(have, have).Empty() {
			t.Fatal("a table differs from itself")
		}
	})
}

func TestTheOrderOfRulesDoesNotChangeADiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		distinct := rapid.SliceOfDistinct(rapid.Custom(someRule), Rule.Key)
		have, want := distinct.Draw(t, "have"), distinct.Draw(t, "want")
		d := Diff(have, want)
		shuffled := Diff(rapid.Permutation(have).Draw(t, "have shuffled"), rapid.Permutation(want).Draw(t, "want shuffled"))
		if diff := cmp.Diff(texts(d.Add), texts(shuffled.Add)); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(texts(d.Delete), texts(shuffled.Delete)); diff != "" {
			t.Fatal(diff)
		}
		if !slices.IsSortedFunc(d.Add, Rule.Compare) || !slices.IsSortedFunc(d.Delete, Rule.Compare) {
			t.Fatal("a difference is not sorted")
		}
	})
}

func TestKeysAreEqualExactlyWhenMatchesAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Custom(someRule).Draw(t, "a"), rapid.Custom(someRule).Draw(t, "b")
		if (a.Key() == b.Key()) != (a.Compare(b) == 0) {
			t.Fatalf("keys and order disagree about %s and %s", a, b)
		}
		if a.Compare(b) != -b.Compare(a) {
			t.Fatalf("order of %s and %s depends on the side", a, b)
		}
	})
}

// portRules makes n rules like those of a host's security groups.
func portRules(n int) []Rule {
	rules := make([]Rule, 0, n)
	for i := range n {
		rules = append(rules, Rule{
			Table: 82, Priority: 77, Cookie: uint64(i),
			Match: MustMatch(
				MaskedU(CTState, CTEstablished, CTEstablished|CTRelated), ExactU(EthType, ethIPv4), ExactU(IPProto, protoTCP),
				ExactU(Reg5, uint64(i)), Addr(IPv4Src, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})), ExactU(TCPDst, 443),
			),
			Actions: []Action{
				CT{Table: NoTable, Commit: true, ZoneSrc: Bits(Reg6, 0, 15)},
				Load{Dst: Whole(Reg7), Value: U64(uint64(i))},
				Output{uint32(i + 1)},
				Resubmit{Table: 92},
			},
		})
	}
	return rules
}

func BenchmarkDiffOfTenThousandRules(b *testing.B) {
	want := portRules(10_000)
	have := make([]Rule, len(want))
	for i, r := range want {
		have[i] = Canonical(r)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(have), func(i, j int) { have[i], have[j] = have[j], have[i] })
	have[5].Cookie++
	b.Run("sorted", func(b *testing.B) {
		sorted := slices.Clone(have)
		Sort(sorted)
		for b.Loop() {
			Diff(sorted, want)
		}
	})
	b.Run("shuffled", func(b *testing.B) {
		for b.Loop() {
			if d := Diff(have, want); d.Len() != 1 {
				b.Fatalf("%d flow-mods, want 1", d.Len())
			}
		}
	})
}

func BenchmarkFormat(b *testing.B) {
	r := portRules(1)[0]
	var buf []byte
	for b.Loop() {
		buf = AppendFormat(buf[:0], r, FormatOptions{})
	}
}

func BenchmarkParseRule(b *testing.B) {
	text := portRules(1)[0].String()
	for b.Loop() {
		if _, err := ParseRule(text, ParseOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
