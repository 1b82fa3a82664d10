package ovsdbtest

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/ovn-kubernetes/libovsdb/model"
	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// localPort is the number of a bridge's own port (OFPP_LOCAL).
const localPort = 65534

// RunSwitch plays ovs-vswitchd until the test ends: every interface without an
// error gets a port number (the bridge's own 65534, others the one requested or
// the next from 1), every bridge a datapath id, and configurations are reported
// as realised.
func (s *Server) RunSwitch(tb testing.TB) {
	tb.Helper()
	touched, stop := make(chan struct{}, 1), make(chan struct{})
	touched <- struct{}{}
	s.mu.Lock()
	s.touched = touched
	s.mu.Unlock()
	var running sync.WaitGroup
	running.Go(func() {
		next := 1
		for {
			select {
			case <-stop:
				return
			case <-touched:
				if err := s.realise(&next); err != nil {
					tb.Errorf("switch: %v", err)
					return
				}
			}
		}
	})
	tb.Cleanup(func() {
		close(stop)
		running.Wait()
	})
}

// realise writes what ovs-vswitchd would, in one transaction.
func (s *Server) realise(next *int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ops []wire.Operation
	local := map[string]bool{}
	bridges, err := s.rows("Bridge")
	if err != nil {
		return err
	}
	for _, row := range bridges {
		b, ok := row.(*bridgeRow)
		if !ok {
			return fmt.Errorf("%T is no bridge", row)
		}
		local[b.Name] = true
		id := cmp.Or(b.OtherConfig["datapath-id"], derivedID(b.Name))
		if b.DatapathID == nil || *b.DatapathID != id {
			ops = append(ops, update("Bridge", b.UUID, wire.Row{"datapath_id": id}))
		}
	}
	ifaces, err := s.rows("Interface")
	if err != nil {
		return err
	}
	for _, row := range ifaces {
		i, ok := row.(*interfaceRow)
		if !ok {
			return fmt.Errorf("%T is no interface", row)
		}
		if i.OFPort == nil {
			ops = append(ops, update("Interface", i.UUID, wire.Row{"ofport": number(i, local, next), "mac_in_use": "02:00:00:00:00:01"}))
		}
	}
	roots, err := s.rows("Open_vSwitch")
	if err != nil {
		return err
	}
	for _, row := range roots {
		if r, ok := row.(*rootRow); ok && r.CurCfg != r.NextCfg {
			ops = append(ops, update("Open_vSwitch", r.UUID, wire.Row{"cur_cfg": r.NextCfg}))
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return firstError(s.transact(ops))
}

func number(i *interfaceRow, local map[string]bool, next *int) int {
	switch {
	case local[i.Name]:
		return localPort
	case i.OFPortRequest != nil:
		return *i.OFPortRequest
	}
	*next++
	return *next - 1
}

func derivedID(bridge string) string {
	h := fnv.New64a()
	h.Write([]byte(bridge))
	return fmt.Sprintf("%016x", h.Sum64()>>16)
}

// rows gives a table in the order of the rows' UUIDs. The caller holds mu.
func (s *Server) rows(table string) ([]model.Model, error) {
	all, err := s.db.List(databaseName, table)
	if err != nil {
		return nil, err
	}
	out := make([]model.Model, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[id])
	}
	return out, nil
}

func update(table, uuid string, row wire.Row) wire.Operation {
	return wire.Operation{
		Op: wire.OperationUpdate, Table: table, Row: row,
		Where: []wire.Condition{{Column: "_uuid", Function: wire.ConditionEqual, Value: wire.UUID{GoUUID: uuid}}},
	}
}
