package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/controller/policy"
)

// eventRight is the right to look at what happened to a project's objects.
var eventRight = policy.Of("lepton_event").Get

// The kinds of events as the API calls them.
const (
	eventChange  = "change"  // of an object
	eventState   = "state"   // what a host says of an object
	eventApplied = "applied" // hosts have taken over a change
	eventAgent   = "agent"   // something about a host's agent
)

// eventTime has milliseconds: many events fall into one second.
const eventTime = "2006-01-02T15:04:05.000Z"

// eventRow is one thing that happened: an element of the list.
type eventRow struct {
	id             string
	event          *journal.Event
	kind, action   string
	resource, of   string // the kind and the id of the object
	project        string
	hosts          []string
	state, message string
	part           string
	number         int64
	revision       int64
	change         *journal.Change
}

func eventRowID(event string, n int) string {
	if n == 0 {
		return event
	}
	return event + "." + strconv.Itoa(n)
}

func countRows(ev *journal.Event) int {
	n := len(ev.Changes) + len(ev.States) + len(ev.Agents)
	if ev.Applied != nil {
		n += len(ev.Applied.Marks)
	}
	return n
}

// eventRows takes an event apart.
func eventRows(ev *journal.Event) []eventRow {
	rows := make([]eventRow, 0, countRows(ev))
	add := func(r eventRow) {
		r.id, r.event = eventRowID(ev.ID, len(rows)), ev
		rows = append(rows, r)
	}
	for i := range ev.Changes {
		c := &ev.Changes[i]
		add(eventRow{
			kind: eventChange, action: string(c.Action), resource: c.Resource, of: c.ID, project: c.Project,
			number: c.Number, revision: ev.Revision, change: c, hosts: c.Left,
		})
	}
	for _, s := range ev.States {
		add(eventRow{
			kind: eventState, action: "report", resource: s.Resource, of: s.ID, project: s.Project, hosts: []string{s.Host},
			part: s.Part, state: s.State, message: s.Error, number: s.Number, revision: ev.Revision,
		})
	}
	for _, a := range ev.Agents {
		add(eventRow{kind: eventAgent, action: a.What, resource: "agent", hosts: []string{a.Host}, message: a.Text, revision: ev.Revision})
	}
	if ev.Applied != nil {
		for _, m := range ev.Applied.Marks {
			add(eventRow{
				kind: eventApplied, action: "apply", resource: m.Resource, of: m.ID, hosts: ev.Applied.HostsOf(m), revision: m.Revision,
			})
		}
	}
	return rows
}

// object gives a row as the identity may see it.
func (e eventList) object(rq *request, r *eventRow) object {
	o := object{
		{"id", r.id},
		{"at", r.event.At.UTC().Format(eventTime)},
		{"kind", r.kind},
		{"action", r.action},
		{"resource", orNull(r.resource)},
		{"resource_id", orNull(r.of)},
	}
	if r.change != nil {
		o = append(o, member{"resource_name", r.change.Name})
	}
	o = append(o, member{"project_id", orNull(r.project)})
	if r.number != 0 {
		o = append(o, member{"revision_number", r.number})
	}
	o = append(o, member{"store_revision", r.revision})
	admin := rq.who.Admin
	if r.change != nil {
		o = append(o, member{"attributes", e.attributes(rq.who, r)}, member{"by", e.by(rq.who, r.event.Author)})
	}
	if r.state != "" {
		o = append(o, member{"state", r.state}, member{"part", orNull(r.part)})
	}
	if admin {
		o = append(o, member{"hosts", list(r.hosts)})
		if r.message != "" || r.kind == eventState {
			o = append(o, member{"message", r.message})
		}
		if r.event.LeftOut > 0 {
			o = append(o, member{"left_out", r.event.LeftOut})
		}
	}
	return rq.query.only(o)
}

func rawOrNull(v json.RawMessage) any {
	if len(v) == 0 {
		return nil
	}
	return v
}

