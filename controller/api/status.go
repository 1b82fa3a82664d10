package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
)

// CloudStatus tells of what the records do not: the controllers and the store.
type CloudStatus interface {
	Controllers() []ControllerState
	// Embedded reports whether the store is inside the controller.
	Embedded() bool
	Members(ctx context.Context) ([]store.Member, error)
}

// ControllerState is a controller as this one sees it.
type ControllerState struct {
	model.Controller
	Alive  bool
	Silent time.Duration // since its last sign of life
	Self   bool          // the one that answers
}

// statusEndpoint serves /v2.0/lepton-status (extension lepton-status), for
// administrators: controllers, store, agents, and the ports that are not wired.
// docs/extensions.md has its form.
type statusEndpoint struct {
	api    *API
	rights policy.Resource
}

func newStatus(a *API) endpoint { return statusEndpoint{api: a, rights: policy.Of("lepton_status")} }

func (e statusEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	switch {
	case len(rest) > 1 || len(rest) == 1 && rest[0] != "ports" || e.api.config.Status == nil:
		return response{}, errNoPath
	case rq.http.Method != http.MethodGet:
		return response{}, errMethod
	case !rq.who.Admin:
		return response{}, forbidden("get_" + e.rights.Name)
	case len(rest) == 1:
		return e.ports(ctx, rq)
	case len(rq.query.parameters) > 0:
		return response{}, badRequest("Unrecognized parameter '%s': there are none.", clip(rq.query.parameters[0].name))
	}
	return e.status(ctx)
}

// status answers also while the store does not: with what this controller saw
// last.
func (e statusEndpoint) status(ctx context.Context) (response, error) {
	st := e.store(ctx)
	var parts object
	take := func(r records.Reader) error {
		parts = object{{"agents", e.agents(r)}, {"ports", countPorts(r)}}
		return nil
	}
	current := true
	if err := e.api.read(ctx, take); err != nil {
		current = false
		if err := e.api.config.DB.ReadStale(take); err != nil {
			return response{}, err
		}
	}
	var controllers []object
	err := e.api.config.DB.ReadStale(func(r records.Reader) error {
		controllers = e.controllers(r)
		return nil
	})
	body := append(object{{"current", current}, {"controllers", controllers}, {"store", st}}, parts...)
	return response{status: http.StatusOK, body: appendObject(nil, object{{"lepton_status", body}})}, err
}

func (e statusEndpoint) controllers(r records.Reader) []object {
	held := map[string][]string{}
	for d := range records.Duties.All(r) {
		held[d.Holder] = append(held[d.Holder], d.Name)
	}
	out := []object{}
	for _, c := range e.api.config.Status.Controllers() {
		duties := []string{}
		for holder, names := range held {
			if name, _, _ := cutLast(holder, "/"); name == c.Name {
				duties = append(duties, names...)
			}
		}
		slices.Sort(duties)
		out = append(out, object{
			{"name", c.Name},
			{"version", c.Version},
			{"alive", c.Alive},
			{"silent_seconds", int(c.Silent.Seconds())},
			{"started_at", c.StartedAt},
			{"api", c.API},
			{"rpc", c.RPC},
			{"duties", duties},
			{"answers", c.Self},
		})
	}
	return out
}

// cutLast cuts a text at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	for i := len(s) - len(sep); i >= 0; i-- {
		if s[i:i+len(sep)] == sep {
			return s[:i], s[i+len(sep):], true
		}
	}
	return s, "", false
}

func (e statusEndpoint) store(ctx context.Context) object {
	kind := "cluster"
	if e.api.config.Status.Embedded() {
		kind = "embedded"
	}
	members, err := e.api.config.Status.Members(ctx)
	healthy, text := err == nil, ""
	if err != nil {
		text = err.Error()
	}
	all := []object{}
	for _, m := range members {
		healthy = healthy && m.Error == ""
		all = append(all, object{
			{"name", m.Name},
			{"endpoints", list(m.Endpoints)},
			{"leader", m.Leader},
			{"version", m.Version},
			{"size", m.Size},
			{"size_in_use", m.InUse},
			{"revision", m.Revision},
			{"error", m.Error},
		})
	}
	return object{{"kind", kind}, {"healthy", healthy}, {"error", text}, {"revision", e.api.config.DB.Revision()}, {"members", all}}
}

// agents gives one entry for each host.
func (e statusEndpoint) agents(r records.Reader) []object {
	out := []object{}
	for a := range records.Agents.All(r) {
		problems := []string{}
		for _, p := range a.Problems {
			problems = append(problems, p.Object+": "+p.Text)
		}
		behind := 0
		for st := range records.PortStatusesByHost.Get(r, a.Host) {
			if p, ok := records.Ports.Get(r, st.PortID); ok && p.Host == a.Host && st.Revision < p.Revision {
				behind++
			}
		}
		out = append(out, object{
			{"host", a.Host},
			{"roles", list(a.Roles)},
			{"version", a.Version},
			{"alive", a.Alive(time.Now(), e.api.config.AgentDownTime)},
			{"heartbeat_at", a.HeartbeatAt},
			{"admin_state_up", a.AdminStateUp},
			{"in_sync", a.InSync},
			{"devices", a.Devices},
			{"ports_behind", behind},
			{"problems", problems},
		})
	}
	return out
}

// maxMissing bounds how many ports that are not wired the status names.
const maxMissing = 20

func countPorts(r records.Reader) object {
	total, bound, missed, named := 0, 0, 0, []object{}
	for p := range records.Ports.All(r) {
		total++
		if p.Host != "" {
			bound++
		}
		if !missing(r, p) {
			continue
		}
		if missed++; len(named) < maxMissing {
			named = append(named, wiredPort(r, p))
		}
	}
	return object{{"total", total}, {"bound", bound}, {"not_wired", missed}, {"first_not_wired", named}}
}
