package upkeep

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
)

// Whatever comes in whatever order, in the end every object is what is desired of
// it, and no two workers had the same one.
func TestInTheEndEveryObjectIsWhatIsDesired(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := open(t, rapid.SampledFrom([]audit.Mode{audit.Repair, audit.Watch}).Draw(r, "mode"), 0)
		id := rapid.Custom(func(r *rapid.T) string { return fmt.Sprintf("w%02d", rapid.IntRange(0, 11).Draw(r, "widget")) })
		r.Repeat(map[string]func(*rapid.T){
			"desire": func(r *rapid.T) {
				s.revision++
				s.desire(id.Draw(r, "id"), rapid.SampledFrom([]string{"v1", "v2", "v3", ""}).Draw(r, "version"))
			},
			"break": func(r *rapid.T) {
				if w := s.Objects[id.Draw(r, "id")]; w != nil {
					w.bad = errors.New("no screws")
				}
			},
			"mend": func(r *rapid.T) {
				if w := s.Objects[id.Draw(r, "id")]; w != nil {
					w.bad, w.due = nil, time.Time{}
				}
			},
			"look": func(r *rapid.T) {
				of := id.Draw(r, "id")
				s.Links["link"] = of
				s.switched(ovsdb.Dirty{Interfaces: []string{"link"}})
			},
			"audit": func(*rapid.T) { s.audit() },
			"work":  func(*rapid.T) { s.work() },
			"finish": func(*rapid.T) {
				if s.busy > 0 {
					s.finish()
				}
			},
			"": func(r *rapid.T) {
				busy := 0
				for _, w := range s.Objects {
					if w.busy {
						busy++
					}
				}
				if busy != s.busy || busy > maxBusy {
					r.Fatalf("%d objects at work, %d workers", busy, s.busy)
				}
			},
		})
		for s.busy > 0 {
			s.finish()
		}
		want := map[string]string{}
		for of, w := range s.Objects {
			want[of], w.bad = w.want, nil
			if w.Trouble() != nil {
				w.due = time.Time{}
			}
		}
		s.Take(&rpc.Update{Revision: s.revision + 1})
		s.finishAll()
		for of, version := range want {
			if s.made[of] != version {
				r.Errorf("%s is in version %q, wanted %q", of, s.made[of], version)
			}
		}
		if s.acked != s.revision || !s.insync || s.auditing || len(s.problems) > 0 {
			r.Errorf("acknowledged %d of %d, in sync %v, audit under way %v, problems %v", s.acked, s.revision, s.insync, s.auditing, s.problems)
		}
	})
}
