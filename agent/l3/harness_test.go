package l3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/upkeep"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a machine with a real Open vSwitch, guests and a loop. In the place
// of the pipeline its br-int switches by VLAN tags, one for each network.
type host struct {
	t      *testing.T
	sw     *ovstest.Switch
	ns     string // where Open vSwitch runs
	runDir string
	owner  string
	db     *tagging
	view   *View // what the loop is told, changed by the test

	con  *controller
	stop func()
}

// controller is the loop's end of a feed, as far as a test looks at it.
type controller struct {
	updates  chan rpc.Update
	revision int64

	mu       sync.Mutex
	problems []model.Problem
	acked    int64
	states   map[string]model.ObjectStatus
}

func (c *controller) Updates() <-chan rpc.Update { return c.updates }
func (c *controller) SetDevices(int, bool)       {}

func (c *controller) Ack(r int64) { c.mu.Lock(); defer c.mu.Unlock(); c.acked = r }

func (c *controller) SetProblems(p []model.Problem) { c.mu.Lock(); defer c.mu.Unlock(); c.problems = p }

func (c *controller) ReportObjects(list ...model.ObjectStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range list {
		c.states[s.Key()] = s
	}
}

// state is what was reported of an object.
func (c *controller) state(k model.ObjectKind, id string) model.ObjectState {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := model.ObjectStatus{Kind: k, ID: id}
	return c.states[s.Key()].State
}

// tagging does what agent/wire does for ports that are bound here: it gives
// each the tag of its network. It counts what is written.
type tagging struct {
	*ovsdb.Client
	mu     sync.Mutex
	tags   map[string]int // by link
	writes int
	// keeps has ports not deleted, as a database that does not answer would.
	keeps bool
}

func (d *tagging) Commit(ctx context.Context, ops ...ovsdb.Op) error {
	d.mu.Lock()
	before := d.Client.State()
	for _, op := range ops {
		switch o := op.(type) {
		case ovsdb.EnsurePort:
			if _, ok := before.Ports[o.Name]; !ok {
				d.writes++
			}
			if tag := d.tags[o.Name]; tag != 0 {
				ops = append(ops, ovsdb.SetPortTag{Port: o.Name, Tag: tag})
			}
		case ovsdb.DeletePort:
			if d.keeps {
				d.mu.Unlock()
				return errors.New("the database keeps its ports")
			}
			d.writes++
		default:
			d.writes++
		}
	}
	d.mu.Unlock()
	return d.Client.Commit(ctx, ops...)
}

func (d *tagging) keep(on bool) { d.mu.Lock(); defer d.mu.Unlock(); d.keeps = on }

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, sw: ovstest.Start(t), runDir: t.TempDir(), owner: "lepton test " + uuid.NewString(), view: NewView("hv1")}
	h.ns = linuxtest.Name(t)
	pid := strings.Split(h.sw.NetnsPath(), "/")[2]
	if out, err := linuxtest.Local("ip", "netns", "attach", h.ns, pid); err != nil {
		t.Fatalf("attach: %v: %s", err, out)
	}
	linuxtest.Run(t, h.ns, "ip", "link", "set", "lo", "alias", linuxtest.Owner)
	h.sw.AddBridge("br-int")
	h.sw.AddFlows("br-int", "priority=0,actions=NORMAL\n")
	db, err := ovsdb.Dial(context.Background(), h.sw.DB(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	h.db = &tagging{Client: db, tags: map[string]int{}}
	t.Cleanup(func() {
		if h.stop != nil {
			h.stop()
		}
		h.wipe()
		db.Close()
	})
	return h
}

// wipe removes all that the loop made, by a loop that has no routers.
func (h *host) wipe() {
	h.start()
	h.send(func(v *View) {}, true, NewView("hv1"))
	deadline := time.Now().Add(20 * time.Second)
	for ; time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if len(h.namespaces()) == 0 {
			break
		}
	}
	if left := h.namespaces(); len(left) > 0 {
		h.t.Errorf("left behind: %v", left)
	}
	h.stop()
	h.stop = nil
}

// namespaces are those of this host's routers.
func (h *host) namespaces() []string {
	var out []string
	names, _ := netns.List(kind.Prefix)
	for _, n := range names {
		if owner, exists, err := netns.Owner(n); err == nil && exists && owner == h.owner {
			out = append(out, n)
		}
	}
	return out
}

