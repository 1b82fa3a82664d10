package hosts_test

import (
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// A controller stands still while an agent has told it something. The agent goes
// to another one, and what it said there must stay when the first one wakes.
func TestWhatCameByAnEarlierStreamHasNoSay(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"), port("p1", "n1", "hv1"))
	asleep, awake := c.serve(hosts.Config{}), c.serve(hosts.Config{HeartbeatInterval: time.Hour})
	old := asleep.raw(t, &pb.AgentMessage{Body: &pb.AgentMessage_Hello{Hello: rpc.EncodeHello(ptr(hello("hv1")))}})
	if m, err := old.Recv(); err != nil || m.GetWelcome() == nil {
		t.Fatalf("%v, %v", m, err)
	}
	h := c.join(session.Config{Hello: hello("hv1"), Dial: awake.dial})
	c.settled("hv1", h)
	h.Report(model.PortStatus{PortID: "p1", State: model.PortError, Revision: 2, Error: "MAC differs"})
	status := func() *model.PortStatus { return get(c, records.PortStatuses, "p1") }
	c.eventually("the status", func() bool { return status() != nil })
	for _, m := range []*pb.AgentMessage{
		{Body: &pb.AgentMessage_Heartbeat{Heartbeat: &pb.Heartbeat{Devices: 77}}},
		{Body: &pb.AgentMessage_Report{Report: &pb.Report{Sequence: 1, Statuses: []*pb.PortStatus{
			rpc.EncodeStatus(&model.PortStatus{PortID: "p1", State: model.PortActive, Revision: 1}),
		}}}},
	} {
		if err := old.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	for {
		if _, err := old.Recv(); err != nil {
			if r, ok := rpc.AsRefusal(err); !ok || r.Reason != pb.Refusal_REASON_REPLACED {
				t.Errorf("the earlier stream ended with %v", err)
			}
			break
		}
	}
	if got := status(); got.State != model.PortError || got.Revision != 2 {
		t.Errorf("the status is %+v", got)
	}
	if a := c.agent("hv1"); a.Devices == 77 || !a.LeftAt.IsZero() {
		t.Errorf("the agent is %+v", a)
	}
	if !h.Connected() {
		t.Error("the later stream ended too")
	}
}
