package api

import (
	"context"
	"iter"
	"net/http"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// collection is one resource: its names, its table of attributes, and what the
// plugin does for it. Operations that are nil are not allowed.
type collection[S, V any] struct {
	api *API

	member, plural string // keys in bodies: "network", "networks"
	path           string // after /v2.0/
	kind, title    string // "Network" + "NotFound"; what messages call it
	attrs          []attr[S, V]

	id     func(*V) string
	meta   func(*V) *model.Meta // nil: no revisions and tags
	target func(records.Reader, *V) identity.Target

	find  func(r records.Reader, id string) (*V, bool)
	all   func(r records.Reader) iter.Seq[*V]
	hints []hint[V]
	// exact, if set, finds the objects that a query with certain filters can match;
	// nil for other queries.
	exact func(r records.Reader, q *query) iter.Seq[*V]
	// narrow leaves, of the values of a filter that has a hint, those that suffice
	// to find all; by attribute.
	narrow map[string]func(values []string) []string
	// after, if set, gives all in the order of their ids from behind one on: then
	// a page costs no more than itself.
	after func(r records.Reader, id string) iter.Seq[*V]
	// anywhere, if set, tells of what is below one object whether an id is in use
	// below any.
	anywhere func(r records.Reader, id string) bool
	// prepare, if set, runs before a list or a show reads.
	prepare func(ctx context.Context, rq *request) error

	fresh  func(rq *request) *S // the S of a create before attributes are set
	load   func(*V) *S          // the S of an update
	create func(c plugin.Call, u *records.Update, s *S) (id string, err error)
	update func(c plugin.Call, u *records.Update, before *V, s *S) error
	remove func(c plugin.Call, u *records.Update, id string) error
	tag    func(u *records.Update, v *V, tags []string)
	// within, if set, refuses a create inside of what the sender may not know of or
	// not use, before its rights are asked.
	within func(c plugin.Call, r records.Reader, s *S) error
	// specTarget is the target of rules about a create.
	specTarget func(r records.Reader, s *S) identity.Target

	// parts, if set, gives what hosts make of an object.
	parts func(r records.Reader, v *V) []part

	bulk bool
	// updateHides makes updates answer that there is no such object to those who
	// see it only because it is shared.
	updateHides bool
	// rights are the resource's row of the table of rights; see governed.
	rights policy.Resource
}

// governed gives the collection the rights that the table has for its objects.
// Without it only administrators may do anything.
func (c *collection[S, V]) governed() *collection[S, V] {
	c.rights = policy.Of(c.member)
	for i := range c.attrs {
		c.attrs[i].rules = c.rights.Attribute(c.attrs[i].name)
	}
	return c
}

// hint finds the objects that a filter on the attribute can match, faster than
// looking at all.
type hint[V any] struct {
	attribute string
	lookup    func(r records.Reader, value string) iter.Seq[*V]
}

// serve routes within the collection.
func (c *collection[S, V]) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	method := rq.http.Method
	switch {
	case len(rest) == 0 || rest[0] == "" && len(rest) == 1:
		switch {
		case method == http.MethodGet:
			return c.serveList(ctx, rq)
		case method == http.MethodPost && c.create != nil:
			return c.serveCreate(ctx, rq)
		case method == http.MethodDelete:
			return response{}, c.notFound("None")
		}
	case len(rest) == 1:
		switch {
		case method == http.MethodGet:
			return c.serveShow(ctx, rq, rest[0])
		case method == http.MethodPut && c.update != nil:
			return c.serveUpdate(ctx, rq, rest[0])
		case method == http.MethodDelete && c.remove != nil:
			return c.serveRemove(ctx, rq, rest[0])
		}
	case rest[1] == "tags" && len(rest) <= 3 && c.tag != nil:
		return c.serveTags(ctx, rq, rest[0], rest[2:])
	case rest[1] == realizationPath && len(rest) == 2 && c.parts != nil:
		return c.serveRealization(ctx, rq, rest[0])
	default:
		return response{}, errNoPath
	}
	return response{}, errMethod
}

// methods gives what may be done to a path within the collection.
func (c *collection[S, V]) methods(rest []string) []string {
	var all []string
	add := func(method string, may bool) {
		if may {
			all = append(all, method)
		}
	}
	switch {
	case len(rest) == 0 || rest[0] == "" && len(rest) == 1:
		add(http.MethodGet, true)
		add(http.MethodPost, c.create != nil)
	case len(rest) == 1:
		add(http.MethodGet, true)
		add(http.MethodPut, c.update != nil)
		add(http.MethodDelete, c.remove != nil)
	case rest[1] == "tags":
		all = []string{http.MethodGet, http.MethodPut, http.MethodDelete}
	case rest[1] == realizationPath && c.parts != nil:
		add(http.MethodGet, true)
	default:
		all = []string{http.MethodPut}
	}
	return append(all, http.MethodOptions)
}

func (c *collection[S, V]) notFound(id string) *plugin.Error {
	return plugin.NotFound(c.kind, c.title, clip(id))
}

// attribute finds a row of the table.
func (c *collection[S, V]) attribute(name string) *attr[S, V] {
	for i := range c.attrs {
		if c.attrs[i].name == name {
			return &c.attrs[i]
		}
	}
	return nil
}

// visible reports whether the identity may know of the object.
func (c *collection[S, V]) visible(r records.Reader, who identity.Identity, v *V) bool {
	return who.Admin || policy.May(c.rights.Get, who, c.target(r, v))
}

// seen gives the object unless it does not exist or may not be known.
func (c *collection[S, V]) seen(r records.Reader, who identity.Identity, id string) (*V, error) {
	v, ok := c.find(r, id)
	if !ok || !c.visible(r, who, v) {
		return nil, c.notFound(id)
	}
	return v, nil
}

// hidden reports whether an update answers that there is no such object,
// although it may be seen.
func (c *collection[S, V]) hidden(r records.Reader, who identity.Identity, v *V) bool {
	if !c.updateHides || who.Admin {
		return false
	}
	unshared := identity.Target{ProjectID: c.target(r, v).ProjectID}
	return !policy.May(c.rights.Get, who, unshared)
}

// object gives what the identity may see of an object: all attributes, or those
// of the query's fields.
func (c *collection[S, V]) object(r records.Reader, rq *request, v *V) object {
	return c.members(make(object, 0, len(c.attrs)), r, rq, v)
}

// members appends the members of an object; see object.
func (c *collection[S, V]) members(o object, r records.Reader, rq *request, v *V) object {
	for i := range c.attrs {
		a := &c.attrs[i]
		get := a.reader(rq.who)
		if get == nil || a.unseen || len(rq.query.fields) > 0 && !rq.query.fields[a.name] {
			continue
		}
		if !c.shows(r, rq.who, a, v) {
			continue
		}
		if value := get(v); value != absent {
			o = append(o, member{a.name, value})
		}
	}
	return o
}

// shows reports whether the identity may see an attribute of an object.
func (c *collection[S, V]) shows(r records.Reader, who identity.Identity, a *attr[S, V], v *V) bool {
	return a.rules.Read == nil || who.Admin || a.rules.Read(who, c.target(r, v))
}

// absent is what an attribute's get returns to leave it out of an answer.
var absent = new(struct{ _ int })

func forbidden(what string) *plugin.Error {
	return plugin.Refuse(http.StatusForbidden, "PolicyNotAuthorized", "(rule:%s) is disallowed by policy", what)
}
