package controller

import (
	"context"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store/mem"
)

// failedPort stores a VLAN network and a port of it whose binding has failed.
func failedPort(t *testing.T, db *records.DB) *model.Port {
	t.Helper()
	n := &model.Network{
		Meta: model.Meta{ID: "11111111-0000-4000-8000-000000000000"}, AdminStateUp: true,
		Segment: model.Segment{Type: model.VLAN, PhysicalNetwork: "physnet1", ID: 100},
	}
	p := &model.Port{
		Meta: model.Meta{ID: "22222222-0000-4000-8000-000000000000"}, NetworkID: n.ID, AdminStateUp: true,
		Host: "hv1", VNICType: "normal", VIFType: plugin.VIFBindingFailed,
	}
	put(t, db, func(u *records.Update) {
		records.Networks.Put(u, n)
		records.Ports.Put(u, p)
	})
	return p
}

func put(t *testing.T, db *records.DB, f func(*records.Update)) {
	t.Helper()
	_, err := db.Update(t.Context(), func(u *records.Update) error { f(u); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

func agentOf(mappings map[string]string, beat time.Time) *model.Agent {
	return &model.Agent{
		ID: "33333333-0000-4000-8000-000000000000", Host: "hv1", Roles: []string{"l2"}, AdminStateUp: true,
		BridgeMappings: mappings, IntegrationBridge: "br-int", HeartbeatAt: beat,
	}
}

func vifType(t *testing.T, db *records.DB, id string) string {
	t.Helper()
	var got string
	err := db.Read(t.Context(), func(r records.Reader) error {
		p, ok := records.Ports.Get(r, id)
		if ok {
			got = p.VIFType
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAPortIsBoundWhenItsHostLearnsToReachTheNetwork(t *testing.T) {
	st := mem.New()
	defer st.Close()
	db, err := records.Open(t.Context(), st, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rules, err := plugin.New(plugin.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	p := failedPort(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	r := newRebinder(db, rules, 75*time.Second, zap.NewNop())
	go func() { done <- r.run(ctx) }()

	now := time.Now().UTC()
	put(t, db, func(u *records.Update) { records.Agents.Put(u, agentOf(nil, now)) })
	time.Sleep(50 * time.Millisecond)
	if got := vifType(t, db, p.ID); got != plugin.VIFBindingFailed {
		t.Fatalf("the host has no bridge for physnet1, but the port is bound as %q", got)
	}
	put(t, db, func(u *records.Update) {
		records.Agents.Put(u, agentOf(map[string]string{"physnet1": "br-phys"}, now))
	})
	deadline := time.Now().Add(10 * time.Second)
	for vifType(t, db, p.ID) != "ovs" {
		if time.Now().After(deadline) {
			t.Fatalf("10 s after the host got a bridge for physnet1 the port is %q", vifType(t, db, p.ID))
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAHeartbeatAloneBindsNothing(t *testing.T) {
	r := &rebinder{downTime: 75 * time.Second}
	now := time.Now()
	before, after := agentOf(nil, now), agentOf(nil, now.Add(30*time.Second))
	if r.canMore(before, after) {
		t.Error("an agent that was alive all the time counts as one that can do more")
	}
	if !r.canMore(before, agentOf(nil, now.Add(10*time.Minute))) {
		t.Error("an agent that comes back after ten minutes does not count")
	}
}