// start begins a loop, as an agent that starts does.
func (h *host) start() {
	h.t.Helper()
	children, err := child.New(h.runDir+"/children", zap.NewNop())
	if err != nil {
		h.t.Fatal(err)
	}
	h.con = &controller{updates: make(chan rpc.Update), states: map[string]model.ObjectStatus{}}
	log := zap.NewNop()
	if testing.Verbose() {
		log = zap.NewExample()
	}
	l := New(Config{Config: upkeep.Config{
		Host: "hv1", Owner: h.owner, Bridge: "br-int", SwitchNamespace: h.ns, RunDir: h.runDir, DB: h.db,
		Children: children, Controller: h.con, Log: log,
	}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.Run(ctx) }()
	h.stop = func() { cancel(); <-done; children.Close() }
}

// send changes the view and tells the loop of it: all that it then holds, and
// what it no longer does.
func (h *host) send(change func(*View), full bool, view *View) {
	h.t.Helper()
	h.con.revision++
	u := rpc.Update{Full: full, Revision: h.con.revision}
	forget(&u, view)
	change(view)
	fill(&u, view)
	if full {
		u.Deleted = rpc.Refs{}
	}
	select {
	case h.con.updates <- u:
	case <-time.After(20 * time.Second):
		h.t.Fatal("the loop takes no update")
	}
}

func fill(u *rpc.Update, v *View) {
	u.Networks = slices.Collect(maps.Values(v.Networks))
	u.Subnets = slices.Collect(maps.Values(v.Subnets))
	u.Ports = slices.Collect(maps.Values(v.Ports))
	u.Routers = slices.Collect(maps.Values(v.Routers))
	u.RouterBindings = slices.Collect(maps.Values(v.Bindings))
	u.FloatingIPs = slices.Collect(maps.Values(v.FloatingIPs))
	u.PortForwardings = slices.Collect(maps.Values(v.Forwardings))
	u.ConntrackHelpers = slices.Collect(maps.Values(v.Helpers))
	u.QoSPolicies = slices.Collect(maps.Values(v.Policies))
	u.SubnetPools = slices.Collect(maps.Values(v.Pools))
	gone := func(list *[]string, has func(string) bool) { *list = slices.DeleteFunc(*list, has) }
	gone(&u.Deleted.FloatingIPs, func(id string) bool { return v.FloatingIPs[id] != nil })
	gone(&u.Deleted.PortForwardings, func(id string) bool { return v.Forwardings[id] != nil })
	gone(&u.Deleted.ConntrackHelpers, func(id string) bool { return v.Helpers[id] != nil })
	gone(&u.Deleted.Routers, func(id string) bool { return v.Routers[id] != nil })
	gone(&u.Deleted.Ports, func(id string) bool { return v.Ports[id] != nil })
}

// forget names what there is; fill takes those out that stay.
func forget(u *rpc.Update, v *View) {
	u.Deleted.FloatingIPs = slices.Collect(maps.Keys(v.FloatingIPs))
	u.Deleted.PortForwardings = slices.Collect(maps.Keys(v.Forwardings))
	u.Deleted.ConntrackHelpers = slices.Collect(maps.Keys(v.Helpers))
	u.Deleted.Routers = slices.Collect(maps.Keys(v.Routers))
	u.Deleted.Ports = slices.Collect(maps.Keys(v.Ports))
}

// begin tells everything, as a snapshot does.
func (h *host) begin() { h.t.Helper(); h.send(func(*View) {}, true, h.view) }

// change tells a difference.
func (h *host) change(f func(*View)) { h.t.Helper(); h.send(f, false, h.view) }

func (h *host) problem() string {
	h.con.mu.Lock()
	defer h.con.mu.Unlock()
	return fmt.Sprint(h.con.problems)
}

// guest makes a namespace with an internal port of br-int in it.
func (h *host) guest(tag int, gateway string, addrs ...string) string {
	h.t.Helper()
	ns := linuxtest.Namespace(h.t)
	link := "g" + ns[3:]
	h.sw.Vsctl("add-port", "br-int", link, fmt.Sprintf("tag=%d", tag), "--", "set", "interface", link, "type=internal")
	if err := netns.MoveLink(link, h.ns, ns); err != nil {
		h.t.Fatal(err)
	}
	for _, a := range addrs {
		args := []string{"ip", "addr", "add", a, "dev", link}
		if strings.Contains(a, ":") {
			args = append(args, "nodad")
		}
		linuxtest.Run(h.t, ns, args...)
	}
	linuxtest.Run(h.t, ns, "ip", "link", "set", link, "up")
	if gateway != "" {
		linuxtest.Run(h.t, ns, "ip", "route", "add", "default", "via", gateway)
	}
	return ns
}

// serve answers connections to a TCP port of the guest with the address that
// they come from, and echoes what is sent afterwards.
func (h *host) serve(ns string, port int) {
	h.t.Helper()
	var l net.Listener
	err := netns.Do(ns, func() (err error) {
		l, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	h.t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				from, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				fmt.Fprintln(c, netip.MustParseAddr(from).Unmap())
				_, _ = io.Copy(c, c)
			})
		}
	})
}

// dial connects from a guest and gives whom the other end takes it for.
func dial(ns, to string) (net.Conn, string, error) {
	var c net.Conn
	err := netns.Do(ns, func() (err error) {
		c, err = net.DialTimeout("tcp", to, time.Second)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	var seen string
	if _, err := fmt.Fscanln(c, &seen); err != nil {
		c.Close()
		return nil, "", err
	}
	return c, seen, nil
}

// seenAs connects until it works, at most ten seconds, and demands what the
// other end sees.
func (h *host) seenAs(ns, to, want string) {
	h.t.Helper()
	var got string
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var c net.Conn
		if c, got, err = dial(ns, to); err == nil {
			c.Close()
			if got == want {
				return
			}
		}
	}
	h.t.Errorf("connection to %s is seen as %q, wanted %q: %v; problems %s", to, got, want, err, h.problem())
}

// refused demands that no connection comes about.
func (h *host) refused(ns, to string) {
	h.t.Helper()
	if c, seen, err := dial(ns, to); err == nil {
		c.Close()
		h.t.Errorf("a connection to %s came about, seen as %s", to, seen)
	}
}

func (h *host) await(what string, ready func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ready() {
			return
		}
	}
	h.t.Fatalf("wait for %s: not there; problems %s", what, h.problem())
}
