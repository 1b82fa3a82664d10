// Package flows_test compares package flows with Open vSwitch itself.
package flows_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

var update = flag.Bool("update", false, "rewrite flows/testdata/switch.flows with what the switch prints")

// catalogue gives the lines of catalogue.flows by the mark before them, 0 for
// none.
func catalogue(t *testing.T) map[byte][]string {
	t.Helper()
	b, err := os.ReadFile("catalogue.flows")
	if err != nil {
		t.Fatal(err)
	}
	marked := map[byte][]string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var mark byte
		if strings.IndexByte(refusedByBoth+refusedByUs+takenOtherwise, line[0]) >= 0 {
			mark, line = line[0], line[1:]
		}
		marked[mark] = append(marked[mark], line)
	}
	return marked
}

// The marks of catalogue.flows.
const (
	refusedByBoth  = "!"
	refusedByUs    = "?"
	takenOtherwise = "~"
)

// bridge starts a switch with the ports and the group and meter that the
// catalogue names.
func bridge(t *testing.T) *ovstest.Switch {
	t.Helper()
	s := ovstest.Start(t)
	s.AddBridge("br")
	s.AddPort("br", "p1", 1)
	s.AddPort("br", "p2", 2)
	s.AddPort("br", "p3", 3)
	s.Ofctl("-O", "OpenFlow15", "add-group", "br", "group_id=5,type=all,bucket=output:1")
	s.Ofctl("-O", "OpenFlow15", "add-meter", "br", "meter=1,pktps,band=type=drop,rate=1")
	return s
}

func ports(name string) (uint32, bool) {
	n, ok := map[string]uint32{"p1": 1, "p2": 2, "p3": 3}[name]
	return n, ok
}

// dumped gives the one flow that is left in the bridge.
func dumped(s *ovstest.Switch, protocol string) string {
	out := s.Ofctl("-O", protocol, "--no-stats", "--no-names", "dump-flows", "br")
	return strings.TrimSpace(out)
}

func TestTheSwitchKeepsWhatParseRuleReads(t *testing.T) {
	s := bridge(t)
	golden := "# What Open vSwitch 3.1 prints of the flows of test/flows/catalogue.flows.\n"
	for _, line := range catalogue(t)[0] {
		s.Ofctl("-O", "OpenFlow15", "del-flows", "br")
		if _, err := s.TryOfctl("-O", "OpenFlow15", "add-flow", "br", line); err != nil {
			t.Errorf("the switch refuses %s: %v", line, err)
			continue
		}
		theirs := dumped(s, "OpenFlow15")
		// In OpenFlow 1.0 the switch prints actions that ParseRule expresses in
		// newer ones. ovs-ofctl fails on writes to metadata there.
		if old, err := s.TryOfctl("-O", "OpenFlow10", "--no-stats", "--no-names", "dump-flows", "br"); err == nil {
			if _, err := flows.ParseRule(strings.TrimSpace(old), flows.ParseOptions{}); err != nil {
				t.Errorf("%s\n dumped as %s: %v", line, old, err)
			}
		}
		r, err := flows.ParseRule(line, flows.ParseOptions{Ports: ports})
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		back, err := flows.ParseRule(theirs, flows.ParseOptions{})
		if err != nil {
			t.Errorf("%s\n dumped as %s: %v", line, theirs, err)
			continue
		}
		if got := back.String(); got != theirs {
			t.Errorf("%s\n dumped as  %s\n printed as %s", line, theirs, got)
		}
		s.Ofctl("-O", "OpenFlow15", "del-flows", "br")
		if _, err := s.TryOfctl("-O", "OpenFlow15", "add-flow", "br", r.String()); err != nil {
			t.Errorf("the switch refuses our text of %s: %v", line, err)
			continue
		}
		golden += theirs + "\n"
		if ours := dumped(s, "OpenFlow15"); ours != theirs {
			t.Errorf("%s\n dumped as %s\n through our text %s", line, theirs, ours)
		}
		if have, err := flows.ParseRule(theirs, flows.ParseOptions{}); err == nil && !have.Equal(r) {
			t.Errorf("%s\n is in canonical form %s\n but the switch has       %s", line, flows.Canonical(r), flows.Canonical(have))
		}
	}
	if *update {
		if err := os.WriteFile("../../flows/testdata/switch.flows", []byte(golden), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParseRuleRefusesWhatTheSwitchRefuses(t *testing.T) {
	s := bridge(t)
	lines := catalogue(t)
	bad, changed := lines[refusedByBoth[0]], lines[refusedByUs[0]]
	for _, line := range bad {
		if _, err := s.TryOfctl("-O", "OpenFlow15", "add-flow", "br", line); err == nil {
			t.Errorf("the switch accepts %s as %s", line, dumped(s, "OpenFlow15"))
		}
	}
	for _, line := range append(bad, changed...) {
		if r, err := flows.ParseRule(line, flows.ParseOptions{Ports: ports}); err == nil {
			t.Errorf("ParseRule accepts %s as %s", line, r)
		}
	}
}

func TestParseRuleTakesAnotherActionWhereItHasNoType(t *testing.T) {
	s := bridge(t)
	for _, line := range catalogue(t)[takenOtherwise[0]] {
		s.AddFlows("br", line)
		r, err := flows.ParseRule(dumped(s, "OpenFlow15"), flows.ParseOptions{})
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		s.AddFlows("br", r.String())
		s.Ofctl("-O", "OpenFlow15", "del-flows", "br")
	}
}

// TestTheWireKeepsRules sends every rule of the catalogue through the bytes of
// OpenFlow and expects an equal rule.
func TestTheWireKeepsRules(t *testing.T) {
	for _, line := range catalogue(t)[0] {
		r, err := flows.ParseRule(line, flows.ParseOptions{Ports: ports})
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		back, err := ofp.DecodeFlowMod(ofp.AppendRule(nil, ofp.Add, r))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if !back.Rule.Equal(r) {
			t.Errorf("%s\n comes back as %s\n canonical is  %s", line, back.Rule, flows.Canonical(r))
		}
	}
}
