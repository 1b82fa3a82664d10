package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/pipeline"
)

// The kinds of failure that callers may want to tell apart.
var (
	// ErrNoBridge is that the switch has no bridge of that name.
	ErrNoBridge = errors.New("no such bridge")
	// ErrNoSwitch is that nothing answers for ovs-vswitchd in the run directory.
	ErrNoSwitch = errors.New("ovs-vswitchd does not answer")
	// ErrPacket is that the switch cannot read the description of a packet.
	ErrPacket = errors.New("not a packet")
)

// Switch says where bridges are reached, and what kind they are.
type Switch struct {
	RunDir string // holds the management sockets
	// Kinds is bridge → kind, for the names of its tables.
	Kinds map[string]pipeline.Kind
}

// Flow is a flow with its owner.
type Flow struct {
	Table   uint8  `json:"table"`
	Name    string `json:"table_name"`
	Text    string `json:"flow"` // as ovs-ofctl writes it
	Owner   string `json:"owner"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Choice leaves flows out. Its zero value leaves out none.
type Choice struct {
	Table  *uint8
	Object string // a UUID, or its first 12 digits
	// Hit leaves out flows that have seen no packet.
	Hit bool
}

func (c Choice) takes(s *ofp.FlowStat) bool {
	if c.Table != nil && s.Table != *c.Table || c.Hit && s.Stats.Packets == 0 {
		return false
	}
	if c.Object == "" {
		return true
	}
	_, d, ours := pipeline.Explain(s.Cookie)
	want := strings.ReplaceAll(strings.ToLower(c.Object), "-", "")
	return ours && len(want) >= 12 && d == want[:12]
}

// Flows reads a bridge's flows, in the order of tables and priorities.
func (s Switch) Flows(ctx context.Context, bridge string, objects *Objects, c Choice) ([]Flow, error) {
	conn, err := s.dial(ctx, bridge)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stats, err := conn.DumpStats(ctx, ofp.AllFlows)
	if err != nil {
		return nil, fmt.Errorf("read flows of %s: %w", bridge, err)
	}
	names, err := portNames(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("read ports of %s: %w", bridge, err)
	}
	tables := s.tables(bridge)
	stats = slices.DeleteFunc(stats, func(f ofp.FlowStat) bool { return !c.takes(&f) })
	slices.SortStableFunc(stats, func(a, b ofp.FlowStat) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Cookie, b.Cookie))
	})
	out := make([]Flow, 0, len(stats))
	for i := range stats {
		f := &stats[i]
		plain := f.Rule
		plain.Cookie = 0 // the owner says it in words
		plain.Table = 0
		out = append(out, Flow{
			Table: f.Table, Name: tables[f.Table], Owner: objects.Owner(f.Cookie),
			Text: strings.TrimPrefix(flows.Format(plain, flows.FormatOptions{
				PortNames: func(p uint32) string { return names[p] }, TableNames: func(t uint8) string { return tables[t] },
			}), "table="+tables[0]+", "),
			Packets: f.Stats.Packets, Bytes: f.Stats.Bytes,
		})
	}
	return out, nil
}

func (s Switch) tables(bridge string) map[uint8]string {
	if kind, ok := s.Kinds[bridge]; ok {
		return pipeline.TableNames(kind)
	}
	return map[uint8]string{}
}

func (s Switch) dial(ctx context.Context, bridge string) (*ofp.Conn, error) {
	path := filepath.Join(s.RunDir, bridge+".mgmt")
	if strings.ContainsAny(bridge, "/\x00") || bridge == "" {
		return nil, fmt.Errorf("bridge %q: %w", bridge, ErrNoBridge)
	}
	conn, err := ofp.Dial(ctx, "unix", path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		if _, err := s.ask(ctx, "version"); err != nil {
			return nil, fmt.Errorf("bridge %s: %w", bridge, err)
		}
		return nil, fmt.Errorf("bridge %s: %w: nothing listens at %s", bridge, ErrNoBridge, path)
	case err != nil:
		return nil, fmt.Errorf("bridge %s: %w", bridge, err)
	}
	return conn, nil
}

func portNames(ctx context.Context, conn *ofp.Conn) (map[uint32]string, error) {
	ports, err := conn.Ports(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[uint32]string, len(ports))
	for _, p := range ports {
		names[p.No] = p.Name
	}
	return names, nil
}

// Print writes flows for people: a heading for each table, the owner behind each
// flow.
func Print(w io.Writer, list []Flow) error {
	last := -1
	for _, f := range list {
		if int(f.Table) != last {
			if last >= 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "table %d %s\n", f.Table, f.Name)
			last = int(f.Table)
		}
		if _, err := fmt.Fprintf(w, "  %s\n      %s packets, %s\n", f.Text, strconv.FormatUint(f.Packets, 10), f.Owner); err != nil {
			return err
		}
	}
	return nil
}
