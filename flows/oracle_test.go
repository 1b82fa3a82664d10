package flows

import (
	"strings"
	"testing"

	"github.com/digitalocean/go-openvswitch/ovs"
)

// TestAnotherParserReadsTheSame compares with go-openvswitch: a flow read and
// printed by it must have the same match and actions. It refuses most flows of
// the newer OpenFlow versions, but what it reads it has to read as we do.
func TestAnotherParserReadsTheSame(t *testing.T) {
	agreed := 0
	for _, file := range []string{"testdata/neutron.flows", "testdata/switch.flows"} {
		for _, line := range lines(t, file) {
			theirs, ok := throughOtherParser(line)
			if !ok {
				continue
			}
			ours := parsed(t, line)[0]
			back, err := ParseRule(theirs, ParseOptions{})
			if err != nil {
				t.Errorf("%s\n they print %s: %v", line, theirs, err)
				continue
			}
			if !ours.Match.Equal(back.Match) || !EqualActions(ours.Actions, back.Actions) {
				t.Errorf("%s\n is to them %s", line, theirs)
				continue
			}
			agreed++
		}
	}
	if agreed < 100 {
		t.Errorf("only %d flows could be compared", agreed)
	}
}

// throughOtherParser gives false for what go-openvswitch refuses and for what
// it loses: registers between other fields, and all behind the first bracket
// that closes in learn(...) and exec(...).
func throughOtherParser(line string) (string, bool) {
	var f ovs.Flow
	if strings.Contains(line, "learn(") || strings.Contains(line, "exec(") || f.UnmarshalText([]byte(line)) != nil {
		return "", false
	}
	text, err := f.MarshalText()
	if err != nil {
		return "", false
	}
	match, _, _ := strings.Cut(line, " actions=")
	fields := strings.Split(match[strings.LastIndex(match, " ")+1:], ",")
	for _, word := range fields {
		if !strings.Contains(string(text), word) {
			return "", false
		}
	}
	return string(text), true
}
