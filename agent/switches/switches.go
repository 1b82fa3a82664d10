// Package switches finds the OpenFlow connection to a bridge. A bridge can be
// reached in two ways:
//
//	agent ── dials ──► RUN_DIR/<bridge>.mgmt        at once, also after a restart
//	agent ◄── dials ── bridge (its controller row)  when the switch's back-off ends
//
// The first is used where the management socket exists, so that an agent that
// restarts does not wait for the switch. The second serves switches whose
// sockets are out of reach, and shows in `ovs-vsctl show` that the bridge has
// its controller.
package switches

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/wire"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/pipeline"
)

// Config says how bridges are reached.
type Config struct {
	// Address is where the bridges' controller listens, host:port.
	Address string
	// RunDir holds the management sockets, <bridge>.mgmt, and the daemon's
	// control socket.
	RunDir string
	// Names gives the name of the bridge with a datapath id, "" when it is not
	// known (yet).
	Names func(dpid uint64) string
	Log   *zap.Logger
}

// Hub knows the bridges that are connected. It is safe for concurrent use.
type Hub struct {
	cfg Config
	ln  *ofp.Listener

	mu    sync.Mutex
	conns map[uint64]*ofp.Conn // by datapath id
}

// Listen opens the controller's address. Run serves it.
func Listen(ctx context.Context, cfg Config) (*Hub, error) {
	ln, err := ofp.Listen(ctx, cfg.Address, cfg.Log)
	if err != nil {
		return nil, err
	}
	return &Hub{cfg: cfg, ln: ln, conns: map[uint64]*ofp.Conn{}}, nil
}

// Run accepts bridges until ctx is done.
func (h *Hub) Run(ctx context.Context) error {
	return h.ln.Serve(ctx, h.keep)
}

// maxSwitches bounds the bridges that are connected at once. Whoever runs
// something on the host may call itself one, by any number.
const maxSwitches = 64

// keep holds a bridge's connection as long as it lives, or until the bridge makes
// another one.
func (h *Hub) keep(ctx context.Context, dpid uint64, c *ofp.Conn) {
	h.mu.Lock()
	old := h.conns[dpid]
	if old == nil && len(h.conns) >= maxSwitches {
		h.mu.Unlock()
		h.cfg.Log.Warn("refuse switch: too many are connected", zap.String("datapath_id", fmt.Sprintf("%016x", dpid)))
		return
	}
	h.conns[dpid] = c
	h.mu.Unlock()
	if old != nil {
		_ = old.Close() // gives no error
	}
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.conns[dpid] == c {
			delete(h.conns, dpid)
		}
	}()
	select {
	case <-ctx.Done():
	case <-c.Done():
	}
}

// connected gives the connection that the bridge made to the controller.
func (h *Hub) connected(bridge string) *ofp.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	for dpid, c := range h.conns {
		if h.cfg.Names(dpid) == bridge {
			return c
		}
	}
	return nil
}

// accepted is how long Dial waits for a bridge without a management socket
// between two looks.
const accepted = 100 * time.Millisecond

// Dial gives a connection to the bridge: to its management socket, or else
// the one that it made itself, for which it waits until ctx is done.
func (h *Hub) Dial(ctx context.Context, bridge string) (wire.Switch, error) {
	c, err := h.dial(ctx, bridge)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Stats reads the flows of a bridge that f chooses, with their counters, over a
// connection of its own where the bridge has a management socket. It waits for
// the bridge until ctx is done.
func (h *Hub) Stats(ctx context.Context, bridge string, f ofp.Filter) ([]ofp.FlowStat, error) {
	c, err := h.dial(ctx, bridge)
	if err != nil {
		return nil, err
	}
	list, err := c.DumpStats(ctx, f)
	return list, errors.Join(err, c.Close())
}

func (h *Hub) dial(ctx context.Context, bridge string) (*conn, error) {
	for {
		c, err := ofp.Dial(ctx, "unix", filepath.Join(h.cfg.RunDir, bridge+".mgmt"))
		if err == nil {
			return &conn{Conn: c, own: true, runDir: h.cfg.RunDir, log: h.cfg.Log}, nil
		}
		if c := h.connected(bridge); c != nil {
			return &conn{Conn: c, runDir: h.cfg.RunDir, log: h.cfg.Log}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("connect to bridge %s: %w", bridge, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to bridge %s: no management socket in %s, and it has not called its controller: %w", bridge, h.cfg.RunDir, errors.Join(err, ctx.Err()))
		case <-time.After(accepted):
		}
	}
}

// conn is a connection as the layer-2 loop uses it.
type conn struct {
	*ofp.Conn
	own bool // dialled by Dial, so it is Close's to end
	// runDir has the control socket of the switch's daemon.
	runDir string
	log    *zap.Logger
}

// Flows gives the flows that carry Lepton's mark.
func (c *conn) Flows(ctx context.Context) ([]flows.Rule, error) {
	f := ofp.AllFlows
	f.Cookie, f.CookieMask = pipeline.Mark()
	return c.DumpFlows(ctx, f)
}

// Apply installs and deletes flows in one bundle. A deletion takes whatever flow
// of Lepton's is in the rule's place: of several changes that were made of a flow
// before the switch took any, only the last one is sent, and its cookie may not
// be that of the flow that the switch still has. A foreign flow stays.
func (c *conn) Apply(ctx context.Context, add, del []flows.Rule) error {
	_, mask := pipeline.Mark()
	return c.ApplyChanges(ctx, ofp.Changes{Add: add, Delete: del, DeleteMask: mask})
}

// Close ends a connection that Dial made; one that the bridge made stays.
func (c *conn) Close() error {
	if !c.own {
		return nil
	}
	return c.Conn.Close()
}

// Forget deletes all flows with exactly one of the cookies.
func (c *conn) Forget(ctx context.Context, cookies []uint64) error {
	for _, cookie := range cookies {
		f := ofp.AllFlows
		f.Cookie, f.CookieMask = cookie, ^uint64(0)
		gone, err := c.DumpFlows(ctx, f)
		if err != nil {
			return fmt.Errorf("read flows with cookie %#x: %w", cookie, err)
		}
		if err := c.Apply(ctx, nil, gone); err != nil {
			return fmt.Errorf("delete flows with cookie %#x: %w", cookie, err)
		}
	}
	return nil
}

// touchFrame is a broadcast of an experimental EtherType (IEEE 802, 9.2.3)
// that says nothing, from a locally administered address.
var touchFrame = append([]byte{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x1e, 0x00, 0x00, 0x00, 0x01, 0x88, 0xb5,
}, make([]byte, 46)...)

// Touch sends a frame out of the ports with tunnel id 0, which no network has:
// the other end drops it.
func (c *conn) Touch(ctx context.Context, ports []uint32) error {
	for _, port := range ports {
		err := c.PacketOut(ctx, ofp.PacketOut{
			InPort: flows.PortController, Data: touchFrame,
			Actions: []flows.Action{flows.SetU(flows.TunID, 0), flows.Output{Port: port}},
		})
		if err != nil {
			return fmt.Errorf("send into tunnel port %d: %w", port, err)
		}
	}
	return nil
}
