package wire_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

// metered is a packet log that has nothing but meters.
type metered struct{}

func (metered) SetLogs(map[string]*model.Log) {}
func (metered) Take(ofp.PacketIn)             {}
func (metered) Meters() []ofp.Meter {
	return []ofp.Meter{{ID: pipeline.LogMeter, Rate: 1000, Burst: 250}, {ID: pipeline.HeadersMeter, Rate: 1000, Burst: 250}}
}

// deleteMeters does what an operator does with `ovs-ofctl del-meters`: the flows
// that use them stay, and nothing limits them.
func (s *tableSwitch) deleteMeters() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meters, s.unlimited = nil, map[flows.Key]bool{}
	for k, r := range s.rules {
		if slices.ContainsFunc(r.Actions, func(a flows.Action) bool { c, ok := a.(flows.Controller); return ok && c.MeterID > 0 }) {
			s.unlimited[k] = true
		}
	}
}

// limits reports whether there are meters, and they limit every flow that uses
// them.
func (s *tableSwitch) limits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.meters) == len(metered{}.Meters()) && len(s.unlimited) == 0
}

// loggedPort starts a host with a port and a log of it, and gives both.
func loggedPort(t *testing.T, meterless bool) (*host, *tableSwitch, *model.Port) {
	t.Helper()
	h := newHost(t)
	h.stop()
	h.packets = metered{}
	s := h.switches["br-int"]
	s.mu.Lock()
	s.meterless = meterless
	s.mu.Unlock()
	h.start()
	u, one, _ := oneNetwork()
	u.Logs = []*model.Log{{Meta: model.Meta{ID: "10600000-0001-4000-8000-000000000000"}, Enabled: true, Event: model.LogDrop}}
	h.commit(plugOps(one))
	h.cloud.updates <- u
	h.settled(10)
	eventually(t, "the port is ACTIVE", func() bool { return h.cloud.status(one.ID).State == model.PortActive })
	return h, s, one
}

func TestMetersThatSomebodyDeletesComeBackWithTheirFlows(t *testing.T) {
	h, s, _ := loggedPort(t, false)
	whole := s.text()
	if !contains(whole, "meter_id=30") {
		t.Fatalf("no flow of a log:\n%s", strings.Join(whole, "\n"))
	}
	s.deleteMeters()
	if s.limits() {
		t.Fatal("the meters are there")
	}
	eventually(t, "the flows are limited", s.limits)
	if got := s.text(); !slices.Equal(got, whole) {
		t.Errorf("the flows are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(whole, "\n"))
	}
	h.settled(10)
	sent := s.sent()
	h.stop()
	h.start()
	u, _, _ := oneNetwork()
	u.Logs = []*model.Log{{Meta: model.Meta{ID: "10600000-0001-4000-8000-000000000000"}, Enabled: true, Event: model.LogDrop}}
	h.cloud.updates <- u
	h.settled(10)
	if n := s.sent() - sent; n > 0 {
		t.Errorf("a restart changes %d flows and meters", n)
	}
}

// TestASwitchWithoutMetersHasNoLogsAndSaysSo: the port works, and whoever asked
// for the log reads why there is none.
func TestASwitchWithoutMetersHasNoLogsAndSaysSo(t *testing.T) {
	h, s, one := loggedPort(t, true)
	if contains(s.text(), "meter_id=") {
		t.Error("there are flows with meters")
	}
	if got := h.cloud.problemTexts(); !strings.Contains(got, "log 10600000-0001-4000-8000-000000000000: is not written here: br-int") || !strings.Contains(got, "OFPMMFC_OUT_OF_METERS") {
		t.Errorf("the problems are %q", got)
	}
	// The switch is upgraded.
	s.mu.Lock()
	s.meterless = false
	s.mu.Unlock()
	s.breakConnections()
	eventually(t, "the log is there", func() bool { return contains(s.text(), "meter_id=30") && h.cloud.problemTexts() == "" })
	if got := h.cloud.status(one.ID).State; got != model.PortActive {
		t.Errorf("the port is %s", got)
	}
}

// Who lifts the limit of a guest's questions by hand is found by an audit.
func TestAMeterOfQuestionsThatOthersChangeIsFound(t *testing.T) {
	for _, mode := range []audit.Mode{audit.Repair, audit.Watch} {
		t.Run(string(mode), func(t *testing.T) {
			h := newHost(t)
			h.stop()
			h.mode, h.responder = mode, &butler{ports: map[string]bool{}}
			h.start()
			u, here, _ := oneNetwork()
			u.Subnets = []*model.Subnet{{Meta: model.Meta{ID: "50000000-0000-4000-8000-000000000000"}, NetworkID: here.NetworkID, EnableDHCP: true}}
			h.commit(plugOps(here))
			h.cloud.updates <- u
			eventually(t, "ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
			s := h.switches["br-int"]
			lift := func(rate uint32) {
				s.mu.Lock()
				defer s.mu.Unlock()
				for i := range s.meters {
					s.meters[i].Rate = rate
				}
			}
			rates := func() (list []uint32) {
				s.mu.Lock()
				defer s.mu.Unlock()
				for _, m := range s.meters {
					list = append(list, m.Rate)
				}
				return list
			}
			h.auditNow()
			if got := h.findings(); len(got) > 0 || !slices.Equal(rates(), []uint32{20}) {
				t.Fatalf("before anybody changed it: %v, rates %v", got, rates())
			}
			lift(100000)
			h.auditNow()
			h.auditNow()
			if got := h.findings(); len(got) != 1 || !strings.Contains(got[0], "meter br-int") || !strings.Contains(got[0], "lets 100000 packets a second pass") {
				t.Errorf("found %q", got)
			}
			if mode == audit.Watch {
				if !slices.Equal(rates(), []uint32{100000}) {
					t.Errorf("rates %v although it is only watched", rates())
				}
				return
			}
			eventually(t, "the limit is back", func() bool { return slices.Equal(rates(), []uint32{20}) })
			lift(7)
			h.auditNow()
			eventually(t, "it is found and put right again", func() bool { return slices.Equal(rates(), []uint32{20}) && len(h.findings()) == 2 })
		})
	}
}
