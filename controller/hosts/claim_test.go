package hosts_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

func TestAnAgentIsRecordedAndKeptUpToDate(t *testing.T) {
	c := newCloud(t)
	ctl := c.serve(hosts.Config{HeartbeatInterval: 50 * time.Millisecond})
	me := hello("hv1")
	h := c.join(session.Config{Hello: me, Dial: ctl.dial})
	c.eventually("the record", func() bool { return c.agent("hv1") != nil })
	rec := c.agent("hv1")
	if rec.Instance != me.Instance || rec.Version != "1.0" || rec.TunnelIP != me.TunnelIP || !rec.AdminStateUp ||
		rec.BridgeMappings["physnet1"] != "br-phys" || rec.CreatedAt.IsZero() || rec.StartedAt.IsZero() {
		t.Errorf("record %+v", rec)
	}
	c.eventually("a heartbeat", func() bool { return c.agent("hv1").HeartbeatAt.After(rec.HeartbeatAt) })

	since := time.Now().UTC().Truncate(time.Second)
	h.SetProblems([]model.Problem{{Object: "bridge br-phys", Text: "does not exist", Since: since}})
	h.SetDevices(7, true)
	c.eventually("problem and devices", func() bool {
		a := c.agent("hv1")
		return len(a.Problems) == 1 && a.Problems[0].Object == "bridge br-phys" && a.Problems[0].Since.Equal(since) &&
			a.Devices == 7 && a.InSync
	})
	h.SetProblems(nil)
	c.eventually("the problem's end", func() bool { return len(c.agent("hv1").Problems) == 0 })
}

func TestWhatTheAPIWroteOutlivesAReconnect(t *testing.T) {
	c := newCloud(t)
	ctl := c.serve(hosts.Config{})
	h := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.eventually("the connection", h.Connected)
	created := c.agent("hv1").CreatedAt
	h.stop()
	c.eventually("the leave", func() bool { return !c.agent("hv1").LeftAt.IsZero() })
	a := *c.agent("hv1")
	a.AdminStateUp, a.Description = false, "rack 7"
	a.RoleSettings = map[string]model.RoleSettings{"l3": {Description: "spare"}}
	c.put(&a)

	again := hello("hv1")
	again.Version = "1.1"
	c.join(session.Config{Hello: again, Dial: ctl.dial})
	c.eventually("the new version", func() bool { return c.agent("hv1").Version == "1.1" })
	if rec := c.agent("hv1"); rec.AdminStateUp || rec.Description != "rack 7" || rec.RoleSettings["l3"].Description != "spare" || !rec.CreatedAt.Equal(created) {
		t.Errorf("record %+v", rec)
	}
}

func TestAnAgentWhoseRecordIsDeletedComesBack(t *testing.T) {
	c := newCloud(t)
	ctl := c.serve(hosts.Config{HeartbeatInterval: 50 * time.Millisecond})
	c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.eventually("the record", func() bool { return c.agent("hv1") != nil })
	c.update(func(u *records.Update) { records.Agents.Delete(u, hosts.AgentID("hv1")) })
	c.eventually("the record's return", func() bool { return c.agent("hv1") != nil })
}

func TestASecondInstanceIsRefusedWhileTheFirstLives(t *testing.T) {
	c := newCloud(t)
	core, logged := observer.New(zap.WarnLevel)
	ctl := c.serve(hosts.Config{Log: zap.New(core), HeartbeatInterval: 50 * time.Millisecond})
	first := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.eventually("the first", first.Connected)

	other := hello("hv1")
	other.Instance = "impostor"
	agentCore, agentLogged := observer.New(zap.WarnLevel)
	second := c.join(session.Config{Hello: other, Dial: ctl.dial, Log: zap.New(agentCore)})
	c.eventually("the problem on the host", func() bool {
		for _, p := range c.agent("hv1").Problems {
			if p.Object == "agent instance impostor" && strings.Contains(p.Text, "which instance instance-hv1 holds") {
				return true
			}
		}
		return false
	})
	c.eventually("the agent's own log", func() bool {
		return agentLogged.FilterMessage("controller refuses this agent").FilterField(
			zap.Stringer("reason", pb.Refusal_REASON_HOST_TAKEN)).Len() > 0
	})
	if logged.FilterMessage("agent refused").Len() == 0 {
		t.Error("the controller logged no refusal")
	}
	beat := c.agent("hv1").HeartbeatAt
	c.eventually("a heartbeat of the first", func() bool { return c.agent("hv1").HeartbeatAt.After(beat) })
	if second.Connected() || !first.Connected() || c.agent("hv1").Instance != "instance-hv1" || len(c.agent("hv1").Problems) == 0 {
		t.Errorf("first %t, second %t, record %+v", first.Connected(), second.Connected(), c.agent("hv1"))
	}

	first.stop()
	c.eventually("the second, once the first has left", second.Connected)
	if c.agent("hv1").Instance != "impostor" {
		t.Errorf("record %+v", c.agent("hv1"))
	}
}

