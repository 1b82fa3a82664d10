package wire_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
)

// meddle changes a switch's flows as somebody else, and tells of it or not.
func (s *tableSwitch) meddle(t *testing.T, tell bool, change func(rules map[flows.Key]flows.Rule) ofp.FlowUpdates) {
	t.Helper()
	s.mu.Lock()
	updates := change(s.rules)
	s.mu.Unlock()
	if tell {
		select {
		case s.events <- updates:
		case <-time.After(10 * time.Second):
			t.Fatal("nobody listens to the switch")
		}
	}
}

// mess deletes one of our flows, changes another, adds one with our mark, and
// one that is foreign.
func mess(rules map[flows.Key]flows.Rule) (told ofp.FlowUpdates) {
	var keys []flows.Key
	for k, r := range rules {
		if len(r.Actions) > 0 { // does something, so that it can be made to do nothing
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b flows.Key) int { return rules[a].Compare(rules[b]) })
	gone := rules[keys[0]]
	delete(rules, keys[0])
	changed := rules[keys[1]]
	changed.Actions = nil
	rules[keys[1]] = changed
	ours, foreign := gone, gone
	ours.Priority, foreign.Priority, foreign.Cookie = 7777, 8888, 0xf00
	rules[ours.Key()], rules[foreign.Key()] = ours, foreign
	return ofp.FlowUpdates{
		{Event: ofp.FlowDeleted, Rule: gone},
		{Event: ofp.FlowModified, Rule: changed},
		{Event: ofp.FlowAdded, Rule: ours},
		{Event: ofp.FlowAdded, Rule: foreign},
	}
}

func (h *host) auditNow() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.audit.Now(ctx); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) findings() (texts []string) {
	list, _ := h.audit.Findings()
	for _, f := range list {
		texts = append(texts, f.Kind+" "+f.Place+" "+f.Text)
	}
	return texts
}

func TestFlowsThatOthersChangeArePutRightAndTold(t *testing.T) {
	for _, tc := range []struct {
		name string
		tell bool
		mode audit.Mode
	}{
		{"the switch tells", true, audit.Repair},
		{"an audit finds it", false, audit.Repair},
		{"the switch tells, and nothing is repaired", true, audit.Watch},
		{"an audit finds it, and nothing is repaired", false, audit.Watch},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHost(t)
			h.stop()
			h.mode = tc.mode
			h.start()
			u, here, _ := oneNetwork()
			h.commit(plugOps(here))
			h.cloud.updates <- u
			h.settled(10)
			eventually(t, "ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
			s := h.switches["br-int"]
			want := s.text()
			if got := h.findings(); len(got) > 0 {
				t.Fatalf("found before anything was changed: %v", got)
			}
			s.meddle(t, tc.tell, mess)
			changed := s.text()
			if !tc.tell {
				h.auditNow()
			}
			ours := func() (list []string) {
				for _, line := range s.text() {
					if !strings.Contains(line, "cookie=0xf00") {
						list = append(list, line)
					}
				}
				return list
			}
			if tc.mode == audit.Repair {
				eventually(t, "the flows are as they were", func() bool { return slices.Equal(ours(), want) })
			}
			eventually(t, "three findings", func() bool { return len(h.findings()) == 3 })
			h.auditNow()
			h.auditNow()
			if got := h.findings(); len(got) != 3 || !contains(got, "flow br-int missing or changed") || !contains(got, "flow br-int not ours") {
				t.Errorf("findings:\n%s", strings.Join(got, "\n"))
			}
			if tc.mode == audit.Watch && !slices.Equal(s.text(), changed) {
				t.Error("flows were changed although they are only watched")
			}
			if !contains(s.text(), "cookie=0xf00") {
				t.Error("a foreign flow is gone")
			}
			// What the records say is followed in either mode.
			h.cloud.updates <- rpc.Update{Revision: 11, Settings: settings, Deleted: rpc.Refs{Ports: []string{here.ID}}}
			eventually(t, "the deleted port's flows are gone", func() bool { return !contains(s.text(), "dl_dst="+here.MAC.String()) })
		})
	}
}

