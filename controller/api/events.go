package api

import (
	"context"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/controller/plugin"
)

// Bounds of reading the journal: maxReaders requests read it at once, and one
// request gives maxEvents, and looks at maxScanned, before it tells the client to
// go on with the next page.
const (
	maxReaders = 8
	maxEvents  = 1000
	maxScanned = 20_000
)

// eventList serves /v2.0/lepton-events (extension lepton-events): who changed
// what, and which hosts applied it when; docs/extensions.md lists the members and
// the filters. The newest event comes first.
type eventList struct{ api *API }

func (e eventList) methods([]string) []string { return []string{http.MethodGet, http.MethodOptions} }

func (e eventList) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	switch {
	case len(rest) > 1:
		return response{}, errNoPath
	case rq.http.Method != http.MethodGet:
		return response{}, errMethod
	}
	select {
	case e.api.readers <- struct{}{}:
		defer func() { <-e.api.readers }()
	default:
		return response{}, errBusy
	}
	if len(rest) == 1 && rest[0] != "" {
		return e.show(ctx, rq, rest[0])
	}
	return e.list(ctx, rq)
}

func (e eventList) show(ctx context.Context, rq *request, id string) (response, error) {
	none := plugin.NotFound("LeptonEvent", "Event", clip(id))
	at, n, ok := eventID(id)
	if !ok || e.api.config.Journal == nil {
		return response{}, none
	}
	var found object
	err := e.api.config.Journal.Read(ctx, journal.Query{From: at}, func(ev *journal.Event) bool {
		if ev.ID != at.String() {
			return false
		}
		for i, row := range eventRows(ev) {
			if i == n && e.visible(rq.who, &row) {
				found = e.object(rq, &row)
			}
		}
		return false
	})
	if err != nil {
		return response{}, err
	}
	if found == nil {
		return response{}, none
	}
	return response{status: http.StatusOK, body: appendObject(nil, object{{"lepton_event", found}})}, nil
}

// eventID reads the id of a row: the event's, and for all but the first row of
// it a point and the row's place.
func eventID(s string) (id uuid.UUID, n int, ok bool) {
	s, place, more := strings.Cut(s, ".")
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return id, 0, false
	}
	if more {
		if n, err = strconv.Atoi(place); err != nil || n < 1 {
			return id, 0, false
		}
	}
	return id, n, true
}

func (e eventList) list(ctx context.Context, rq *request) (response, error) {
	q, keep, err := e.query(rq)
	if err != nil {
		return response{}, err
	}
	limit := maxEvents
	if n := rq.query.limit; n > 0 {
		limit = min(n, maxEvents)
	}
	after := rq.query.marker
	var rows []object
	more, scanned := "", 0
	visit := func(ev *journal.Event) bool {
		scanned++
		list := eventRows(ev)
		if at, n, ok := eventID(after); ok && ev.ID == at.String() {
			list = list[min(n+1, len(list)):]
		}
		for i := range list {
			if !keep(&list[i]) || !e.visible(rq.who, &list[i]) {
				continue
			}
			if len(rows) == limit {
				return false
			}
			rows = append(rows, e.object(rq, &list[i]))
			if more = list[i].id; len(rows) == limit {
				return false
			}
		}
		if scanned >= maxScanned {
			more = eventRowID(ev.ID, max(countRows(ev)-1, 0))
			return false
		}
		return true
	}
	ended := false
	if j := e.api.config.Journal; j != nil {
		stopped := false
		err = j.Read(ctx, q, func(ev *journal.Event) bool { stopped = !visit(ev); return !stopped })
		ended = !stopped
	}
	if err != nil {
		return response{}, err
	}
	answer := object{{"lepton_events", append([]object{}, rows...)}}
	if !ended && more != "" {
		next := baseURL(rq.http) + "/v2.0/lepton-events" + rq.suffix + "?" + rq.query.page(more, false)
		answer = append(answer, member{"lepton_events_links", []object{{{"rel", "next"}, {"href", next}}}})
	}
	return response{status: http.StatusOK, body: appendObject(nil, answer)}, nil
}