// query makes what is read of the journal, and what is kept of it, of a request.
func (e eventList) query(rq *request) (journal.Query, func(*eventRow) bool, error) {
	var out journal.Query
	q := &rq.query
	if q.reverse {
		return out, nil, badRequest("page_reverse is not supported: lepton-events are listed from the newest on")
	}
	for i, key := range q.sortKeys {
		if key != "at" || !q.sortDown[i] {
			return out, nil, badRequest("lepton-events are sorted by 'at', descending, only")
		}
	}
	if q.marker != "" {
		at, _, ok := eventID(q.marker)
		if !ok {
			return out, nil, badRequest("Invalid input for marker. Reason: '%s' is not the id of an event.", clip(q.marker))
		}
		out.From = at
	}
	var keep []func(*eventRow) bool
	for _, name := range q.order {
		values := q.filters[name]
		switch name {
		case "since", "until":
			t, err := eventMoment(name, values[0])
			if err != nil {
				return out, nil, err
			}
			if name == "since" {
				out.Since = t
			} else {
				out.Until = t
			}
		case "host":
			if !rq.who.Admin {
				return out, nil, badRequest("['host'] is invalid attribute for filtering")
			}
			keep = append(keep, func(r *eventRow) bool {
				return slices.ContainsFunc(r.hosts, func(h string) bool { return slices.Contains(values, h) })
			})
		case "kind":
			if err := narrow(&out, values); err != nil {
				return out, nil, err
			}
			keep = append(keep, func(r *eventRow) bool { return slices.Contains(values, r.kind) })
		default:
			get := eventText(rq.who.Admin, rq.who.ProjectID, name)
			if get == nil {
				return out, nil, badRequest("['%s'] is invalid attribute for filtering", clip(name))
			}
			keep = append(keep, func(r *eventRow) bool { return slices.Contains(values, get(r)) })
		}
	}
	return out, func(r *eventRow) bool {
		return !slices.ContainsFunc(keep, func(k func(*eventRow) bool) bool { return !k(r) })
	}, nil
}

// narrow leaves out the series that cannot have the kinds.
func narrow(q *journal.Query, kinds []string) error {
	known := []string{eventChange, eventState, eventApplied, eventAgent}
	for _, k := range kinds {
		if !slices.Contains(known, k) {
			return badRequest("Invalid input for kind. Reason: '%s' is not in %v.", clip(k), known)
		}
	}
	q.NoChanges = !slices.Contains(kinds, eventChange)
	q.NoHosts = len(slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k == eventChange })) == 0
	return nil
}

// eventText gives how a filter reads a row; nil for a filter that there is not.
// Who made a change may be asked for by those who may see it.
func eventText(admin bool, project, name string) func(*eventRow) string {
	own := func(get func(*journal.Author) string) func(*eventRow) string {
		return func(r *eventRow) string {
			if a := r.event.Author; r.change != nil && a != nil && (admin || a.Kind == journal.ByUser && a.Project == project) {
				return get(a)
			}
			return "\x00" // nobody's
		}
	}
	switch name {
	case "id":
		return func(r *eventRow) string { return r.id }
	case "action":
		return func(r *eventRow) string { return r.action }
	case "resource":
		return func(r *eventRow) string { return r.resource }
	case "resource_id":
		return func(r *eventRow) string { return r.of }
	case "project_id", "tenant_id":
		return func(r *eventRow) string { return r.project }
	case "store_revision":
		return func(r *eventRow) string { return strconv.FormatInt(r.revision, 10) }
	case "user_id":
		return own(func(a *journal.Author) string { return a.User })
	case "user_name":
		return own(func(a *journal.Author) string { return a.UserName })
	case "request_id":
		return own(func(a *journal.Author) string { return a.Request })
	}
	return nil
}

// eventMoment reads a time: RFC 3339, or without a zone in UTC.
func eventMoment(name, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			if t.Year() < 1970 || t.Year() > 9999 {
				break
			}
			return t, nil
		}
	}
	return time.Time{}, badRequest("Invalid input for %s. Reason: %s.", name, fmt.Sprintf("'%s' is not a time as in RFC 3339", clip(text)))
}
