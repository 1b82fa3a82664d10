package wire_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lepton-sdn/lepton/agent/wire"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// servedPort starts a host with a port on a network that another host's DHCP
// server serves, and gives the switch, the port and what the controller says.
func servedPort(t *testing.T, log wire.PacketLog, meterless bool) (*host, *tableSwitch, *model.Port, rpc.Update) {
	t.Helper()
	h := newHost(t)
	h.stop()
	h.packets = log
	s := h.switches["br-int"]
	s.mu.Lock()
	s.meterless = meterless
	s.mu.Unlock()
	h.start()
	u, here, there := oneNetwork()
	there.DeviceOwner, there.PortSecurityEnabled = "network:dhcp", false
	h.commit(plugOps(here))
	h.cloud.updates <- u
	h.settled(10)
	eventually(t, "the port is ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	return h, s, here, u
}

func TestQuestionsForDHCPServersHaveTheMeterOfTheirPort(t *testing.T) {
	for _, log := range []wire.PacketLog{nil, metered{}} {
		h, s, here, u := servedPort(t, log, false)
		id := pipeline.FirstAskMeter + uint32(h.state().Interfaces[tap(here)].OFPort)
		s.mu.Lock()
		meters := slices.Clone(s.meters)
		s.mu.Unlock()
		if !slices.Contains(meters, ofp.Meter{ID: id, Rate: 20, Burst: 40}) || !contains(s.text(), "table=60", fmt.Sprintf("meter:%d,", id)) {
			t.Fatalf("the port has no meter %d: %v\n%v", id, meters, s.text())
		}
		sent := s.sent()
		h.stop()
		h.start()
		h.cloud.updates <- u
		h.settled(10)
		if n := s.sent() - sent; n > 0 {
			t.Errorf("a restart changes %d flows and meters", n)
		}
	}
}

func TestOnASwitchWithoutMetersDHCPServersAreAskedWithoutLimit(t *testing.T) {
	h, s, here, _ := servedPort(t, metered{}, true)
	if contains(s.text(), "meter:") {
		t.Errorf("there are flows with meters: %v", s.text())
	}
	if got := h.cloud.problemTexts(); got != "" {
		t.Errorf("the problems are %q", got)
	}
	// The switch is upgraded.
	s.mu.Lock()
	s.meterless = false
	s.mu.Unlock()
	s.breakConnections()
	eventually(t, "the flow is there", func() bool { return contains(s.text(), "table=60", "meter:") })
	if got := h.cloud.status(here.ID).State; got != model.PortActive {
		t.Errorf("the port is %s", got)
	}
}
