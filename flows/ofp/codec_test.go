package ofp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/flows"
)

func TestRulesSurviveTheWire(t *testing.T) {
	for _, path := range []string{"../testdata/neutron.flows", "../testdata/switch.flows", "testdata/actions.flows"} {
		t.Run(path, func(t *testing.T) {
			for _, r := range rulesOf(t, path) {
				first := AppendRule(nil, Add, r)
				m, err := DecodeFlowMod(first)
				if err != nil {
					t.Errorf("%v: %v", r, err)
					continue
				}
				if second := AppendRule(nil, Add, m.Rule); !bytes.Equal(first, second) {
					t.Errorf("%v: encodes to\n%x, again to\n%x", r, first, second)
				}
				if again := overTheWire(t, m.Rule); !cmp.Equal(again, m.Rule) {
					t.Errorf("%v: canonical form changes: %s", r, cmp.Diff(m.Rule, again))
				}
				if want := flows.Canonical(r); !cmp.Equal(m.Rule, want) {
					t.Errorf("%v: comes back differently: %s", r, cmp.Diff(want, m.Rule))
				}
			}
		})
	}
}

func TestCanonicalIsWhatTheSwitchReports(t *testing.T) {
	tests := []struct{ rule, want string }{
		{"actions=load:0x5->NXM_NX_REG5[0..7]", "actions=set_field:0x5/0xff->reg5"},
		{"actions=load:0x5->NXM_NX_REG5[]", "actions=set_field:0x5->reg5"},
		{"vlan_tci=0x1005,actions=drop", "dl_vlan=5,dl_vlan_pcp=0 actions=drop"},
		{"vlan_tci=0x3005/0xffff,actions=drop", "dl_vlan=5,dl_vlan_pcp=1 actions=drop"},
		{"vlan_tci=0x0000,actions=drop", "vlan_tci=0x0000/0x1fff actions=drop"},
		{"vlan_tci=0x1000/0x1000,actions=drop", "vlan_tci=0x1000/0x1000 actions=drop"},
		{"xreg1=0x500000006,actions=drop", "reg2=0x5,reg3=0x6 actions=drop"},
		{"xreg0=0x5/0xff,actions=drop", "reg1=0x5/0xff actions=drop"},
		{"xxreg1=0x100000000000000000000/0xffff00000000000000000000,actions=drop", "reg5=0x10000/0xffff0000 actions=drop"},
		{"actions=note:01.02", "actions=note:01.02.00.00.00.00"},
		{"ip,actions=ct(commit,nat(src=192.0.2.1-192.0.2.1:5-5))", "ip actions=ct(commit,nat(src=192.0.2.1:5))"},
		{"actions=controller(reason=action,max_len=5)", "actions=CONTROLLER:5"},
	}
	for _, tc := range tests {
		t.Run(tc.rule, func(t *testing.T) {
			r, err := flows.ParseRule(tc.rule, flows.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := overTheWire(t, r).String(); got != tc.want {
				t.Errorf("canonical form is %s, want %s", got, tc.want)
			}
		})
	}
}

// TestActionsHaveTheirBytes guards the encoding of each action and instruction;
// that Open vSwitch agrees is TestFlowsOfTheSwitchEncodeToItsBytes.
func TestActionsHaveTheirBytes(t *testing.T) {
	var got strings.Builder
	for _, r := range rulesOf(t, "testdata/actions.flows") {
		if len(r.Actions) > 0 && r.Table == 0 {
			fmt.Fprintf(&got, "%s\n\t%s\n", flows.FormatActions(r.Actions, flows.FormatOptions{}), hex.EncodeToString(appendInstructions(nil, r.Actions)))
		}
	}
	golden := "testdata/actions.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownActionsStayTheSameBytes(t *testing.T) {
	tests := map[string]string{
		"an action of another vendor":            "ffff0010 00010203 0004050600000000",
		"a Nicira action without a type":         "ffff0010 00002320 0013 000500000000",
		"set_field of a field without a name":    "00190010 00015004 00000005 00000000",
		"an output with rubbish in its padding":  "00000010 00000001 0000 010203040506",
		"controller with an unknown property":    "ffff0018 00002320 0025 000000000000 0063000400000000",
		"ct inside ct":                           "ffff0030 00002320 0023 0001 00000000 0000 ff000000 0000 ffff0018 00002320 0023 0001 00000000 0000 ff000000 0000",
		"learn from a field without a name":      "ffff0030 00002320 0010 000000000001 0000000000000000 0000 1400 00000000 0020 00015004 0000 00015004 0000 0000",
		"resubmit to port 0":                     "ffff0010 00002320 000e 0000 05000000",
		"a nat outside ct":                       "ffff0010 00002320 0024 0000 0000 0000",
		"a controller action for a table miss":   "ffff0010 00002320 0014 0080 0000 0000",
		"conjunction with a clause out of range": "ffff0010 00002320 0022 ff02 00000001",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			whole, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			actions, err := decodeActions(&reader{b: whole}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := actions[0].(flows.Raw); !ok || len(actions) != 1 {
				t.Errorf("decodes as %s", flows.FormatActions(actions, flows.FormatOptions{}))
			}
			if again := appendActions(nil, actions); !bytes.Equal(whole, again) {
				t.Errorf("%x encodes to %x", whole, again)
			}
		})
	}
}

