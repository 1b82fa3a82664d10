package dhcp

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

func TestAServerThatGoesWhileItsAuditIsDueIsRemovedAndIsNoDrift(t *testing.T) {
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
				Audit: audit.New(audit.Config{Mode: mode}),
			})
			const id = "a0d17000-0000-4000-8000-000000000001"
			l.networks[id] = &network{id: id, known: true, want: &Server{NetworkID: id}, wait: retryFirst, due: time.Now().Add(time.Hour)}
			files := filepath.Join(dir, "dhcp", id)
			if err := os.MkdirAll(files, 0o755); err != nil {
				t.Fatal(err)
			}
			l.audit()
			l.take(&rpc.Update{Deleted: rpc.Refs{DHCPBindings: []string{id}}})
			l.describe(l.networks[id])
			l.start(t.Context(), l.networks[id])
			res := <-l.results
			l.workers.Wait()
			if res.err != nil || len(res.found) > 0 {
				t.Errorf("error %v, found %q", res.err, res.found)
			}
			if _, err := os.Stat(files); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the server's files are there still: %v", err)
			}
		})
	}
}
