package ovsdbtest

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	dbmodel "github.com/ovn-kubernetes/libovsdb/model"

	"github.com/ovn-kubernetes/libovsdb/database/inmemory"
	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/ovn-kubernetes/libovsdb/server"
)

// Server is a database in memory with one Open_vSwitch row and nothing else.
type Server struct {
	server *server.OvsdbServer
	relay  *relay
	socket string
	served chan error
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
	s, err := start(dir)
	if err != nil {
		tb.Fatalf("start database: %v", err)
	}
	tb.Cleanup(s.close)
	return s
}

func start(dir string) (*Server, error) {
	client, whole, err := databaseModel()
	if err != nil {
		return nil, err
	}
	db := inmemory.NewDatabase(map[string]dbmodel.ClientDBModel{database: client}, nil)
	srv, err := server.NewOvsdbServer(db, nil, whole)
	if err != nil {
		return nil, fmt.Errorf("make server: %w", err)
	}
	s := &Server{server: srv, socket: filepath.Join(dir, "db.sock"), served: make(chan error, 1)}
	inner := filepath.Join(dir, "inner.sock")
	go func() { s.served <- srv.Serve("unix", inner) }()
	for deadline := time.Now().Add(10 * time.Second); !srv.Ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("server is not ready")
		}
	}
	listener, err := net.Listen("unix", s.socket)
	if err != nil {
		return nil, err
	}
	s.relay = newRelay(listener, inner)
	return s, s.Transact(wire.Operation{
		Op: wire.OperationInsert, Table: "Open_vSwitch", Row: wire.Row{"ovs_version": "3.1.0", "db_version": "8.3.1"},
	})
}

func (s *Server) close() {
	s.relay.close()
	s.server.Close()
	<-s.served
}

// Endpoint is what to dial: "unix:…".
func (s *Server) Endpoint() string { return "unix:" + s.socket }

// Cut closes all connections, as a restart of the server does. Clients may
// connect again at once.
func (s *Server) Cut() { s.relay.cut(false) }

// Stop closes all connections and refuses new ones until Resume.
func (s *Server) Stop() { s.relay.cut(true) }

// Freeze stops answering without closing anything, as a hanging server does,
// until Resume.
func (s *Server) Freeze() { s.relay.freeze() }

// Resume ends Stop and Freeze.
func (s *Server) Resume() {
	s.relay.thaw()
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.relay.down = false
}

// Transact carries out operations in one transaction, past all sockets: for
// columns that only ovs-vswitchd writes.
func (s *Server) Transact(ops ...wire.Operation) error {
	args := make([]json.RawMessage, 0, len(ops)+1)
	for _, v := range wire.NewTransactArgs(database, ops...) {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode operation: %w", err)
		}
		args = append(args, b)
	}
	var results []*wire.OperationResult
	if err := s.server.Transact(nil, args, &results); err != nil {
		return fmt.Errorf("transact: %w", err)
	}
	for _, r := range results {
		if r != nil && r.Error != "" {
			return fmt.Errorf("transact: %s: %s", r.Error, r.Details)
		}
	}
	return nil
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
