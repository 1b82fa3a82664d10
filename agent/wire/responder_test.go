package wire_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/agent/wire"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// butler answers DHCP of every port while there is a subnet with DHCP: with a
// packet that says who asked.
type butler struct {
	mu    sync.Mutex
	ports map[string]bool
	dhcp  bool
	at    map[string]uint32 // where ports are
	way   wire.SendPacket
}

func (b *butler) Apply(u *rpc.Update) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var changed []string
	for _, p := range u.Ports {
		b.ports[p.ID] = true
	}
	for _, s := range u.Subnets {
		b.dhcp = s.EnableDHCP
	}
	for id := range b.ports {
		changed = append(changed, id)
	}
	return changed
}

func (b *butler) Questions(port string) (pipeline.Questions, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dhcp && b.ports[port] {
		return pipeline.AskDHCP, "has an odd option"
	}
	return 0, ""
}

func (b *butler) Plugged(port string, ofport uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		b.at = map[string]uint32{}
	}
	b.at[port] = ofport
}

func (b *butler) Connected(send wire.SendPacket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.way = send
}

func (b *butler) Take(p ofp.PacketIn, send wire.SendPacket) {
	port, _ := pipeline.ReadAsked(p.Userdata)
	_ = send(context.Background(), ofp.PacketOut{InPort: flows.PortController, Data: []byte(port)})
}

func TestQuestionsOfPortsGoToTheResponderAsSoonAsItKnowsThePort(t *testing.T) {
	h := newHost(t)
	h.stop()
	told := &butler{ports: map[string]bool{}}
	h.responder = told
	h.start()
	u, here, there := oneNetwork()
	subnet := &model.Subnet{Meta: model.Meta{ID: "50000000-0000-4000-8000-000000000000"}, NetworkID: here.NetworkID, EnableDHCP: true}
	u.Subnets = []*model.Subnet{subnet}
	h.commit(plugOps(here))
	h.cloud.updates <- u
	asks := func(p *model.Port) bool {
		return contains(h.switches["br-int"].text(), "table=60", fmt.Sprintf("userdata=51.%s", dotted(p.ID)))
	}
	eventually(t, "ACTIVE", func() bool { return h.cloud.status(here.ID).State == model.PortActive })
	if !asks(here) || asks(there) {
		t.Fatalf("the flows of questions are not there when the port is ACTIVE:\n%s", strings.Join(h.switches["br-int"].text(), "\n"))
	}
	if got := h.cloud.problemTexts(); !strings.Contains(got, "port "+here.ID+": has an odd option") {
		t.Errorf("problems: %s", got)
	}
	br := h.switches["br-int"]
	br.mu.Lock()
	meters := fmt.Sprint(br.meters)
	br.mu.Unlock()
	if ofport := h.state().Interfaces[tap(here)].OFPort; !strings.Contains(meters, fmt.Sprintf("{%d 20 40}", pipeline.FirstAskMeter+ofport)) {
		t.Errorf("meters %s, the port's number is %d", meters, ofport)
	}

	id := uuid.MustParse(here.ID)
	br.events <- ofp.PacketIn{Userdata: append([]byte("Q"), id[:]...)}
	eventually(t, "an answer", func() bool {
		br.mu.Lock()
		defer br.mu.Unlock()
		return len(br.packets) == 1 && string(br.packets[0].Data) == here.ID
	})

	told.mu.Lock()
	at, nowhere, way := told.at[here.ID], told.at[there.ID], told.way
	told.mu.Unlock()
	if want := h.state().Interfaces[tap(here)].OFPort; int(at) != int(want) || way == nil || nowhere != 0 {
		t.Errorf("the port is said to be at %d, want %d; there is a way to it: %v", at, want, way != nil)
	}

	off := *subnet
	off.EnableDHCP = false
	h.cloud.updates <- rpc.Update{Revision: 11, Settings: settings, Subnets: []*model.Subnet{&off}}
	h.settled(11)
	if got := h.cloud.problemTexts(); got != "" {
		t.Errorf("problems that are over: %s", got)
	}
	if asks(here) {
		t.Error("questions come although nobody answers any more")
	}
}

// dotted gives a UUID as userdata shows it.
func dotted(id string) string {
	b := uuid.MustParse(id)
	var words []string
	for _, c := range b {
		words = append(words, fmt.Sprintf("%02x", c))
	}
	return strings.Join(words, ".")
}
