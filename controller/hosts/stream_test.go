package hosts_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

func TestAnAgentGetsASnapshotAndThenDifferences(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"), vxlan("n2"), subnet("s1", "n1"),
		port("p1", "n1", "hv1"), port("p2", "n1", "hv2"), port("p3", "n2", "hv2"))
	ctl := c.serve(hosts.Config{Settings: rpc.Settings{L2Population: true}})
	h := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.settled("hv1", h)
	first := h.told()[0]
	if !first.Full || !first.Settings.L2Population || len(first.Networks) != 1 || len(first.Ports) != 2 {
		t.Errorf("snapshot: full %t, %+v, networks %v, ports %v", first.Full, first.Settings, first.Networks, portIDs(first.Ports))
	}

	p4 := port("p4", "n1", "hv2")
	c.put(p4)
	c.eventually("the new port", func() bool { return h.knows().Ports["p4"] != nil })
	c.update(func(u *records.Update) { records.Ports.Delete(u, "p4") })
	c.eventually("the port's end", func() bool { return h.knows().Ports["p4"] == nil })
	c.put(port("p5", "n2", "hv2")) // none of hv1's business
	c.put(port("p6", "n1", "hv1"))
	c.eventually("the port after the foreign one", func() bool { return h.knows().Ports["p6"] != nil })
	last := first.Revision
	for _, u := range h.told() {
		if u.Full || u.Revision <= last || slices.Contains(portIDs(u.Ports), "p5") {
			t.Errorf("full %t, revision %d after %d, ports %v", u.Full, u.Revision, last, portIDs(u.Ports))
		}
		last = u.Revision
	}
	c.eventually("the acknowledgement", func() bool {
		states, err := ctl.server.Agents(t.Context())
		return err == nil && len(states) == 1 && states[0].Acked == last && states[0].Sent == last
	})
}

func TestALargeSnapshotComesInPartsAndWhole(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"))
	const ports = 4000
	c.update(func(u *records.Update) {
		for i := range ports {
			p := port(fmt.Sprint("port-", i), "n1", "hv1")
			p.Name = strings.Repeat("long name ", 20)
			records.Ports.Put(u, p)
		}
	})
	ctl := c.serve(hosts.Config{})
	h := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.eventually("the snapshot", func() bool { return len(h.knows().Ports) == ports })
	if told := h.told(); len(told[0].Ports) != ports {
		t.Errorf("the first update has %d ports, want all %d", len(told[0].Ports), ports)
	}
}

func TestTunnelEndsFollowTheNetworksOfTheHosts(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"), vxlan("n2"), port("p1", "n1", "hv1"), port("p3", "n2", "hv3"))
	ctl := c.serve(hosts.Config{})
	h1 := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	second := hello("hv2")
	second.TunnelIP = netip.MustParseAddr("2001:db8::2")
	h2 := c.join(session.Config{Hello: second, Dial: ctl.dial})
	h3 := c.join(session.Config{Hello: hello("hv3"), Dial: ctl.dial})
	for name, h := range map[string]*host{"hv1": h1, "hv2": h2, "hv3": h3} {
		c.settled(name, h)
	}
	c.put(port("p2", "n1", "hv2"))
	c.eventually("hv1's tunnel to hv2", func() bool {
		end := h1.knows().Endpoints["hv2"]
		return end != nil && end.IP == second.TunnelIP && slices.Equal(end.Types, []model.NetworkType{model.VXLAN})
	})
	c.eventually("hv2's tunnel to hv1", func() bool { return h2.knows().Endpoints["hv1"] != nil })
	if got := h3.knows().Endpoints; len(got) != 0 {
		t.Errorf("hv3 shares no network, and has tunnels to %v", got)
	}
	c.update(func(u *records.Update) { records.Ports.Delete(u, "p2") })
	c.eventually("the end of the tunnel", func() bool { return len(h1.knows().Endpoints) == 0 })
	c.settled("hv2", h2)
}

