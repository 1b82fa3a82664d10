package ovsdbtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"testing"
	"time"

	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/ovsdb"
)

// RunSwitch plays ovs-vswitchd until the test ends: every interface gets a port
// number (local ports 65534, others from 1, or the one requested), every bridge
// a datapath id, and configurations are reported as realised.
func (s *Server) RunSwitch(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := ovsdb.Dial(ctx, s.Endpoint(), zap.NewNop())
	if err != nil {
		tb.Fatalf("connect the switch to the database: %v", err)
	}
	sw := &fakeSwitch{server: s, client: client, next: 1, stop: make(chan struct{})}
	sw.running.Add(1)
	go sw.run(tb)
	tb.Cleanup(func() {
		close(sw.stop)
		sw.running.Wait()
		client.Close()
	})
}

type fakeSwitch struct {
	server  *Server
	client  *ovsdb.Client
	next    int
	stop    chan struct{}
	running sync.WaitGroup
}

func (w *fakeSwitch) run(tb testing.TB) {
	defer w.running.Done()
	for {
		select {
		case <-w.stop:
			return
		case <-w.client.Changes():
			if err := w.realise(w.client.TakeDirty(), w.client.State()); err != nil {
				tb.Errorf("switch: %v", err)
				return
			}
		}
	}
}

// realise writes what ovs-vswitchd would, in one transaction.
func (w *fakeSwitch) realise(dirty ovsdb.Dirty, state ovsdb.State) error {
	var ops []wire.Operation
	for _, b := range state.Bridges {
		if b.DatapathID == "" {
			h := fnv.New64a()
			h.Write([]byte(b.Name))
			ops = append(ops, update("Bridge", b.UUID, wire.Row{"datapath_id": fmt.Sprintf("%016x", h.Sum64()>>16)}))
		}
	}
	names := dirty.Interfaces
	if dirty.Full {
		for name := range state.Interfaces {
			names = append(names, name)
		}
	}
	for _, name := range names {
		i, ok := state.Interfaces[name]
		if !ok || i.OFPort != 0 {
			continue
		}
		n := w.next
		if _, local := state.Bridges[name]; local {
			n = 65534
		} else {
			w.next++
		}
		ops = append(ops, update("Interface", i.UUID, wire.Row{"ofport": n, "mac_in_use": "02:00:00:00:00:01"}))
	}
	if root := state.OpenVSwitch; root.CurCfg != root.NextCfg {
		ops = append(ops, update("Open_vSwitch", root.UUID, wire.Row{"cur_cfg": root.NextCfg}))
	}
	if len(ops) == 0 {
		return nil
	}
	return w.server.Transact(ops...)
}

func update(table, uuid string, row wire.Row) wire.Operation {
	return wire.Operation{
		Op: wire.OperationUpdate, Table: table, Row: row,
		Where: []wire.Condition{{Column: "_uuid", Function: wire.ConditionEqual, Value: wire.UUID{GoUUID: uuid}}},
	}
}
