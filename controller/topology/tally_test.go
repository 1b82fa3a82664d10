package topology

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// TestTheTallyIsWhatCountingAllPortsGives changes ports and reports at random,
// reports of ports that are not there among them, and counts anew.
func TestTheTallyIsWhatCountingAllPortsGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tally := NewTally()
		ports, reports := map[string]*model.Port{}, map[string]*model.PortStatus{}
		few := func(name string) string { return fmt.Sprint(name, rapid.IntRange(0, 2).Draw(t, name)) }
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := few("port")
			c := records.Change{ID: id}
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				c.Table, ports[id] = records.Ports.Name(), nil
				delete(ports, id)
			case 1:
				p := &model.Port{Meta: model.Meta{ID: id, ProjectID: few("project")}, NetworkID: few("network"), Host: rapid.SampledFrom([]string{"", "h0", "h1"}).Draw(t, "host")}
				p.DeviceOwner = rapid.SampledFrom([]string{"compute:nova", "network:dhcp"}).Draw(t, "owner")
				c.Table, c.New, ports[id] = records.Ports.Name(), p, p
			case 2:
				c.Table = records.PortStatuses.Name()
				delete(reports, id)
			case 3:
				s := &model.PortStatus{PortID: id, Host: rapid.SampledFrom([]string{"h0", "h1"}).Draw(t, "reporter")}
				s.State = rapid.SampledFrom([]model.PortState{model.PortDown, model.PortActive, model.PortError}).Draw(t, "state")
				c.Table, c.New, reports[id] = records.PortStatuses.Name(), s, s
			}
			tally.Apply(records.Batch{Revision: int64(step), Changes: []records.Change{c}})
		}
		want := map[Place]Count{}
		for id, p := range ports {
			place := Place{p.ProjectID, p.NetworkID, p.Host}
			c := want[place]
			s := reports[id]
			switch told := s != nil && s.Host == p.Host; {
			case p.DeviceOwner == "network:dhcp":
				c.Service++
			default:
				c.Ports++
				if told && s.State == model.PortActive {
					c.Active++
				}
				if told && s.State == model.PortError {
					c.Error++
				}
			}
			want[place] = c
		}
		got := map[Place]Count{}
		cells, _ := tally.Cells()
		for _, c := range cells {
			got[c.Place] = c.Count
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkApplyOfOnePortAmong50000(b *testing.B) {
	tally := NewTally()
	add := func(k int) {
		id := fmt.Sprint(k % 50_000)
		p := &model.Port{Meta: model.Meta{ID: id, ProjectID: "p"}, NetworkID: fmt.Sprint(k % 500), Host: fmt.Sprint(k % 101)}
		tally.Apply(records.Batch{Changes: []records.Change{{Table: records.Ports.Name(), ID: id, New: p}}})
	}
	for k := range 50_000 {
		add(k)
	}
	k := 0
	for b.Loop() {
		k++
		add(k)
	}
}