func TestStatusesAreStoredOnceAndForOwnPortsOnly(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"), port("p1", "n1", "hv1"), port("p2", "n1", "hv2"))
	ctl := c.serve(hosts.Config{HeartbeatInterval: time.Hour})
	h := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.settled("hv1", h)
	h.Report(
		model.PortStatus{PortID: "p1", State: model.PortActive, Revision: 1},
		model.PortStatus{PortID: "p2", State: model.PortActive, Revision: 1},
		model.PortStatus{PortID: "unknown", State: model.PortActive},
		model.PortStatus{PortID: "p1 is no id", State: model.PortActive},
		model.PortStatus{PortID: "p1b", State: "SIDEWAYS"},
	)
	status := func() *model.PortStatus { return get(c, records.PortStatuses, "p1") }
	c.eventually("the status", func() bool { return status() != nil })
	first := status()
	if first.Host != "hv1" || first.State != model.PortActive || first.Revision != 1 || first.Since.IsZero() {
		t.Errorf("status %+v", first)
	}

	written := c.statusWrites()
	h.Report(model.PortStatus{PortID: "p1", State: model.PortActive, Revision: 1})
	time.Sleep(50 * time.Millisecond)
	h.Report(model.PortStatus{PortID: "p1", State: model.PortActive, Revision: 2})
	c.eventually("the new revision", func() bool { return status().Revision == 2 })
	if n := written.Load(); n != 1 {
		t.Errorf("%d writes for one status that was known and one that was new", n)
	}
	if !status().Since.Equal(first.Since) {
		t.Error("the state has not changed, Since has")
	}
	h.Report(model.PortStatus{PortID: "p1", State: model.PortError, Revision: 2, Error: "MAC differs"})
	c.eventually("the error", func() bool { return status().Error == "MAC differs" })
	_ = c.db.ReadStale(func(r records.Reader) error {
		if n := records.PortStatuses.Len(r); n != 1 {
			t.Errorf("%d statuses stored, want 1", n)
		}
		return nil
	})
}

func TestStatusesOfObjectsAreStoredForThoseWhoHaveThem(t *testing.T) {
	c := newCloud(t)
	c.put(
		vxlan("n1"), port("p1", "n1", "hv2"), &model.Router{Meta: model.Meta{ID: "r1"}},
		&model.RouterBinding{RouterID: "r1", Hosts: []model.RouterHost{{Host: "hv1"}, {Host: "hv2"}}},
		&model.RouterBinding{RouterID: "r2", Hosts: []model.RouterHost{{Host: "hv2"}}},
		&model.FloatingIP{Meta: model.Meta{ID: "f1"}, RouterID: "r1"}, &model.FloatingIP{Meta: model.Meta{ID: "f2"}, RouterID: "r2"},
		&model.DHCPBinding{NetworkID: "n1", Hosts: []model.DHCPHost{{Host: "hv1"}}},
	)
	ctl := c.serve(hosts.Config{HeartbeatInterval: time.Hour})
	h := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	active := func(kind model.ObjectKind, id string) model.ObjectStatus {
		return model.ObjectStatus{Kind: kind, ID: id, State: model.ObjectActive, Revision: 3}
	}
	h.ReportObjects(
		active("router", "r1"), active("router", "r2"), active("router", "r9"), active("floatingip", "f1"), active("floatingip", "f2"),
		active("dhcp", "n1"), active("dhcp", "n2"), active("dhcp-port", "p1"), active("dhcp-port", "p9"), active("moon", "r1"),
	)
	stored := func() (keys []string) {
		_ = c.db.ReadStale(func(r records.Reader) error {
			for s := range records.ObjectStatuses.All(r) {
				keys = append(keys, s.Key()+" "+string(s.State)+s.Error)
			}
			return nil
		})
		return keys
	}
	become := func(want ...string) {
		t.Helper()
		c.eventually(fmt.Sprint(want), func() bool { return slices.Equal(stored(), want) })
	}
	become("dhcp-port:p1:hv1 ACTIVE", "dhcp:n1:hv1 ACTIVE", "floatingip:f1:hv1 ACTIVE", "router:r1:hv1 ACTIVE")

	since := get(c, records.ObjectStatuses, "router:r1:hv1").Since
	if since.IsZero() {
		t.Error("a status does not say since when")
	}
	h.ReportObjects(
		model.ObjectStatus{Kind: "dhcp", ID: "n1", State: model.ObjectError, Error: " no address"},
		model.ObjectStatus{Kind: "dhcp-port", ID: "p1", State: model.ObjectGone},
		model.ObjectStatus{Kind: "floatingip", ID: "f1", State: model.ObjectGone},
		model.ObjectStatus{Kind: "router", ID: "r1", State: model.ObjectStandby},
	)
	become("dhcp:n1:hv1 ERROR no address", "router:r1:hv1 STANDBY")
	c.put(&model.RouterBinding{RouterID: "r1"})
	h.ReportObjects(active("router", "r1")) // too late: the host has it no more
	become("dhcp:n1:hv1 ERROR no address")
}

