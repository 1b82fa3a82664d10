package l3

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

func TestManyRoutersOnOneHost(t *testing.T) {
	// Sixty are enough to see that it does not grow with the square; the figures
	// are of LEPTON_ROUTERS=200.
	count := 60
	if n, err := strconv.Atoi(os.Getenv("LEPTON_ROUTERS")); err == nil && n > 0 && n < 240 {
		count = n
	}
	h := newHost(t)
	v := h.view
	v.network(vxID, 1450)
	v.network(extID, 1500)
	v.subnet(vxSubnet, vxID, "10.10.0.0/24", "10.10.0.1")
	v.subnet(extSubnet, extID, "203.0.113.0/24", "203.0.113.1")
	var ids []string
	for i := range count {
		id, in, out := uuid.NewString(), uuid.NewString(), uuid.NewString()
		ids = append(ids, id)
		v.port(in, id, vxID, ownerInterface, fmt.Sprintf("fa:16:3e:00:01:%02x", i), [2]string{vxSubnet, "10.10.0.1"})
		v.port(out, id, extID, ownerGateway, fmt.Sprintf("fa:16:3e:00:02:%02x", i), [2]string{extSubnet, fmt.Sprintf("203.0.113.%d", i+10)})
		v.Routers[id] = &model.Router{
			Meta: model.Meta{ID: id}, AdminStateUp: true,
			Gateway: &model.RouterGateway{NetworkID: extID, PortID: out, EnableSNAT: true},
		}
	}
	patience := func(what string, ready func() bool) time.Duration {
		t.Helper()
		began := time.Now()
		for ; time.Since(began) < time.Minute; time.Sleep(5 * time.Millisecond) {
			if ready() {
				return time.Since(began)
			}
		}
		t.Fatalf("%s: not after a minute; problems %.2000s", what, h.problem())
		return 0
	}
	acked := func() bool { h.con.mu.Lock(); defer h.con.mu.Unlock(); return h.con.acked == h.con.revision }

	h.start()
	h.begin()
	t.Logf("%d routers from nothing: %s", count, patience("all routers", acked))
	for _, id := range ids {
		if s := h.con.state(model.ObjectRouter, id); s != model.ObjectActive {
			t.Fatalf("router %s is %s; problems %s", id, s, h.problem())
		}
	}

	began := time.Now()
	h.con.revision++
	h.con.updates <- rpc.Update{Revision: h.con.revision, FloatingIPs: []*model.FloatingIP{
		v.floating(floatingID, ids[7], "203.0.113.250", "10.10.0.9", vxSubnet),
	}}
	patience("a floating address", func() bool { return h.con.state(model.ObjectFloatingIP, floatingID) == model.ObjectActive })
	took := time.Since(began)
	t.Logf("one floating address more: %s", took)
	if took > 2*time.Second {
		t.Errorf("one floating address took %s", took)
	}

	h.stop()
	written := h.db.writes
	h.start()
	h.begin()
	t.Logf("restart with nothing changed: %s", patience("all routers again", acked))
	if h.db.writes != written {
		t.Errorf("%d writes to the database", h.db.writes-written)
	}
}
