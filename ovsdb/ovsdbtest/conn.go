package ovsdbtest

import (
	"encoding/json"
	"fmt"
	"net"

	wire "github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// outgoing bounds the messages that wait for a client that does not read;
// beyond it the connection is closed.
const outgoing = 4096

// conn is one client's connection.
type conn struct {
	net.Conn
	out      chan []byte
	done     chan struct{}                             // closed when the reader ends
	monitors map[string]map[string]wire.MonitorRequest // by monitor id; guarded by Server.mu
}

func (s *Server) accept() {
	defer s.running.Done()
	for {
		raw, err := s.listener.Accept()
		if err != nil {
			return
		}
		c := &conn{
			Conn: raw, out: make(chan []byte, outgoing), done: make(chan struct{}),
			monitors: map[string]map[string]wire.MonitorRequest{},
		}
		s.mu.Lock()
		refused := s.down
		if !refused {
			s.conns[c] = struct{}{}
			s.running.Add(2)
		}
		s.mu.Unlock()
		if refused {
			raw.Close()
			continue
		}
		go s.read(c)
		go s.write(c)
	}
}

type request struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

func (s *Server) read(c *conn) {
	defer s.running.Done()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		c.Close()
		close(c.done)
	}()
	dec := json.NewDecoder(c)
	for {
		var r request
		if err := dec.Decode(&r); err != nil {
			return
		}
		s.hold()
		if r.Method == "" { // an answer to nothing that was asked
			continue
		}
		if !s.answer(c, r) {
			return
		}
	}
}

// answer carries out a request and answers it, one at a time; false when the
// connection was cut.
func (s *Server) answer(c *conn, r request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; !ok {
		return false
	}
	result, err := s.handle(c, r)
	reply := map[string]any{"id": r.ID, "result": result, "error": nil}
	if err != nil {
		reply["result"], reply["error"] = nil, err.Error()
	}
	c.send(reply)
	return true
}

func (s *Server) write(c *conn) {
	defer s.running.Done()
	for {
		select {
		case b := <-c.out:
			s.hold()
			if _, err := c.Write(b); err != nil {
				c.Close()
				return
			}
		case <-c.done:
			return
		}
	}
}

func (c *conn) send(message any) {
	b, err := json.Marshal(message)
	if err != nil {
		c.Close()
		return
	}
	select {
	case c.out <- b:
	default:
		c.Close()
	}
}

// handle carries out one request (RFC 7047, section 4.1). The caller holds mu.
func (s *Server) handle(c *conn, r request) (any, error) {
	switch r.Method {
	case "echo":
		return r.Params, nil
	case "list_dbs":
		return []string{databaseName}, nil
	case "get_schema":
		return json.RawMessage(schemaText), nil
	case "monitor":
		return s.monitor(c, r.Params)
	case "transact":
		var ops []wire.Operation
		for _, raw := range r.Params[min(1, len(r.Params)):] {
			var op wire.Operation
			if err := json.Unmarshal(raw, &op); err != nil {
				return nil, err
			}
			ops = append(ops, op)
		}
		return s.transact(ops), nil
	}
	return nil, fmt.Errorf("unknown method %s", r.Method)
}