func TestACopyOfARunningAgentIsRefusedUntilThatHasGone(t *testing.T) {
	c := newCloud(t)
	ctl := c.serve(hosts.Config{})
	original, copied := hello("hv1"), hello("hv1")
	original.StartedAt, copied.StartedAt = time.Unix(1000, 0), time.Unix(2000, 0)
	first := c.join(session.Config{Hello: original, Dial: ctl.dial})
	c.eventually("the first", first.Connected)
	core, logged := observer.New(zap.WarnLevel)
	second := c.join(session.Config{Hello: copied, Dial: ctl.dial, Log: zap.New(core)})
	c.eventually("the problem on the host", func() bool {
		p := c.agent("hv1").Problems
		return len(p) == 1 && p[0].Object == "agent instance instance-hv1" && strings.Contains(p[0].Text, "which its copy at ")
	})
	c.eventually("the copy's own log", func() bool { return logged.FilterMessage("controller refuses this agent").Len() > 0 })
	if second.Connected() || !first.Connected() || !c.agent("hv1").StartedAt.Equal(original.StartedAt) {
		t.Errorf("first %t, second %t, record %+v", first.Connected(), second.Connected(), c.agent("hv1"))
	}
	first.stop()
	c.eventually("the second, once the first has gone", second.Connected)
}

func TestASilentInstanceLosesItsHost(t *testing.T) {
	c := newCloud(t)
	old := hello("hv1")
	old.ID, old.HeartbeatAt = hosts.AgentID("hv1"), time.Now().Add(-time.Minute)
	c.put(&old)
	ctl := c.serve(hosts.Config{AgentDownTime: time.Minute})
	next := hello("hv1")
	next.Instance = "reinstalled"
	h := c.join(session.Config{Hello: next, Dial: ctl.dial})
	c.eventually("the new instance", h.Connected)
}

func TestTheSameInstanceReplacesItsStream(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"), port("p1", "n1", "hv1"))
	ctl := c.serve(hosts.Config{})
	old := ctl.raw(t, &pb.AgentMessage{Body: &pb.AgentMessage_Hello{Hello: rpc.EncodeHello(ptr(hello("hv1")))}})
	if m, err := old.Recv(); err != nil || m.GetWelcome() == nil {
		t.Fatalf("%v, %v", m, err)
	}
	h := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.settled("hv1", h)
	for {
		_, err := old.Recv()
		if err == nil {
			continue
		}
		if r, ok := rpc.AsRefusal(err); !ok || r.Reason != pb.Refusal_REASON_REPLACED || r.Host != "hv1" {
			t.Errorf("the old stream ended with %v", err)
		}
		break
	}
	if !h.Connected() {
		t.Error("the new stream ended too")
	}
}

