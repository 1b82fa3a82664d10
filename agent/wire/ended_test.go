package wire_test

import (
	"slices"
	"testing"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// takeFlushed gives what the connection tracker was told to forget since the
// last call.
func (s *tableSwitch) takeFlushed() []pipeline.Connections {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.flushed
	s.flushed = nil
	return list
}

// TestConnectionsOfWhatIsGoneAreForgotten deletes a port, and then the network's
// last port, under the agent's eyes and behind its back.
func TestConnectionsOfWhatIsGoneAreForgotten(t *testing.T) {
	h := newHost(t)
	u, one, there := oneNetwork()
	two := port(3, u.Networks[0], hostName)
	u.Ports = append(u.Ports, two)
	h.commit(plugOps(one))
	h.commit(plugOps(two))
	h.cloud.updates <- u
	h.settled(10)
	s := h.switches["br-int"]
	eventually(t, "both are ACTIVE", func() bool {
		return h.cloud.status(one.ID).State == model.PortActive && h.cloud.status(two.ID).State == model.PortActive
	})
	if got := s.takeFlushed(); len(got) > 0 {
		t.Fatalf("connections %v are forgotten although nothing is gone", got)
	}
	without := func(rev int64, ports ...*model.Port) rpc.Update {
		again := u
		again.Revision, again.Ports = rev, ports
		return again
	}
	own := pipeline.Connections{Zone: 1, Address: two.FixedIPs[0].IP}
	wantOwn := func(how string) {
		t.Helper()
		got := s.takeFlushed()
		if !slices.Contains(got, own) || slices.Contains(got, pipeline.Connections{Zone: 1}) ||
			slices.Contains(got, pipeline.Connections{Zone: 1, Address: one.FixedIPs[0].IP}) {
			t.Errorf("%s: connections %v are forgotten, want those of %v, but not of its neighbour", how, got, own)
		}
	}
	h.cloud.updates <- without(11, one, there)
	h.settled(11)
	wantOwn("a port is gone")

	h.cloud.updates <- without(12, one, there, two)
	h.settled(12)
	eventually(t, "it is back", func() bool { return contains(s.text(), "dl_dst="+two.MAC.String()) })
	s.takeFlushed()
	h.stop()
	h.start()
	h.cloud.updates <- without(13, one, there)
	h.settled(13)
	wantOwn("a port went while the agent was away")

	h.cloud.updates <- without(14, there)
	h.settled(14)
	if got := s.takeFlushed(); !slices.Equal(got, []pipeline.Connections{{Zone: 1}}) {
		t.Errorf("connections %v are forgotten with the network's last port, want all of zone 1", got)
	}
}
