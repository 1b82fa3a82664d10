package hosts_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/controller/records"
)

// journalled starts a controller on the cloud's store anew, with a journal.
func (c *cloud) journalled() *journal.Journal {
	c.t.Helper()
	j := journal.New(c.store, zap.NewNop(), nil)
	db, err := records.Open(context.Background(), c.store, zap.NewNop(), records.Journal(j.Note))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = db.Close() })
	c.db = db
	return j
}

// A host whose agent was away while its ports were deleted, by a controller that
// is not there any more, is told their names by another one.
func TestASnapshotNamesWhatTheJournalKnowsAsDeleted(t *testing.T) {
	c := newCloud(t)
	j := c.journalled()
	c.put(vxlan("n1"), port("stays", "n1", "hv1"), port("elsewhere", "n1", "hv2"), port("moves", "n1", "hv1"), port("lost", "n1", "hv1"))
	for i := range 20 {
		c.put(port(fmt.Sprintf("p%d", i), "n1", "hv1"))
	}
	first := c.serve(hosts.Config{Journal: j})
	h := c.join(session.Config{Hello: hello("hv1"), Dial: first.dial})
	c.settled("hv1", h)
	h.stop()
	c.update(func(u *records.Update) {
		for i := range 20 {
			records.Ports.Delete(u, fmt.Sprintf("p%d", i))
		}
		records.Ports.Delete(u, "elsewhere")
		records.Ports.Put(u, port("moves", "n1", "hv2"))
	})
	first.stop()
	// What vanishes without a transaction, as with an old backup, has no proof.
	lost := c.db
	c.db = nil
	silent, err := records.Open(t.Context(), c.store, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Update(t.Context(), func(u *records.Update) error { records.Ports.Delete(u, "lost"); return nil }); err != nil {
		t.Fatal(err)
	}
	_, _ = silent.Close(), lost.Close()

	second := c.serve(hosts.Config{Journal: c.journalled()})
	h = c.join(session.Config{Hello: hello("hv1"), Dial: second.dial})
	c.settled("hv1", h)
	u := h.told()[0]
	if !u.Full || len(u.Deleted.Ports) != 21 || slices.Contains(u.Deleted.Ports, "lost") || slices.Contains(u.Deleted.Ports, "stays") {
		t.Fatalf("full %t, deleted %v", u.Full, u.Deleted.Ports)
	}
	if !slices.Contains(u.Deleted.Ports, "elsewhere") {
		t.Error("a port of another host on the network is not named")
	}
	if slices.Contains(u.Deleted.Ports, "moves") {
		t.Error("a port that the host still knows is named as deleted")
	}
}

func TestTheJournalTellsWhichHostsAppliedAChange(t *testing.T) {
	c := newCloud(t)
	j := c.journalled()
	c.put(vxlan("n1"), port("a", "n1", "hv1"), port("b", "n1", "hv2"))
	ctl := c.serve(hosts.Config{Journal: j})
	one := c.join(session.Config{Hello: hello("hv1"), Dial: ctl.dial})
	second := hello("hv2")
	two := c.join(session.Config{Hello: second, Dial: ctl.dial})
	c.settled("hv1", one)
	c.settled("hv2", two)
	c.put(port("c", "n1", "hv2"))
	var change int64
	want := []string{"hv1", "hv2"}
	c.eventually("both hosts applied the change", func() bool {
		var on []string
		err := j.Read(t.Context(), journal.Query{}, func(e *journal.Event) bool {
			for _, ch := range e.Changes {
				if ch.Resource == "port" && ch.ID == "c" {
					change = e.Revision
				}
			}
			if e.Applied != nil {
				for _, m := range e.Applied.Marks {
					if m.Resource == "port" && m.ID == "c" && (change == 0 || m.Revision == change) {
						on = append(on, e.Applied.HostsOf(m)...)
					}
				}
			}
			return true
		})
		slices.Sort(on)
		return err == nil && change != 0 && slices.Equal(slices.Compact(on), want)
	})
}
