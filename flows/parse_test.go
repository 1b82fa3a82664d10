package flows

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestErrorsNameTheWordThatIsWrong(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an unknown field", "frobnicate=5 actions=drop", `"frobnicate"`},
		{"an unknown flag", "frobnicate actions=drop", `"frobnicate"`},
		{"an unknown action", "actions=frobnicate:5", `"frobnicate"`},
		{"a port that does not exist", `in_port="tap1" actions=drop`, `port "tap1"`},
		{"a port that does not exist in an action", `actions=output:"tap1"`, `port "tap1"`},
		{"a table that does not exist", "table=nowhere actions=drop", `table "nowhere"`},
		{"a number that is too wide", "tcp,tp_dst=65536 actions=drop", `"65536"`},
		{"a bad address", "ip,nw_dst=10.0.0.256 actions=drop", `"10.0.0.256"`},
		{"an IPv6 address where IPv4 belongs", "ip,nw_dst=fe80::1 actions=drop", `"fe80::1"`},
		{"a bad prefix length", "ip,nw_dst=10.0.0.0/33 actions=drop", `"33"`},
		{"a bad Ethernet address", "dl_dst=00:11:22 actions=drop", `"00:11:22"`},
		{"a bad connection state", "ct_state=+trk+bad actions=drop", `"bad"`},
		{"a field without its protocol", "nw_dst=10.0.0.1 actions=drop", "nw_dst"},
		{"a port of the wrong protocol", "udp,tcp_dst=5 actions=drop", "needs another match: tcp"},
		{"a field matched twice", "reg0=1,reg0=2 actions=drop", "reg0"},
		{"a VLAN matched twice", "dl_vlan=1,dl_vlan=2 actions=drop", "dl_vlan"},
		{"an open bracket", "actions=ct(commit", "not closed"},
		{"a closing bracket", "actions=output:1)", "not opened"},
		{"an open quote", `in_port="tap actions=drop`, "no closing quote"},
		{"an action in ct that cannot be there", "actions=ct(commit,exec(output:1))", `"output"`},
		{"an argument of ct that does not exist", "actions=ct(comit)", `"comit"`},
		{"a learned field that does not exist", "actions=learn(table=1,frob[]=5)", `"frob[]"`},
		{"a register that does not exist", "actions=load:1->NXM_NX_REG16[]", `"NXM_NX_REG16[]"`},
		{"bits outside a register", "actions=load:1->NXM_NX_REG0[30..32]", `"NXM_NX_REG0[30..32]"`},
		{"a value wider than its bits", "actions=load:4->NXM_NX_REG0[0..1]", `"4"`},
		{"an action behind goto_table", "actions=goto_table:5,output:1", `"output"`},
		{"no actions", "in_port=1", "no actions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ParseRule(tt.text, ParseOptions{})
			if err == nil {
				t.Fatalf("read as %s", r)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not name %s", err, tt.want)
			}
		})
	}
}

func TestAMissingProtocolIsItsOwnError(t *testing.T) {
	if _, err := ParseRule("tp_dst=80 actions=drop", ParseOptions{}); !errors.Is(err, ErrPrerequisite) {
		t.Errorf("error is %v", err)
	}
}

