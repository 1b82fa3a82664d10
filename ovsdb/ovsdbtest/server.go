package ovsdbtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/ovn-kubernetes/libovsdb/database"
	"github.com/ovn-kubernetes/libovsdb/database/inmemory"
	"github.com/ovn-kubernetes/libovsdb/model"
	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// Server is a database in memory with one Open_vSwitch row and nothing else.
//
// Transactions, monitors and their updates happen one after the other, as in
// ovsdb-server: a client sees the update of its own transaction before the
// answer, and a new monitor misses nothing.
type Server struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	db     database.Database
	conns  map[*conn]struct{}
	frozen chan struct{} // not nil while frozen; closed at the thaw
	down   bool          // refuse new connections
	// touched, if any, is signalled after each transaction.
	touched chan struct{}
}

// Start starts a server; it ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	// Not tb.TempDir(): with a long test name the path of the socket would be
	// longer than the 107 bytes that unix(7) allows.
	dir, err := os.MkdirTemp("", "ovsdbtest")
	if err != nil {
		tb.Fatalf("make a directory for the database socket: %v", err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	s, err := start(filepath.Join(dir, "db.sock"))
	if err != nil {
		tb.Fatalf("start database: %v", err)
	}
	tb.Cleanup(s.close)
	return s
}

func start(socket string) (*Server, error) {
	rows, schema, err := databaseModel()
	if err != nil {
		return nil, err
	}
	s := &Server{
		db:    inmemory.NewDatabase(map[string]model.ClientDBModel{databaseName: rows}, nil),
		conns: map[*conn]struct{}{},
	}
	if err := s.db.CreateDatabase(databaseName, schema); err != nil {
		return nil, fmt.Errorf("make database: %w", err)
	}
	err = s.Transact(wire.Operation{
		Op: wire.OperationInsert, Table: "Open_vSwitch", Row: wire.Row{"ovs_version": "3.1.0", "db_version": "8.3.1"},
	})
	if err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("unix", socket); err != nil {
		return nil, err
	}
	s.running.Add(1)
	go s.accept()
	return s, nil
}

func (s *Server) close() {
	s.listener.Close()
	s.Stop()
	s.thaw()
	s.running.Wait()
}

// Endpoint is what to dial: "unix:…".
func (s *Server) Endpoint() string { return "unix:" + s.listener.Addr().String() }

// Cut closes all connections, as a restart of the server does; requests that
// came over them and have not been looked at are dropped. Clients may connect
// again at once.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
	clear(s.conns)
}

// Stop closes all connections and refuses new ones until Resume.
func (s *Server) Stop() {
	s.mu.Lock()
	s.down = true
	s.mu.Unlock()
	s.Cut()
}

// Freeze stops answering without closing anything, as a hanging server does,
// until Resume.
func (s *Server) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen == nil {
		s.frozen = make(chan struct{})
	}
}

// Resume ends Stop and Freeze.
func (s *Server) Resume() {
	s.thaw()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}

func (s *Server) thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen != nil {
		close(s.frozen)
		s.frozen = nil
	}
}

// hold waits while the server is frozen.
func (s *Server) hold() {
	s.mu.Lock()
	frozen := s.frozen
	s.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// Transact carries out operations in one transaction, past all sockets: for
// columns that only ovs-vswitchd writes.
func (s *Server) Transact(ops ...wire.Operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return firstError(s.transact(ops))
}

func firstError(results []*wire.OperationResult) error {
	for _, r := range results {
		if r != nil && r.Error != "" {
			return fmt.Errorf("transact: %s: %s", r.Error, r.Details)
		}
	}
	return nil
}

// transact carries out operations and tells the monitors. The caller holds mu.
func (s *Server) transact(ops []wire.Operation) []*wire.OperationResult {
	results, update := s.db.NewTransaction(databaseName).Transact(ops...)
	for _, r := range results {
		if r != nil && r.Error != "" {
			return results
		}
	}
	if err := s.db.Commit(databaseName, uuid.New(), update); err != nil {
		failure := wire.ResultFromError(err)
		return append(results, &failure)
	}
	if s.touched != nil {
		select {
		case s.touched <- struct{}{}:
		default:
		}
	}
	for c := range s.conns {
		for id, request := range c.monitors {
			if changed := changes(request, update); len(changed) > 0 {
				c.send(map[string]any{"id": nil, "method": "update", "params": []any{json.RawMessage(id), changed}})
			}
		}
	}
	return results
}

// changes picks what a monitor wants to know (RFC 7047, section 4.1.6).
func changes(request map[string]wire.MonitorRequest, update database.Update) wire.TableUpdates {
	out := wire.TableUpdates{}
	for _, table := range update.GetUpdatedTables() {
		wanted, ok := request[table]
		if !ok {
			continue
		}
		rows := wire.TableUpdate{}
		_ = update.ForEachRowUpdate(table, func(id string, row wire.RowUpdate2) error {
			u := &wire.RowUpdate{Old: pick(row.Old, wanted.Columns), New: pick(row.New, wanted.Columns)}
			if u.Old == nil || u.New == nil || !sameRow(*u.Old, *u.New) {
				rows[id] = u
			}
			return nil
		})
		if len(rows) > 0 {
			out[table] = rows
		}
	}
	return out
}

func sameRow(a, b wire.Row) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func pick(row *wire.Row, columns []string) *wire.Row {
	if row == nil {
		return nil
	}
	out := wire.Row{}
	for _, c := range columns {
		if v, ok := (*row)[c]; ok {
			out[c] = v
		}
	}
	return &out
}

// monitor registers a monitor and gives the rows as they are. The caller holds
// mu.
func (s *Server) monitor(c *conn, params []json.RawMessage) (any, error) {
	if len(params) != 3 {
		return nil, errors.New("monitor wants 3 parameters")
	}
	var request map[string]wire.MonitorRequest
	if err := json.Unmarshal(params[2], &request); err != nil {
		return nil, err
	}
	out := wire.TableUpdates{}
	for table, wanted := range request {
		results, _ := s.db.NewTransaction(databaseName).Transact(wire.Operation{Op: wire.OperationSelect, Table: table})
		if results[0].Error != "" {
			return nil, fmt.Errorf("monitor table %s: %s", table, results[0].Error)
		}
		rows := wire.TableUpdate{}
		for _, row := range results[0].Rows {
			id, _ := row["_uuid"].(wire.UUID)
			rows[id.GoUUID] = &wire.RowUpdate{New: pick(&row, wanted.Columns)}
		}
		out[table] = rows
	}
	c.monitors[string(params[1])] = request
	return out, nil
}

// SetOFPort gives an interface its OpenFlow port number, or with -1 and a text
// the reason why it has none.
func (s *Server) SetOFPort(name string, ofport int, errorText string) error {
	row := wire.Row{"ofport": ofport}
	if errorText != "" {
		row["error"] = errorText
	}
	return s.Transact(wire.Operation{
		Op: wire.OperationUpdate, Table: "Interface", Row: row,
		Where: []wire.Condition{{Column: "name", Function: wire.ConditionEqual, Value: name}},
	})
}
