package switches_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

// Of the changes of one flow that are made while the switch is busy only the
// last is sent: when that is a deletion, the flow that the switch has may be of
// another object than the one that is deleted.
func TestADeletionTakesTheFlowOfAnyObjectOfOurs(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s := ovstest.Start(t)
	s.AddBridge("br0")
	s.AddFlows("br0", "cookie=0x1e06aaaaaaaaaaaa,table=5,priority=7,in_port=54,actions=drop\n"+
		"cookie=0xf00,table=6,priority=7,in_port=54,actions=drop\n")
	sw := reach(ctx, t, s)
	rule := func(table uint8) flows.Rule {
		return flows.Rule{
			Table: table, Priority: 7, Cookie: 0x1e06bbbbbbbbbbbb,
			Match: flows.MustMatch(flows.ExactU(flows.InPort, 54)),
		}
	}
	if err := sw.Apply(ctx, nil, []flows.Rule{rule(5), rule(6)}); err != nil {
		t.Fatal(err)
	}
	left := s.Ofctl("dump-flows", "--no-stats", "br0")
	if strings.Contains(left, "table=5") {
		t.Errorf("a flow of ours is still there:\n%s", left)
	}
	if !strings.Contains(left, "table=6") {
		t.Errorf("a foreign flow is gone:\n%s", left)
	}
}