func TestMessagesOfASwitchDecode(t *testing.T) {
	for name, msg := range captured(t) {
		t.Run(name, func(t *testing.T) {
			v, err := Decode(msg)
			if err != nil {
				t.Fatal(err)
			}
			if h, ok := v.(Header); ok && h.Type == typeMultipartReply {
				t.Errorf("multipart reply is not understood: %x", msg)
			}
		})
	}
}

func TestCutAndFlippedMessagesGiveErrorsNotPanics(t *testing.T) {
	for name, msg := range captured(t) {
		t.Run(name, func(t *testing.T) {
			step := 1 + len(msg)/1500
			for n := 0; n < len(msg); n += step {
				cut := clone(msg[:n])
				if n >= headerLen {
					setLength(cut, 0, 2)
				}
				if _, err := Decode(cut); err != nil && !errors.Is(err, ErrMalformed) {
					t.Errorf("cut at %d: %v does not say that it is malformed", n, err)
				}
			}
			for n := 0; n < len(msg); n += step {
				for _, bit := range []byte{0x01, 0x80, 0xff} {
					flipped := clone(msg)
					flipped[n] ^= bit
					_, _ = Decode(flipped)
				}
			}
		})
	}
}

func TestErrorsHaveNames(t *testing.T) {
	tests := map[string]*Error{
		"OFPBMC_BAD_PREREQ":                                 {Type: 4, Code: 9},
		"NXBAC_BAD_CONJUNCTION":                             {Type: 0xffff, Code: 15, Experimenter: nicira},
		"OpenFlow error type 99, code 3":                    {Type: 99, Code: 3},
		"OpenFlow error of experimenter 0x123, type 7":      {Type: 0xffff, Code: 7, Experimenter: 0x123},
		"OpenFlow error of experimenter 0x2320, type 65000": {Type: 0xffff, Code: 65000, Experimenter: nicira},
	}
	for want, e := range tests {
		if got := e.Error(); got != want {
			t.Errorf("error is named %q, want %q", got, want)
		}
	}
}

func TestHelloTellsTheVersions(t *testing.T) {
	tests := []struct {
		name  string
		msg   string
		speak bool
	}{
		{"a bitmap with 1.5", "060000100000000100010008" + "00000052", true},
		{"a bitmap without 1.5", "050000100000000100010008" + "00000032", false},
		{"a bitmap with 1.5 under a header of 1.0", "010000100000000100010008" + "00000042", true},
		{"no bitmap, version 1.5", "0600000800000001", true},
		{"no bitmap, version 1.3", "0400000800000001", false},
		{"no bitmap, a later version", "0700000800000001", true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			msg, _ := hex.DecodeString(tc.msg)
			h, err := DecodeHello(msg)
			if err != nil {
				t.Fatal(err)
			}
			if h.Speaks() != tc.speak {
				t.Errorf("speaks: %v", h.Speaks())
			}
		})
	}
	own, err := DecodeHello(appendHello(nil, 3))
	if err != nil || !own.Speaks() || own.Bitmap != 1<<Version {
		t.Errorf("own hello is %+v, %v", own, err)
	}
}

func TestDeletingFlowModsCarryNoActions(t *testing.T) {
	r := flows.Rule{Table: 3, Priority: 4, Cookie: 5, IdleTimeout: 6, Flags: flows.SendFlowRem, Actions: []flows.Action{flows.Output{Port: 1}}}
	m, err := DecodeFlowMod(FlowMod{XID: 7, Command: DeleteStrict, Rule: r, CookieMask: 8}.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := FlowMod{XID: 7, Command: DeleteStrict, CookieMask: 8, Rule: flows.Rule{Table: 3, Priority: 4, Cookie: 5}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
}
