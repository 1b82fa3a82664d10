package session

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

func statusOf(port string, revision int64) model.PortStatus {
	return model.PortStatus{PortID: port, State: model.PortActive, Revision: revision}
}

// carried gives what a report carries, port → revision; nil when the message
// is none.
func carried(m *pb.AgentMessage) map[string]int64 {
	if m.GetReport() == nil {
		return nil
	}
	out := map[string]int64{}
	for _, s := range m.GetReport().GetStatuses() {
		out[s.GetPortId()] = s.GetRevision()
	}
	return out
}

func TestReportsOfOnePortAreCoalesced(t *testing.T) {
	o := newOutbox()
	o.report([]model.PortStatus{statusOf("a", 1), statusOf("b", 1), statusOf("a", 2)})
	o.report([]model.PortStatus{statusOf("a", 3)})
	if got := fmt.Sprint(carried(o.next())); got != "map[a:3 b:1]" {
		t.Errorf("report carries %s", got)
	}
	if m := o.next(); m != nil {
		t.Errorf("then came %v", m)
	}
}

func TestAReportIsKeptUntilItIsStored(t *testing.T) {
	o := newOutbox()
	o.report([]model.PortStatus{statusOf("a", 1), statusOf("b", 1)})
	first := o.next().GetReport().GetSequence()
	o.report([]model.PortStatus{statusOf("a", 2)})
	o.stored(first) // b is stored, and an a that is no longer true
	o.rewind()
	if got := fmt.Sprint(carried(o.next())); got != "map[a:2]" {
		t.Errorf("on the next stream the report carries %s", got)
	}
}

func TestReportsAreBounded(t *testing.T) {
	o := newOutbox()
	for i := range 2*rpc.MaxStatuses + 1 {
		o.report([]model.PortStatus{statusOf(fmt.Sprint("p", i), 1)})
	}
	var sizes []int
	for m := o.next(); m != nil; m = o.next() {
		sizes = append(sizes, len(carried(m)))
	}
	if fmt.Sprint(sizes) != fmt.Sprint([]int{rpc.MaxStatuses, rpc.MaxStatuses, 1}) {
		t.Errorf("reports of %v statuses", sizes)
	}
}

func TestARevisionIsAcknowledgedOnceAndOnItsStreamOnly(t *testing.T) {
	o := newOutbox()
	o.ack(5)
	o.ack(7)
	if got := o.next().GetAck().GetRevision(); got != 7 {
		t.Errorf("acknowledged %d", got)
	}
	o.rewind()
	if m := o.next(); m != nil {
		t.Errorf("on the next stream came %v", m)
	}
}

func TestAHeartbeatIsSentAgainOnlyWhenItChanges(t *testing.T) {
	o := newOutbox()
	p := []model.Problem{{Object: "bridge br-phys", Text: "missing"}}
	o.setProblems(p)
	o.setRejected([]model.Problem{{Object: "port p1", Text: "no MAC"}})
	o.setDevices(3, true)
	hb := o.heartbeat().GetHeartbeat()
	if len(hb.GetProblems()) != 2 || hb.GetDevices() != 3 || !hb.GetInSync() {
		t.Errorf("heartbeat %v", hb)
	}
	o.setProblems(p)
	o.setDevices(3, true)
	if o.changed() {
		t.Error("the same again counts as a change")
	}
	o.setDevices(3, false)
	if !o.changed() {
		t.Error("a change does not count")
	}
}

// TestTheLastReportOfEveryPortArrives lets streams break anywhere, with
// reports and acknowledgements under way.
func TestTheLastReportOfEveryPortArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOutbox()
		said, stored := map[string]int64{}, map[string]int64{}
		var revision int64
		var sent, acks []*pb.Report // on the present stream, not yet stored; stored, not yet acknowledged
		store := func() {
			for _, s := range sent[0].GetStatuses() {
				stored[s.GetPortId()] = s.GetRevision()
			}
			acks, sent = append(acks, sent[0]), sent[1:]
		}
		t.Repeat(map[string]func(*rapid.T){
			"report": func(t *rapid.T) {
				revision++
				id := fmt.Sprint("p", rapid.IntRange(0, 5).Draw(t, "port"))
				said[id] = revision
				o.report([]model.PortStatus{statusOf(id, revision)})
			},
			"send": func(*rapid.T) {
				if m := o.next(); m != nil {
					sent = append(sent, m.GetReport())
				}
			},
			"store": func(*rapid.T) {
				if len(sent) > 0 {
					store()
				}
			},
			"acknowledge": func(*rapid.T) {
				if len(acks) > 0 {
					o.stored(acks[0].GetSequence())
					acks = acks[1:]
				}
			},
			"break": func(*rapid.T) {
				sent, acks = nil, nil
				o.rewind()
			},
		})
		for m := o.next(); m != nil; m = o.next() {
			sent = append(sent, m.GetReport())
		}
		for len(sent) > 0 {
			store()
		}
		if fmt.Sprint(said) != fmt.Sprint(stored) {
			t.Fatalf("reported %v, stored %v", said, stored)
		}
		for _, a := range acks {
			o.stored(a.GetSequence())
		}
		if len(o.statuses) != 0 {
			t.Fatalf("%d statuses kept that are stored", len(o.statuses))
		}
	})
}
