package l3

import (
	"context"
	"fmt"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/upkeep"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
)

// kind is what is kept.
var kind = upkeep.Kind{
	Noun: "router", Thing: "router", Changed: "router changed", Failed: "router cannot be realised",
	Drift: "router", Prefix: "qrouter-", Key: routerKey, Every: 5 * time.Minute,
	Children: []string{radvdName(""), keepalivedName(""), conntrackdName("")},
}

// Config says what the loop works with.
type Config struct {
	upkeep.Config
	// Connected says that a controller can be asked, nil that none can.
	Connected func() bool
}

// Loop owns the routers of the host. Use New, then Run.
type Loop struct {
	cfg    Config
	view   *View
	keeper *upkeep.Keeper[*router, *job]
	vrrp   chan string // ids of ha routers of which keepalived has news
	asks   bool        // there is a controller to ask about ha routers
}

// router is what the loop knows of one router.
type router struct {
	upkeep.Item
	want     *Namespace // nil: it is to go
	announce []announcement

	// Of an ha router: the host's part, when it is to be thought over, what the
	// controller was told of it, and whether the router's links may be up.
	part     *part
	decide   time.Time
	saidPart model.ObjectStatus
	forwards bool
	// refreshed is when the router last showed itself on its links.
	refreshed time.Time
}

// Wanted reports whether the router is to be here.
func (r *router) Wanted() bool { return r.want != nil }

// Problems are what of the records is left out.
func (r *router) Problems() []model.Problem {
	if r.want == nil {
		return nil
	}
	var found []model.Problem
	for i, text := range r.want.Problems {
		found = append(found, model.Problem{Object: fmt.Sprintf("router %s (%d)", r.ID, i+1), Text: text})
	}
	return found
}

// New makes a loop that has done nothing yet.
func New(cfg Config) *Loop {
	l := &Loop{cfg: cfg, view: NewView(cfg.Host), vrrp: make(chan string, 64)}
	l.keeper = upkeep.New[*router, *job](kind, &l.cfg.Config)
	return l
}

// Run works until ctx is done. It leaves the routers as they are.
func (l *Loop) Run(ctx context.Context) error {
	l.keeper.Go(func() {
		if err := followVRRP(ctx, l.cfg.RunDir, l.vrrp); err != nil {
			l.cfg.Log.Error("states of ha routers are not followed", zap.Error(err))
		}
	})
	return l.keeper.Run(ctx, upkeep.Hooks[*job]{Take: l.take, Step: l.step, Finish: l.finish, Events: l.vrrp, Heard: l.onVRRP})
}

// take brings the records and what follows from them up to date.
func (l *Loop) take(u *rpc.Update) {
	touched := l.view.Apply(u)
	l.keeper.Take(u)
	if u.Full {
		for id, r := range l.keeper.Objects {
			touched[id] = true
			r.saidPart = model.ObjectStatus{} // a controller that is new to us is told everything
		}
	}
	if !l.keeper.Complete() {
		return
	}
	for id := range touched {
		l.describe(id)
	}
}

// describe compiles a router anew and has it worked on if that made a
// difference.
func (l *Loop) describe(id string) {
	r := l.keeper.Objects[id]
	in, here := l.view.Input(id)
	switch {
	case !here && r == nil:
		return
	case r == nil:
		r = &router{Item: upkeep.NewItem(id)}
		l.keeper.Objects[id] = r
	}
	var want *Namespace
	if here {
		l.decideHA(r, &in)
		defer l.reportHA(r)
		n := Desired(in)
		want = &n
	}
	if r.Known() && !r.Busy() && want != nil && r.want != nil && r.want.same(want) {
		r.want = want // revisions may be new
		if r.Tried() {
			l.report(r, r.Trouble())
		}
		return
	}
	maps.DeleteFunc(l.keeper.Links, func(_, owner string) bool { return owner == id })
	if want != nil {
		for _, p := range want.Ports {
			l.keeper.Links[p.Name] = id
		}
	}
	r.want = want
	r.Change()
}

// step has worked on what is due.
func (l *Loop) step(ctx context.Context, now time.Time) (next time.Time) {
	l.sweep()
	if !l.keeper.Prepare(ctx, func(r *router) []ovsdb.EnsurePort { return r.want.ports(l.cfg.Bridge) }) {
		return next
	}
	next = l.lookAtController(now)
	for _, r := range l.keeper.Sorted() {
		if !r.decide.IsZero() && !r.decide.After(now) {
			l.describe(r.ID)
		}
		next = upkeep.Earlier(next, r.decide)
		next = upkeep.Earlier(next, l.keeper.Tend(ctx, r, now, l.task))
		if !r.Busy() {
			next = upkeep.Earlier(next, l.announceDue(r, now))
		}
	}
	return next
}

// sweep has those routers removed that went while no agent ran.
func (l *Loop) sweep() {
	found, _ := l.keeper.Leftovers()
	for id := range found {
		if l.keeper.Objects[id] == nil {
			l.keeper.Objects[id] = &router{Item: upkeep.NewItem(id)}
		}
	}
}

// task is what a worker does for a router.
func (l *Loop) task(r *router) *job { return &job{cfg: &l.cfg, want: r.want} }

// finish takes what a worker made of a router.
func (l *Loop) finish(_ context.Context, j *job) {
	r := l.keeper.Finish(j)
	now := time.Now()
	for _, a := range j.appeared {
		if a.Prefix == metadataV6 {
			continue // others may have it, and guests who talk to them
		}
		r.announce = append(r.announce, announcement{link: a.Link, addr: a.Prefix.Addr(), at: now})
	}
	if r.want == nil && j.Err == nil && !r.Again() {
		for _, of := range []model.ObjectKind{model.ObjectRouter, model.ObjectRouterHA} {
			l.cfg.Controller.ReportObjects(model.ObjectStatus{Kind: of, ID: r.ID, State: model.ObjectGone})
		}
		delete(l.keeper.Objects, r.ID)
		return
	}
	r.onRealised(j.Err)
	l.report(r, j.Err)
	l.reportHA(r)
}

// report tells the controller what became of the router and its floating
// addresses, as far as that is news.
func (l *Loop) report(r *router, err error) {
	if r.want == nil || r.Again() {
		return
	}
	state, text := model.ObjectActive, ""
	if r.want.HA != nil && !r.want.HA.Active {
		state = model.ObjectStandby
	}
	if err != nil {
		state, text = model.ObjectError, err.Error()
	}
	statuses := []model.ObjectStatus{{Kind: model.ObjectRouter, ID: r.ID, Revision: r.want.Revision, State: state, Error: text}}
	for _, f := range r.want.Floating {
		statuses = append(statuses, model.ObjectStatus{Kind: model.ObjectFloatingIP, ID: f.ID, Revision: f.Revision, State: state, Error: text})
	}
	var news []model.ObjectStatus
	if news, r.Reported = r.News(statuses); len(news) > 0 {
		l.cfg.Controller.ReportObjects(news...)
	}
}
