package l3

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
)

// bare is the database of a switch without ports.
type bare struct{ Database }

func (bare) State() ovsdb.State                               { return ovsdb.State{} }
func (bare) Commit(context.Context, ...ovsdb.Op) error        { return nil }
func (bare) CommitAndWait(context.Context, ...ovsdb.Op) error { return nil }

func TestARouterThatGoesWhileItsAuditIsDueIsRemovedAndIsNoDrift(t *testing.T) {
	for _, mode := range []audit.Mode{audit.Repair, audit.Watch} {
		t.Run(string(mode), func(t *testing.T) {
			dir := t.TempDir()
			children, err := child.New(filepath.Join(dir, "children"), zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			defer children.Close()
			l := New(Config{
				Host: "hv1", Owner: "lepton test", RunDir: dir, DB: bare{}, Children: children, Log: zap.NewNop(),
				Controller: &controller{}, Audit: audit.New(audit.Config{Mode: mode}),
			})
			const id = "a0d17000-0000-4000-8000-000000000001"
			l.full = true
			l.routers[id] = &router{id: id, known: true, want: &Namespace{RouterID: id}, wait: retryFirst, due: time.Now().Add(time.Hour)}
			left := filepath.Join(dir, haRoom, id)
			if err := os.MkdirAll(left, 0o755); err != nil {
				t.Fatal(err)
			}
			l.audit()
			l.take(&rpc.Update{Deleted: rpc.Refs{Routers: []string{id}}})
			l.start(t.Context(), l.routers[id])
			res := <-l.results
			l.workers.Wait()
			if res.err != nil || len(res.found) > 0 {
				t.Errorf("error %v, found %q", res.err, res.found)
			}
			if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what the router had is there still: %v", err)
			}
		})
	}
}