// author is who sends a request, for the journal.
func author(r *http.Request, who identity.Identity, id string) *journal.Author {
	a := &journal.Author{
		Kind: journal.ByUser, User: who.UserID, UserName: who.UserName, Project: who.ProjectID, Roles: who.Roles,
		Request: id, Method: r.Method, Path: clip(r.URL.Path), Forwarded: clip(r.Header.Get("X-Forwarded-For")),
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		a.Address = host
	}
	if g := r.Header.Get("X-Openstack-Request-Id"); globalID.MatchString(g) {
		a.GlobalID = g
	}
	return a
}

// globalID is what services call a request that others are part of.
var globalID = regexp.MustCompile(`^req-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// visible reports whether an identity may know of a row.
func (e eventList) visible(who identity.Identity, row *eventRow) bool {
	if who.Admin {
		return true
	}
	return row.project != "" && eventRight(who, identity.Target{ProjectID: row.project})
}

// describes reports whether somebody may see an attribute of a resource, as its
// own rights say; what the resource does not show nobody but administrators see.
func (c *collection[S, V]) describes(who identity.Identity, t identity.Target, name string) bool {
	a := c.attribute(name)
	return a != nil && !a.unseen && (a.get != nil || a.getFor != nil) && (a.rules.Read == nil || a.rules.Read(who, t))
}

type describer interface {
	describes(who identity.Identity, t identity.Target, name string) bool
}

// describer finds who knows a resource's attributes; nil for none.
func (a *API) describer(resource string) describer {
	e := a.endpoints[eventPaths[resource]]
	if t, ok := e.(taggable); ok {
		e = t.endpoint
	}
	d, _ := e.(describer)
	return d
}

// attributes gives what a row says of attributes, as far as the identity may see
// them.
func (e eventList) attributes(who identity.Identity, row *eventRow) []object {
	out := []object{}
	d := e.api.describer(row.resource)
	for i := range row.change.Attributes {
		a := &row.change.Attributes[i]
		if !who.Admin && (d == nil || !d.describes(who, identity.Target{ProjectID: row.project}, a.Name)) {
			continue
		}
		o := object{{"name", a.Name}, {"old", rawOrNull(a.Old)}, {"new", rawOrNull(a.New)}}
		if a.Secret {
			o = append(o, member{"secret", true})
		}
		if a.Clipped {
			o = append(o, member{"clipped", true})
		}
		out = append(out, o)
	}
	return out
}

// eventPaths are the collections of the resources that projects own.
var eventPaths = map[string]string{
	"network": "networks", "subnet": "subnets", "port": "ports", "security_group": "security-groups",
	"security_group_rule": "security-group-rules", "router": "routers", "floatingip": "floatingips",
	"subnetpool": "subnetpools", "address_scope": "address-scopes", "address_group": "address-groups",
	"rbac_policy": "rbac-policies", "trunk": "trunks", "local_ip": "local_ips", "lepton_instance": "lepton-instances",
	"qos_policy": "policies",
}

// by is who made a change, as far as the identity may see it: of those who act
// for other projects only what they are.
func (e eventList) by(who identity.Identity, a *journal.Author) object {
	switch {
	case a == nil:
		return nil
	case a.Kind != journal.ByUser && !who.Admin:
		return object{{"kind", string(a.Kind)}}
	case a.Kind != journal.ByUser:
		return object{{"kind", string(a.Kind)}, {"part", orNull(a.Part)}}
	case !who.Admin && a.Project != who.ProjectID:
		return object{{"kind", "operator"}}
	}
	return object{
		{"kind", string(a.Kind)},
		{"user_id", orNull(a.User)},
		{"user_name", orNull(a.UserName)},
		{"project_id", orNull(a.Project)},
		{"roles", list(slices.Clone(a.Roles))},
		{"address", orNull(a.Address)},
		{"forwarded_for", orNull(a.Forwarded)},
		{"request_id", orNull(a.Request)},
		{"global_request_id", orNull(a.GlobalID)},
		{"method", orNull(a.Method)},
		{"path", orNull(a.Path)},
	}
}