func TestStatsAreReadAndPrinted(t *testing.T) {
	const line = "cookie=0x0, duration=12.345s, table=0, n_packets=5, n_bytes=600, idle_age=3, priority=0 actions=NORMAL"
	r, stats, err := ParseRuleStats(line, ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := Stats{Duration: 12345 * time.Millisecond, Packets: 5, Bytes: 600, IdleAge: 3 * time.Second, HardAge: -1}
	if diff := cmp.Diff(want, stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if got := Format(r, FormatOptions{Stats: &stats}); got != line {
		t.Errorf("printed as %s", got)
	}
}

func TestNamesOfPortsAndTables(t *testing.T) {
	ports := map[string]uint32{"tap1-a": 5, "tap2": 6}
	tables := map[string]uint8{"classify": 0, "egress-base": 71}
	parse := ParseOptions{
		Ports:  func(name string) (uint32, bool) { n, ok := ports[name]; return n, ok },
		Tables: func(name string) (uint8, bool) { n, ok := tables[name]; return n, ok },
	}
	format := FormatOptions{
		PortNames:  func(n uint32) string { return map[uint32]string{5: "tap1-a", 6: "tap2"}[n] },
		TableNames: func(n uint8) string { return map[uint8]string{0: "classify", 71: "egress-base"}[n] },
	}
	for _, line := range []string{
		`table=classify, priority=1,in_port="tap1-a" actions=output:tap2,resubmit(,"egress-base")`,
		`table="egress-base", priority=1,in_port=7 actions=goto_table:80`,
	} {
		r, err := ParseRule(line, parse)
		if err != nil {
			t.Fatal(err)
		}
		if got := Format(r, format); got != line {
			t.Errorf("printed as %s\nwas         %s", got, line)
		}
	}
}

func TestParseRulesSkipsWhatIsNoFlow(t *testing.T) {
	rules, err := ParseRules("NXST_FLOW reply (xid=0x4):\n cookie=0x1, table=1, priority=0 actions=drop\n\n# comment\npriority=1 actions=NORMAL\n", ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"cookie=0x1, table=1, priority=0 actions=drop", "priority=1 actions=NORMAL"}
	if diff := cmp.Diff(want, texts(rules)); diff != "" {
		t.Error(diff)
	}
	_, err = ParseRules("priority=1 actions=NORMAL\npriority=x actions=drop\n", ParseOptions{})
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v does not name line 2", err)
	}
}

func TestFieldsAreFoundByNameAndCodePoint(t *testing.T) {
	for f := PktMark; f < numFields; f++ {
		i := f.Info()
		if i.Name == "" || i.Bits == 0 || i.WireBytes*8 < i.Bits {
			t.Errorf("field %d has no complete description: %+v", f, i)
		}
		if got, _ := FieldByName(i.NXMName); got != f {
			t.Errorf("%s is found as %s", i.NXMName, got)
		}
		if got, _ := FieldByOXM(i.Class, i.Number, i.Experimenter); got != f {
			t.Errorf("%s is found by its code point as %s", i.NXMName, got)
		}
		if got, _ := FieldByOXM(i.NXMClass, i.NXMNumber, 0); got != f {
			t.Errorf("%s is found by its NXM code point as %s", i.NXMName, got)
		}
	}
}

func TestNewMatchRefusesWhatNoSwitchCanMatch(t *testing.T) {
	for name, parts := range map[string][]FieldMatch{
		"a field twice":           {ExactU(Reg0, 1), ExactU(Reg0, 2)},
		"no field":                {{Field: NoField, Mask: U64(1)}},
		"a field that is unknown": {{Field: 255, Mask: U64(1)}},
		"a value too wide":        {ExactU(IPProto, 256)},
		"a mask too wide":         {MaskedU(IPProto, 0, 0x1ff)},
	} {
		if m, err := NewMatch(parts...); err == nil {
			t.Errorf("%s is accepted as %s", name, m)
		}
	}
}

func FuzzParseRule(f *testing.F) {
	for _, file := range []string{"testdata/neutron.flows", "testdata/switch.flows"} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i, line := range strings.Split(string(b), "\n") {
			if file == "testdata/switch.flows" || i%20 == 0 {
				f.Add(line)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text, ParseOptions{})
		if err != nil {
			return
		}
		printed := r.String()
		again, err := ParseRule(printed, ParseOptions{})
		if err != nil {
			t.Fatalf("%q is printed as %q, which is refused: %v", text, printed, err)
		}
		if got := again.String(); got != printed {
			t.Fatalf("%q is printed as %q, read again as %q", text, printed, got)
		}
		if !again.Equal(r) {
			t.Fatalf("%q is printed as %q, which is another rule", text, printed)
		}
		if c := Canonical(r); !c.Equal(r) || c.Key() != r.Key() || Canonical(c).String() != c.String() {
			t.Fatalf("canonical form of %q is %q", printed, c)
		}
	})
}
