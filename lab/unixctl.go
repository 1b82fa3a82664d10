package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"
)

// introduce tells a host's Open vSwitch the MACs of all other tunnel
// addresses. Its own tunnels drop the first packets to an address that they
// have yet to resolve, which no operator of a lab should have to know. An entry
// that is not used for an hour is forgotten, and learned the ordinary way.
func (l *Lab) introduce(ctx context.Context, h HostPlan) error {
	if l.plan.datapathType() != "netdev" {
		return nil // the kernel's tunnels keep packets while it resolves
	}
	s, err := l.ledger.read()
	if err != nil {
		return err
	}
	p, _ := s.process(h.Name, ovsVswitchd)
	c, err := dialUnixctl(ctx, filepath.Join(h.ovsDir(), ovsVswitchd+"."+strconv.Itoa(p.PID)+".ctl"))
	if err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	defer c.conn.Close()
	if _, err := c.call("tnl/neigh/aging", "3600"); err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	for _, peer := range l.plan.Hosts {
		if peer.Name == h.Name {
			continue
		}
		if _, err := c.call("tnl/neigh/set", underlayBridge, peer.Tunnel.Addr().String(), peer.underlayMAC()); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return nil
}

// unixctl is a connection to a daemon's control socket: what ovs-appctl(8)
// speaks, JSON-RPC 1.0 with one string as the answer.
type unixctl struct {
	conn net.Conn
	in   *json.Decoder
	out  *json.Encoder
}

func dialUnixctl(ctx context.Context, path string) (*unixctl, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("reach the control socket: %w", err)
	}
	return &unixctl{conn: conn, in: json.NewDecoder(conn), out: json.NewEncoder(conn)}, nil
}

// call runs a command and gives what it prints.
func (u *unixctl) call(method string, params ...string) (string, error) {
	type request struct {
		ID     int      `json:"id"`
		Method string   `json:"method"`
		Params []string `json:"params"`
	}
	var answer struct {
		Result *string `json:"result"`
		Error  *string `json:"error"`
	}
	err := u.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if err == nil {
		err = u.out.Encode(request{Method: method, Params: params})
	}
	if err == nil {
		err = u.in.Decode(&answer)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("ovs-appctl %s %v: %w", method, params, err)
	case answer.Error != nil:
		return "", fmt.Errorf("ovs-appctl %s %v: %s", method, params, *answer.Error)
	case answer.Result == nil:
		return "", nil
	}
	return *answer.Result, nil
}
