package dhcp

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/upkeep"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
)

// kind is what is kept: the servers of networks, by the networks' ids.
var kind = upkeep.Kind{
	Noun: "network", Thing: "server", Changed: "dhcp server changed", Failed: "network cannot be served with DHCP",
	Drift: "dhcp", Prefix: "qdhcp-", Key: networkKey, Children: []string{childName("")}, Every: 2 * time.Minute,
}

// Config says what the loop works with.
type Config struct {
	upkeep.Config
	Options Options
}

// Loop owns the DHCP servers of the host. Use New, then Run.
type Loop struct {
	cfg    Config
	view   *View
	keeper *upkeep.Keeper[*network, *job]
}

// network is what the loop knows of one network.
type network struct {
	upkeep.Item
	want    *Server // nil: it is to go
	guarded bool    // the rules of its namespace are in order
	// newcomers watches its link; nil: nobody does.
	newcomers *newcomers
}

// Wanted reports whether the network is to be served here.
func (n *network) Wanted() bool { return n.want != nil }

// Problems are what of the records cannot be offered.
func (n *network) Problems() []model.Problem {
	if n.want == nil {
		return nil
	}
	var found []model.Problem
	for i, p := range n.want.Problems {
		object := fmt.Sprintf("network %s (%d)", n.ID, i+1)
		if p.PortID != "" {
			object = fmt.Sprintf("port %s (dhcp %d)", p.PortID, i+1)
		}
		found = append(found, model.Problem{Object: object, Text: p.Text})
	}
	return found
}

// New makes a loop that has done nothing yet.
func New(cfg Config) *Loop {
	l := &Loop{cfg: cfg, view: NewView()}
	l.keeper = upkeep.New[*network, *job](kind, &l.cfg.Config)
	return l
}

// Run works until ctx is done. It leaves the servers as they are.
func (l *Loop) Run(ctx context.Context) error {
	return l.keeper.Run(ctx, upkeep.Hooks[*job]{Take: l.take, Step: l.step, Finish: l.finish})
}

// take brings the records up to date and marks what follows from them.
func (l *Loop) take(u *rpc.Update) {
	touched := l.view.apply(u)
	l.keeper.Take(u)
	if u.Full {
		for id := range l.keeper.Objects {
			touched[id] = true
		}
	}
	for id := range touched {
		n := l.keeper.Objects[id]
		if n == nil {
			if l.view.Bindings[id] == nil {
				continue
			}
			n = &network{Item: upkeep.NewItem(id)}
			l.keeper.Objects[id] = n
		}
		n.Stale = true
	}
}

// describe compiles what has changed and has it worked on if that made a
// difference.
func (l *Loop) describe(n *network) {
	n.Stale = false
	in, here := l.view.Input(n.ID)
	var want *Server
	if here {
		want = Desired(in, l.cfg.Options)
	}
	if want != nil && n.want != nil && n.want.same(want) || want == nil && n.want == nil && n.Known() {
		if want != nil && n.Known() && n.Tried() && n.Trouble() == nil {
			l.report(n, n.want, nil) // maybe to a controller that is new
		}
		return
	}
	if n.want != nil {
		delete(l.keeper.Links, n.want.Port.Name)
	}
	if want != nil {
		l.keeper.Links[want.Port.Name] = n.ID
	}
	n.want = want
	n.Change()
}

// step has worked on what is due.
func (l *Loop) step(ctx context.Context, now time.Time) (next time.Time) {
	for _, n := range l.keeper.Objects {
		if n.Stale && !n.Busy() {
			l.describe(n)
		}
	}
	l.sweep()
	if !l.keeper.Prepare(ctx, func(n *network) []ovsdb.EnsurePort { return []ovsdb.EnsurePort{n.want.port(l.cfg.Bridge)} }) {
		return next
	}
	for _, n := range l.keeper.Sorted() {
		next = upkeep.Earlier(next, l.keeper.Tend(ctx, n, now, l.task))
	}
	return next
}

// sweep has those servers removed that went while no agent ran.
func (l *Loop) sweep() {
	found, ok := l.keeper.Leftovers()
	if !ok {
		return
	}
	dirs, err := os.ReadDir(filepath.Join(l.cfg.RunDir, "dhcp"))
	if err != nil && !os.IsNotExist(err) {
		l.cfg.Log.Warn("files of dnsmasq cannot be listed", zap.Error(err))
	}
	for _, d := range dirs {
		found[d.Name()] = true
	}
	for id := range found {
		if l.keeper.Objects[id] == nil {
			l.keeper.Objects[id] = &network{Item: upkeep.NewItem(id)}
		}
	}
}

// task is what a worker does for a network.
func (l *Loop) task(n *network) *job { return &job{cfg: &l.cfg, want: n.want, guarded: n.guarded} }

// finish takes what a worker made of a network.
func (l *Loop) finish(ctx context.Context, j *job) {
	n := l.keeper.Finish(j)
	n.guarded = j.guarded
	switch {
	case j.want == nil && j.Err == nil && !n.Stale && !n.Again():
		l.forget(n)
	case j.want != nil:
		if j.Err == nil && j.at != "" {
			l.welcome(ctx, n, j.want, j.at)
		}
		l.report(n, j.want, j.Err)
	}
}

// forget ends the life of a network whose server is gone.
func (l *Loop) forget(n *network) {
	n.unwatch()
	l.retract(n, nil)
	l.cfg.Controller.ReportObjects(model.ObjectStatus{Kind: model.ObjectDHCP, ID: n.ID, State: model.ObjectGone})
	if l.view.Bindings[n.ID] == nil {
		delete(l.keeper.Objects, n.ID)
	}
}

// report tells the controller what became of the server and of the ports that it
// answers, as far as that is news. The ports come first: from the time that the
// server is there, ports wait for it.
func (l *Loop) report(n *network, s *Server, err error) {
	state, text := model.ObjectActive, ""
	if err != nil {
		state, text = model.ObjectError, err.Error()
	}
	var all []model.ObjectStatus
	if err == nil {
		for _, id := range s.Serves {
			all = append(all, model.ObjectStatus{Kind: model.ObjectDHCPPort, ID: id, State: model.ObjectActive})
		}
	}
	all = append(all, model.ObjectStatus{Kind: model.ObjectDHCP, ID: n.ID, State: state, Error: text})
	news, told := n.News(all)
	if err != nil { // what it had, it may still have
		for key, st := range n.Reported {
			if st.Kind == model.ObjectDHCPPort {
				told[key] = st
			}
		}
	}
	l.retract(n, told)
	n.Reported = told
	if len(news) > 0 {
		l.cfg.Controller.ReportObjects(news...)
	}
}

// retract takes back what was told of ports that are not among those now.
func (l *Loop) retract(n *network, now map[string]model.ObjectStatus) {
	var gone []model.ObjectStatus
	for _, key := range slices.Sorted(maps.Keys(n.Reported)) {
		if st := n.Reported[key]; st.Kind == model.ObjectDHCPPort && now[key].ID == "" {
			st.State = model.ObjectGone
			gone = append(gone, st)
		}
	}
	n.Reported = nil
	if len(gone) > 0 {
		l.cfg.Controller.ReportObjects(gone...)
	}
}