func TestMalformedBeginningsAreRefused(t *testing.T) {
	introduce := func(change func(*pb.Hello)) *pb.AgentMessage {
		m := rpc.EncodeHello(ptr(hello("hv1")))
		change(m)
		return &pb.AgentMessage{Body: &pb.AgentMessage_Hello{Hello: m}}
	}
	tests := []struct {
		name   string
		first  *pb.AgentMessage
		reason pb.Refusal_Reason
		text   string
	}{
		{"a report first", &pb.AgentMessage{Body: &pb.AgentMessage_Report{Report: &pb.Report{}}}, pb.Refusal_REASON_MALFORMED, "introduction"},
		{"nothing at all", &pb.AgentMessage{}, pb.Refusal_REASON_MALFORMED, "introduction"},
		{"another protocol", introduce(func(h *pb.Hello) { h.Protocol = 99 }), pb.Refusal_REASON_PROTOCOL, "99"},
		{"no host", introduce(func(h *pb.Hello) { h.Host = "" }), pb.Refusal_REASON_MALFORMED, "host"},
		{"a host that is a path", introduce(func(h *pb.Hello) { h.Host = "../etc" }), pb.Refusal_REASON_MALFORMED, "host"},
		{"no instance", introduce(func(h *pb.Hello) { h.Instance = "" }), pb.Refusal_REASON_MALFORMED, "instance"},
		{"a tunnel address of 3 bytes", introduce(func(h *pb.Hello) { h.TunnelIp = []byte{1, 2, 3} }), pb.Refusal_REASON_MALFORMED, "tunnel_ip"},
		{"an unknown tunnel type", introduce(func(h *pb.Hello) { h.TunnelTypes = []string{"stt"} }), pb.Refusal_REASON_MALFORMED, "tunnel_types"},
		{"a port beyond 65535", introduce(func(h *pb.Hello) { h.VxlanPort = 70000 }), pb.Refusal_REASON_MALFORMED, "vxlan_port"},
	}
	c := newCloud(t)
	ctl := c.serve(hosts.Config{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ctl.raw(t, tt.first).Recv()
			r, ok := rpc.AsRefusal(err)
			if !ok || r.Reason != tt.reason || !strings.Contains(r.Text, tt.text) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestASecondIntroductionEndsTheStream(t *testing.T) {
	ctl := newCloud(t).serve(hosts.Config{})
	m := &pb.AgentMessage{Body: &pb.AgentMessage_Hello{Hello: rpc.EncodeHello(ptr(hello("hv1")))}}
	st := ctl.raw(t, m)
	if err := st.Send(m); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := st.Recv(); err != nil {
			if r, ok := rpc.AsRefusal(err); !ok || r.Reason != pb.Refusal_REASON_MALFORMED {
				t.Errorf("ended with %v", err)
			}
			return
		}
	}
}

func TestMoreAgentsThanAllowedAreTurnedAway(t *testing.T) {
	c := newCloud(t)
	ctl := c.serve(hosts.Config{MaxAgents: 1})
	first := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.eventually("the first", first.Connected)
	_, err := ctl.raw(t, &pb.AgentMessage{Body: &pb.AgentMessage_Hello{Hello: rpc.EncodeHello(ptr(hello("hv2")))}}).Recv()
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("ended with %v", err)
	}
}

func TestAnAgentThatTakesNothingIsCut(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"))
	c.update(func(u *records.Update) {
		for i := range 5000 {
			p := port("port-"+strings.Repeat("x", 20)+time.Unix(int64(i), 0).UTC().Format("150405"), "n1", "hv1")
			p.Name = strings.Repeat("name", 50)
			records.Ports.Put(u, p)
		}
	})
	core, logged := observer.New(zap.InfoLevel)
	ctl := c.serve(hosts.Config{SendTimeout: 200 * time.Millisecond, Log: zap.New(core)})
	st := ctl.raw(t, &pb.AgentMessage{Body: &pb.AgentMessage_Hello{Hello: rpc.EncodeHello(ptr(hello("hv1")))}})
	well := c.join(session.Config{Hello: hello("hv2"), Dial: ctl.dial})
	c.eventually("the cut", func() bool { return logged.FilterMessage("agent disconnected").Len() > 0 })
	c.put(port("p1", "n1", "hv2"))
	c.settled("hv2", well)
	var err error
	for err == nil {
		_, err = st.Recv()
	}
	if r, ok := rpc.AsRefusal(err); !ok || r.Reason != pb.Refusal_REASON_STUCK {
		t.Errorf("ended with %v", err)
	}
}

// raw opens a stream by hand and sends its first message.
func (ctl *controller) raw(t *testing.T, first *pb.AgentMessage) grpc.BidiStreamingClient[pb.AgentMessage, pb.ControllerMessage] {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///127.0.0.1:1", grpc.WithContextDialer(ctl.dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(func() {
		cancel()
		conn.Close()
	})
	st, err := pb.NewHostsClient(conn).Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// EOF: the stream was refused before that; Recv says why.
	if err := st.Send(first); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return st
}

func ptr[T any](v T) *T { return &v }
