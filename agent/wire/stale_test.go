package wire_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
)

// A host that comes up without a controller wires from what it had stored, says
// so on its ports, and removes nothing that these records do not know.
func TestStoredRecordsWireAndRemoveNothingUnknown(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	other := network(2, model.Segment{Type: model.VXLAN, ID: 6000})
	newer := port(3, other, hostName)
	whole := u
	whole.Networks = append(slices.Clone(u.Networks), other)
	whole.Ports = append(slices.Clone(u.Ports), newer)
	h.commit(plugOps(here), plugOps(newer))
	h.cloud.updates <- whole
	h.settled(10)
	eventually(t, "ACTIVE", func() bool { return h.cloud.status(newer.ID).State == model.PortActive })
	want := h.switches["br-int"].text()
	vlans := h.storedVLANs()

	h.stop()
	h.start()
	stored := u // as of before the second network
	stored.Stored = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	h.cloud.updates <- stored
	mark := func(p *model.Port) string { return h.state().Interfaces[tap(p)].ExternalIDs[ovsdb.StaleKey] }
	eventually(t, "the port is marked", func() bool { return mark(here) == "2026-05-06T07:08:09Z" })
	eventually(t, "the bridge is marked", func() bool {
		return h.state().Bridges["br-int"].ExternalIDs[ovsdb.StaleKey] == "2026-05-06T07:08:09Z"
	})
	if got := mark(newer); got != "" {
		t.Errorf("a port that the stored records do not know is marked %q", got)
	}
	if got := h.switches["br-int"].text(); !slices.Equal(got, want) {
		t.Errorf("stored records changed br-int:\n%v\nwant\n%v", got, want)
	}
	if n := h.storedVLANs(); n != vlans {
		t.Errorf("%d local VLANs are stored, %d were", n, vlans)
	}

	// What the records know is followed: the port is unplugged.
	h.commit(ovsdb.DeletePort{Name: tap(here)})
	eventually(t, "an unplugged port's flows are gone", func() bool {
		return !contains(h.switches["br-int"].text(), "dl_dst="+here.MAC.String())
	})
	h.commit(plugOps(here))
	eventually(t, "a plugged port's flows are there", func() bool {
		return contains(h.switches["br-int"].text(), "dl_dst="+here.MAC.String())
	})

	fresh := u
	fresh.Revision = 11
	h.cloud.updates <- fresh
	h.settled(11)
	if contains(h.switches["br-int"].text(), "dl_dst="+newer.MAC.String()) {
		t.Error("a port that the controller no longer has keeps its flows")
	}
	eventually(t, "no mark", func() bool {
		return mark(here) == "" && h.state().Bridges["br-int"].ExternalIDs[ovsdb.StaleKey] == ""
	})
}

// A switch that lost everything gets it back from stored records, byte by byte.
func TestAnEmptySwitchIsFilledFromStoredRecords(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	h.commit(plugOps(here))
	h.cloud.updates <- u
	h.settled(10)
	eventually(t, "ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	want := map[string][]string{}
	for name, s := range h.switches {
		want[name] = s.text()
	}
	h.stop()
	for _, s := range h.switches {
		s.mu.Lock()
		clear(s.rules)
		s.mu.Unlock()
	}
	h.start()
	stored := u
	stored.Stored = time.Unix(1, 0)
	h.cloud.updates <- stored
	for name, s := range h.switches {
		eventually(t, name+" is as it was", func() bool { return slices.Equal(s.text(), want[name]) })
	}
	if _, inSync := h.cloud.revision(); !inSync {
		eventually(t, "the loop is done", func() bool { _, inSync := h.cloud.revision(); return inSync })
	}
	before := h.switches["br-int"].sent()
	h.cloud.updates <- rpc.Update{
		Full: true, Revision: 10, Settings: settings, Networks: u.Networks, Ports: u.Ports, Endpoints: u.Endpoints,
	}
	h.settled(10)
	if n := h.switches["br-int"].sent() - before; n != 0 {
		t.Errorf("the controller's equal records made %d flow changes", n)
	}
}