func TestStatusesOfManyPortsShareTransactions(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"))
	const ports = 500
	var statuses []model.PortStatus
	c.update(func(u *records.Update) {
		for i := range ports {
			id := fmt.Sprint("port-", i)
			records.Ports.Put(u, port(id, "n1", "hv1"))
			statuses = append(statuses, model.PortStatus{PortID: id, State: model.PortActive, Revision: 1})
		}
	})
	ctl := c.serve(hosts.Config{HeartbeatInterval: time.Hour})
	h := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.settled("hv1", h)
	written := c.statusWrites()
	for _, s := range statuses {
		h.Report(s)
	}
	c.eventually("all statuses", func() bool {
		var n int
		_ = c.db.ReadStale(func(r records.Reader) error { n = records.PortStatuses.Len(r); return nil })
		return n == ports
	})
	if n := written.Load(); n > 20 {
		t.Errorf("%d transactions for %d statuses", n, ports)
	}
}

func TestStatusesSurviveAnOutageOfTheStore(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"), port("p1", "n1", "hv1"), port("p2", "n1", "hv1"))
	ctl := c.serve(hosts.Config{})
	h := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	c.settled("hv1", h)
	c.store.Fail(errors.New("no quorum"))
	h.Report(model.PortStatus{PortID: "p1", State: model.PortActive, Revision: 1})
	time.Sleep(100 * time.Millisecond)
	h.Report(model.PortStatus{PortID: "p2", State: model.PortActive, Revision: 1})
	if !h.Connected() {
		t.Error("the stream broke with the store")
	}
	c.store.Fail(nil)
	for _, id := range []string{"p1", "p2"} {
		c.eventually("status of "+id, func() bool { return get(c, records.PortStatuses, id) != nil })
	}
}

func TestReportsMadeWithoutControllerArriveLater(t *testing.T) {
	c := newCloud(t)
	c.put(vxlan("n1"), port("p1", "n1", "hv1"))
	ctl := c.serve(hosts.Config{})
	var now atomic.Pointer[controller]
	now.Store(ctl)
	h := c.join(session.Config{
		Hello: hello("hv1"),
		Dial:  func(ctx context.Context, a string) (net.Conn, error) { return now.Load().dial(ctx, a) },
	})
	c.settled("hv1", h)
	ctl.stop()
	c.eventually("the disconnection", func() bool { return !h.Connected() })
	h.Report(model.PortStatus{PortID: "p1", State: model.PortDown})
	h.Report(model.PortStatus{PortID: "p1", State: model.PortActive, Revision: 1})
	now.Store(c.serve(hosts.Config{}))
	c.eventually("the status", func() bool {
		s := get(c, records.PortStatuses, "p1")
		return s != nil && s.State == model.PortActive
	})
	c.settled("hv1", h)
}
