package wire_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
)

var settings = rpc.Settings{L2Population: true}

// oneNetwork is a snapshot with a VXLAN network, a port here and one elsewhere.
func oneNetwork() (rpc.Update, *model.Port, *model.Port) {
	n := network(1, model.Segment{Type: model.VXLAN, ID: 5000})
	here, there := port(1, n, hostName), port(2, n, peerName)
	return rpc.Update{
		Full: true, Revision: 10, Settings: settings,
		Networks: []*model.Network{n}, Ports: []*model.Port{here, there}, Endpoints: []*model.Endpoint{peer()},
	}, here, there
}

func contains(lines []string, parts ...string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				return false
			}
		}
		return true
	})
}

func TestAPortGoesFromDownToActiveAndBack(t *testing.T) {
	h := newHost(t)
	u, here, there := oneNetwork()
	h.cloud.updates <- u
	h.settled(10)
	if got := h.cloud.status(here.ID); got.State != model.PortDown {
		t.Fatalf("before it is plugged the port is %+v", got)
	}
	if contains(h.switches["br-int"].text(), "dl_dst="+here.MAC.String()) {
		t.Fatal("a port that is not plugged has flows")
	}

	h.commit(plugOps(here))
	eventually(t, "ACTIVE after plugging", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	if !contains(h.switches["br-int"].text(), "dl_dst="+here.MAC.String()) {
		t.Error("br-int has no delivery flow although the port is ACTIVE")
	}
	eventually(t, "the tunnel carries the remote address", func() bool {
		return contains(h.switches["br-tun"].text(), "table=20", "dl_dst="+there.MAC.String())
	})

	h.commit(ovsdb.DeletePort{Name: tap(here)})
	eventually(t, "DOWN after unplugging", func() bool { return h.cloud.status(here.ID).State == model.PortDown })
	if contains(h.switches["br-int"].text(), "dl_dst="+here.MAC.String()) {
		t.Error("the flows of an unplugged port stayed")
	}
}

func TestTheTagOfAPortIsItsLocalVLANAndIsRepaired(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	h.commit(plugOps(here))
	h.cloud.updates <- u
	tagged := func() bool { return h.portTag(tap(here)) == 1 }
	eventually(t, "tag 1", tagged)
	h.commit(ovsdb.SetPortTag{Port: tap(here), Tag: 77})
	eventually(t, "tag 1 again after somebody changed it", tagged)
}

func TestARestartOnAnUnchangedHostSendsNothing(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	h.commit(plugOps(here))
	h.cloud.updates <- u
	h.settled(10)
	eventually(t, "ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	before := map[string]int{}
	for name, s := range h.switches {
		before[name] = s.sent()
	}
	h.stop()
	h.start()
	h.cloud.updates <- u
	h.settled(10)
	for name, s := range h.switches {
		if n := s.sent() - before[name]; n != 0 {
			t.Errorf("%s got %d flow changes after the restart", name, n)
		}
	}
	if got := h.cloud.status(here.ID); got.State != model.PortActive {
		t.Errorf("after the restart the port is %+v", got)
	}
}

func TestAControllerThatComesBackHearsOfTheRevision(t *testing.T) {
	h := newHost(t)
	u, _, _ := oneNetwork()
	h.cloud.updates <- u
	h.settled(10)
	h.cloud.Ack(0) // a new connection begins
	h.cloud.updates <- u
	eventually(t, "the revision again", func() bool { rev, _ := h.cloud.revision(); return rev == 10 })
}

func TestNothingIsDeletedBeforeTheSnapshot(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	h.commit(plugOps(here))
	h.cloud.updates <- u
	h.settled(10)
	want := h.switches["br-int"].text()
	h.stop()
	h.start()
	time.Sleep(300 * time.Millisecond)
	if diff := cmp.Diff(want, h.switches["br-int"].text()); diff != "" {
		t.Fatalf("without a controller the flows changed:\n%s", diff)
	}
}

func TestInterfacesThatCannotBeWiredAreNamedAndDisturbNobody(t *testing.T) {
	h := newHost(t)
	u, here, there := oneNetwork()
	stranger := *here
	stranger.ID = "99999999-1111-4000-8000-000000000000"
	wrong := *here
	wrong.ID, wrong.MAC = "88888888-1111-4000-8000-000000000000", model.MAC{2, 0, 0, 0, 0, 9}
	record := wrong
	record.MAC = model.MAC{2, 0, 0, 0, 0, 8}
	u.Ports = append(u.Ports, &record)
	h.commit(plugOps(&stranger), plugOps(&wrong), plugOps(here), plugOps(there))
	h.cloud.updates <- u
	eventually(t, "the good port is ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	eventually(t, "the port with another MAC is in ERROR", func() bool { return h.cloud.status(wrong.ID).State == model.PortError })
	eventually(t, "problems name the interfaces", func() bool {
		p := h.cloud.problemTexts()
		return strings.Contains(p, tap(&stranger)) && strings.Contains(p, stranger.ID) &&
			strings.Contains(p, wrong.MAC.String()) && strings.Contains(p, record.MAC.String()) &&
			strings.Contains(p, "bound to host "+peerName)
	})
	h.commit(ovsdb.DeletePort{Name: tap(&stranger)}, ovsdb.DeletePort{Name: tap(&wrong)}, ovsdb.DeletePort{Name: tap(there)})
	eventually(t, "no problems are left", func() bool { return h.cloud.problemTexts() == "" })
}

func TestAMissingProviderBridgeIsAProblemOfItsOwn(t *testing.T) {
	h := newHost(t)
	h.stop()
	h.commit(ovsdb.DeleteBridge{Name: "br-phys"})
	h.start()
	u, here, _ := oneNetwork()
	h.commit(plugOps(here))
	h.cloud.updates <- u
	eventually(t, "the VXLAN port is ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	eventually(t, "the bridge and the physical network are named", func() bool {
		p := h.cloud.problemTexts()
		return strings.Contains(p, "br-phys") && strings.Contains(p, "physnet1")
	})
}

func TestAProviderBridgeThatComesLateMakesItsPortsActive(t *testing.T) {
	h := newHost(t)
	h.stop()
	h.commit(ovsdb.DeleteBridge{Name: "br-phys"})
	h.start()
	n := network(2, model.Segment{Type: model.VLAN, PhysicalNetwork: "physnet1", ID: 101})
	here := port(3, n, hostName)
	h.commit(plugOps(here))
	h.cloud.updates <- rpc.Update{Full: true, Revision: 10, Settings: settings, Networks: []*model.Network{n}, Ports: []*model.Port{here}}
	eventually(t, "ERROR", func() bool { return h.cloud.status(here.ID).State == model.PortError })
	h.commit(ovsdb.EnsureBridge{Name: "br-phys", DatapathType: "netdev"})
	eventually(t, "ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	eventually(t, "no problems are left", func() bool { return h.cloud.problemTexts() == "" })
	h.commit(ovsdb.DeleteBridge{Name: "br-phys"})
	eventually(t, "ERROR again", func() bool { return h.cloud.status(here.ID).State == model.PortError })
}

func TestAPortStaysWithTheInterfaceThatWasThereFirst(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	h.commit(plugOps(here))
	h.cloud.updates <- u
	eventually(t, "ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	before := h.switches["br-int"].text()
	for _, name := range []string{"a-tap", "zz-tap"} {
		for _, mac := range []string{here.MAC.String(), "fa:16:3e:00:00:99", "none", ""} {
			h.commit(ovsdb.EnsurePort{Bridge: "br-int", Name: name, ExternalIDs: map[string]string{"iface-id": here.ID, "attached-mac": mac}})
			eventually(t, "both are named", func() bool {
				p := h.cloud.problemTexts()
				return strings.Contains(p, name) && strings.Contains(p, "only "+tap(here)+" is wired")
			})
			if diff := cmp.Diff(before, h.switches["br-int"].text()); diff != "" {
				t.Errorf("%s with MAC %q changed flows:\n%s", name, mac, diff)
			}
			h.commit(ovsdb.DeletePort{Name: name})
			eventually(t, "no problems are left", func() bool { return h.cloud.problemTexts() == "" })
		}
	}
	if got := h.cloud.status(here.ID).State; got != model.PortActive {
		t.Errorf("the port is %s", got)
	}
}

func TestARefusedFlowLeavesTheOthersInPlace(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	other := port(3, u.Networks[0], hostName)
	u.Ports = append(u.Ports, other)
	s := h.switches["br-int"]
	s.mu.Lock()
	s.refuse = func(r flows.Rule) bool { return strings.Contains(r.String(), "dl_dst="+other.MAC.String()) }
	s.mu.Unlock()
	h.commit(plugOps(here), plugOps(other))
	h.cloud.updates <- u
	eventually(t, "the good port is ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	eventually(t, "the port of the refused flow is in ERROR", func() bool {
		st := h.cloud.status(other.ID)
		return st.State == model.PortError && strings.Contains(st.Error, "OFPBAC_BAD_OUT_PORT")
	})
}

func TestAStuckBridgeHoldsUpNoOther(t *testing.T) {
	h := newHost(t)
	tun := h.switches["br-tun"]
	tun.mu.Lock()
	tun.stuck = true
	tun.mu.Unlock()
	n := network(2, model.Segment{Type: model.VLAN, PhysicalNetwork: "physnet1", ID: 100})
	p := port(5, n, hostName)
	h.commit(plugOps(p))
	h.cloud.updates <- rpc.Update{Full: true, Revision: 3, Settings: settings, Networks: []*model.Network{n}, Ports: []*model.Port{p}}
	eventually(t, "the VLAN port is ACTIVE", func() bool { return h.cloud.status(p.ID).State == model.PortActive })
	if !contains(h.switches["br-phys"].text(), "table=2", "vlan_vid") {
		t.Error("br-phys does not translate")
	}
}

func TestABrokenConnectionIsMadeUpFor(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	h.commit(plugOps(here))
	h.cloud.updates <- u
	h.settled(10)
	s := h.switches["br-int"]
	want := s.text()
	s.mu.Lock()
	for k := range s.rules { // somebody emptied the switch while it was away
		delete(s.rules, k)
		break
	}
	s.mu.Unlock()
	s.breakConnections()
	eventually(t, "the missing flow is back", func() bool { return slices.Equal(want, s.text()) })
}

func TestARecordsEndEndsItsFlowsAndItsVLAN(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	h.commit(plugOps(here))
	h.cloud.updates <- u
	h.settled(10)
	empty := h.switches["br-int"].text()
	h.cloud.updates <- rpc.Update{Revision: 11, Settings: settings, Deleted: rpc.Refs{
		Networks: []string{here.NetworkID}, Ports: []string{here.ID, u.Ports[1].ID}, Endpoints: []string{peerName},
	}}
	h.settled(11)
	after := h.switches["br-int"].text()
	if len(after) >= len(empty) || contains(after, here.MAC.String()) {
		t.Fatalf("flows stayed:\n%s", strings.Join(after, "\n"))
	}
	eventually(t, "the local VLAN is free again", func() bool { return h.storedVLANs() == 0 })
	eventually(t, "the tunnel is gone", func() bool { return !h.hasPort("vxlan-c0000202") })
}

func TestAPortThatIsPutDownIsReportedWhenTheSwitchIsClosed(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	h.commit(plugOps(here))
	h.cloud.updates <- u
	eventually(t, "ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	down := *here
	down.AdminStateUp, down.Revision = false, 2
	h.cloud.updates <- rpc.Update{Revision: 11, Settings: settings, Ports: []*model.Port{&down}}
	eventually(t, "DOWN", func() bool { return h.cloud.status(here.ID).State == model.PortDown })
	if contains(h.switches["br-int"].text(), here.MAC.String()) {
		t.Error("the port is reported DOWN while its flows are in the switch")
	}
	network := *u.Networks[0]
	network.AdminStateUp = false
	h.cloud.updates <- rpc.Update{Revision: 12, Settings: settings, Ports: []*model.Port{here}, Networks: []*model.Network{&network}}
	h.settled(12)
	if got := h.cloud.status(here.ID).State; got != model.PortDown {
		t.Errorf("on a network that is down the port is %s", got)
	}
	h.cloud.updates <- rpc.Update{Revision: 13, Settings: settings, Networks: u.Networks}
	eventually(t, "ACTIVE again", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
}

func TestAnInterfaceOnAnotherBridgeIsNotThePort(t *testing.T) {
	h := newHost(t)
	u, here, _ := oneNetwork()
	other := port(3, u.Networks[0], hostName)
	u.Ports = append(u.Ports, other)
	elsewhere := plugOps(here).(ovsdb.EnsurePort)
	elsewhere.Bridge = "br-phys"
	h.commit(elsewhere, plugOps(other))
	h.cloud.updates <- u
	eventually(t, "the port on br-int is ACTIVE", func() bool { return h.cloud.status(other.ID).State == model.PortActive })
	h.settled(10)
	if got := h.cloud.status(here.ID).State; got != model.PortDown {
		t.Errorf("a port whose interface is on br-phys is %s", got)
	}
	if contains(h.switches["br-int"].text(), here.MAC.String()) {
		t.Error("it has flows on br-int")
	}
}