func TestAFightForFlowsSlowsDown(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	h.commit(plugOps(here))
	h.cloud.updates <- u
	h.settled(10)
	s := h.switches["br-int"]
	before := s.sent()
	end := time.Now().Add(1500 * time.Millisecond)
	rounds := 0
	for ; time.Now().Before(end); rounds++ {
		s.meddle(t, true, func(rules map[flows.Key]flows.Rule) (told ofp.FlowUpdates) {
			for k, r := range rules {
				delete(rules, k)
				return ofp.FlowUpdates{{Event: ofp.FlowDeleted, Rule: r}}
			}
			return ofp.FlowUpdates{{Event: ofp.MonitorResumed}}
		})
		time.Sleep(time.Millisecond)
	}
	list, _ := h.audit.Findings()
	if mods := s.sent() - before; mods == 0 || len(list) == 0 {
		t.Errorf("%d flow changes, %d findings in %d rounds", mods, len(list), rounds)
	}
	s.mu.Lock()
	jobs := s.jobs
	s.mu.Unlock()
	if jobs > 30 {
		t.Errorf("%d bundles against %d changes of somebody else", jobs, rounds)
	}
}

func TestInModeHoldNothingIsWritten(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	h.cloud.updates <- u
	h.settled(10)
	h.stop()
	h.mode = audit.Hold
	h.start()
	h.commit(plugOps(here))
	want := h.switches["br-int"].text()
	sent := h.switches["br-int"].sent()
	h.cloud.updates <- u
	eventually(t, "it is told what would be written", func() bool {
		got := h.findings()
		return contains(got, "held back: set Port "+tap(here)+" tag=1") && contains(got, "flow br-int missing or changed", here.MAC.String())
	})
	h.auditNow()
	if got := h.switches["br-int"].text(); !slices.Equal(got, want) || h.switches["br-int"].sent() != sent {
		t.Error("flows were written in mode hold")
	}
	if tag := h.portTag(tap(here)); tag != 0 {
		t.Errorf("tag %d was written in mode hold", tag)
	}
	if _, inSync := h.cloud.revision(); inSync {
		t.Error("the host calls itself in sync")
	}
}

func TestWhatOthersChangeInTheDatabaseIsTold(t *testing.T) {
	for _, mode := range []audit.Mode{audit.Repair, audit.Watch} {
		t.Run(string(mode), func(t *testing.T) {
			h := newHost(t)
			h.stop()
			h.mode = mode
			h.start()
			u, here, _ := oneNetwork()
			h.commit(plugOps(here))
			h.cloud.updates <- u
			h.settled(10)
			eventually(t, "tag 1", func() bool { return h.portTag(tap(here)) == 1 })
			time.Sleep(50 * time.Millisecond) // the loop sees its own change
			if got := h.findings(); len(got) > 0 {
				t.Fatalf("found before anything was changed: %v", got)
			}
			h.commit(ovsdb.SetPortTag{Port: tap(here), Tag: 77}, ovsdb.EnsureBridge{Name: "br-int", FailMode: "standalone"})
			eventually(t, "both are told", func() bool {
				got := h.findings()
				return contains(got, "port br-int port "+tap(here)+" has tag 77 instead of 1") && contains(got, "database  lacks: --may-exist add-br br-int", "fail_mode=secure")
			})
			if mode == audit.Watch {
				time.Sleep(100 * time.Millisecond)
			}
			repaired := func() bool { return h.portTag(tap(here)) == 1 && h.state().Bridges["br-int"].FailMode == "secure" }
			if mode == audit.Repair {
				eventually(t, "both are as they were", repaired)
			} else if h.portTag(tap(here)) != 77 || h.state().Bridges["br-int"].FailMode != "standalone" {
				t.Error("something was repaired although it is only watched")
			}
		})
	}
}
