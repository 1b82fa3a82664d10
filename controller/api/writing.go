package api

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
)

// given is a request's object after validation.
type given struct {
	create bool           // or update
	values map[string]any // by attribute, in the form in which they are set
}

// call tells the plugin who asks, and for which attributes.
func (g given) call(rq *request) plugin.Call {
	names := make(map[string]bool, len(g.values))
	for name := range g.values {
		names[name] = true
	}
	return plugin.Call{Who: rq.who, Given: names}
}

// validate checks the attributes of a request's object against the table.
func (c *collection[S, V]) validate(rq *request, o map[string]any, create bool) (given, error) {
	g := given{create: create, values: map[string]any{}}
	for name, value := range o {
		a := c.attribute(name)
		switch {
		case a == nil:
			return g, badRequest("Unrecognized attribute(s) '%s'", clip(name))
		case create && !a.create:
			return g, badRequest("Attribute '%s' not allowed in POST", name)
		case !create && !a.update:
			return g, badRequest("Cannot update read-only attribute %s", name)
		}
		checked, err := a.check(value)
		if err != nil {
			return g, refusalOf(name, err)
		}
		g.values[name] = checked
	}
	if !create {
		return g, nil
	}
	for i := range c.attrs {
		if a := &c.attrs[i]; a.required && o[a.name] == nil {
			return g, badRequest("Failed to parse request. Required attribute '%s' not specified", a.name)
		}
	}
	return g, checkProject(rq, g)
}

// checkProject refuses to make things for others.
func checkProject(rq *request, g given) error {
	project, tenant := g.values["project_id"], g.values["tenant_id"]
	if project != nil && tenant != nil && project != tenant {
		return badRequest("'project_id' and 'tenant_id' do not match")
	}
	for _, p := range []any{project, tenant} {
		if p != nil && p != rq.who.ProjectID && !rq.who.Admin {
			return badRequest("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges")
		}
	}
	if rq.who.ProjectID == "" && project == nil && tenant == nil {
		return badRequest("The token is of no project: 'project_id' must be specified")
	}
	return nil
}

// apply sets the given attributes, and in a create the standard values of the
// others.
func (c *collection[S, V]) apply(s *S, g given) {
	for i := range c.attrs {
		a := &c.attrs[i]
		if a.set == nil {
			continue
		}
		if value, ok := g.values[a.name]; ok {
			a.set(s, value)
		} else if g.create && a.standard != nil {
			a.set(s, a.standard)
		}
	}
}

// authorize checks the rule of an operation, and those of the given attributes
// and their parts.
func (c *collection[S, V]) authorize(rq *request, r records.Reader, s *S, g given) error {
	if rq.who.Admin {
		return nil
	}
	rule, verb := c.rights.Update, "update_"
	if g.create {
		rule, verb = c.rights.Create, "create_"
	}
	t := c.specTarget(r, s)
	if !policy.May(rule, rq.who, t) {
		return forbidden(verb + c.member)
	}
	for i := range c.attrs {
		a := &c.attrs[i]
		value, ok := g.values[a.name]
		// Saying what holds anyway is not asking for anything: clients send
		// "shared": false.
		if !ok || g.create && a.means(value) {
			continue
		}
		t.Value = value
		if name, ok := c.mayWrite(rq, t, a, g.create); !ok {
			return forbidden(verb + c.member + ":" + name)
		}
	}
	return nil
}

// means reports whether a create with the value is one without the attribute.
func (a *attr[S, V]) means(value any) bool {
	return a.null && value == nil || a.standard != nil && reflect.DeepEqual(value, a.standard)
}

// mayWrite asks the rules of an attribute and of the parts that its value has;
// it names the one that refuses.
func (c *collection[S, V]) mayWrite(rq *request, t identity.Target, a *attr[S, V], create bool) (name string, ok bool) {
	rows := []policy.Attribute{a.rules}
	if a.parts != nil {
		for _, part := range a.parts(t.Value) {
			rows = append(rows, c.rights.Attribute(a.name+":"+part))
		}
	}
	for _, row := range rows {
		rule := row.Update
		if create {
			rule = row.Create
		}
		if !policy.MayAttribute(rule, rq.who, t) {
			return row.Name, false
		}
	}
	return "", true
}

// serveCreate answers POST: one object, or several of which all are made or
// none.
func (c *collection[S, V]) serveCreate(ctx context.Context, rq *request) (response, error) {
	body, err := c.api.readBody(rq.http)
	if err != nil {
		return response{}, err
	}
	plural := c.plural
	if !c.bulk {
		plural = ""
	}
	items, bulk, err := elements(body, c.member, plural)
	if err != nil {
		return response{}, err
	}
	wants := make([]given, 0, len(items))
	for _, o := range items {
		g, err := c.validate(rq, o, true)
		if err != nil {
			return response{}, err
		}
		wants = append(wants, g)
	}
	var made []object
	err = c.api.update(ctx, func(u *records.Update) error {
		made = made[:0]
		for _, g := range wants {
			o, err := c.make(rq, u, g)
			if err != nil {
				return err
			}
			made = append(made, o)
		}
		return nil
	})
	if err != nil {
		return response{}, err
	}
	answer := object{{c.member, made[0]}}
	if bulk {
		answer = object{{c.plural, made}}
	}
	return response{status: http.StatusCreated, body: appendObject(nil, answer)}, nil
}

// make creates one object within an update and gives its answer.
func (c *collection[S, V]) make(rq *request, u *records.Update, g given) (object, error) {
	s := c.fresh(rq)
	c.apply(s, g)
	if c.within != nil {
		if err := c.within(g.call(rq), u.Peek(), s); err != nil {
			return nil, err
		}
	}
	if err := c.authorize(rq, u.Peek(), s, g); err != nil {
		return nil, err
	}
	if err := c.checkImport(rq, u, g); err != nil {
		return nil, err
	}
	id, err := c.create(g.call(rq), u, s)
	if err != nil {
		return nil, err
	}
	v, ok := c.find(u.Peek(), id)
	if !ok {
		return nil, c.notFound(id)
	}
	return c.object(u.Peek(), rq, v), nil
}

// serveUpdate answers PUT.
func (c *collection[S, V]) serveUpdate(ctx context.Context, rq *request, id string) (response, error) {
	body, err := c.api.readBody(rq.http)
	if err != nil {
		return response{}, err
	}
	o, err := root(body, c.member)
	if err != nil {
		return response{}, err
	}
	g, err := c.validate(rq, o, false)
	if err != nil {
		return response{}, err
	}
	var answer object
	err = c.api.update(ctx, func(u *records.Update) error {
		v, err := c.seen(u.Peek(), rq.who, id)
		if err != nil {
			return err
		}
		if err := c.checkRevision(rq, v); err != nil {
			return err
		}
		if c.hidden(u.Peek(), rq.who, v) {
			return c.notFound(id)
		}
		s := c.load(v)
		if err := c.authorize(rq, u.Peek(), s, g); err != nil {
			return err
		}
		c.apply(s, g)
		if err := c.update(g.call(rq), u, v, s); err != nil {
			return err
		}
		after, ok := c.find(u.Peek(), id)
		if !ok {
			return c.notFound(id)
		}
		answer = c.object(u.Peek(), rq, after)
		return nil
	})
	return response{status: http.StatusOK, body: appendObject(nil, object{{c.member, answer}})}, err
}

// serveRemove answers DELETE.
func (c *collection[S, V]) serveRemove(ctx context.Context, rq *request, id string) (response, error) {
	err := c.api.update(ctx, func(u *records.Update) error {
		v, err := c.seen(u.Peek(), rq.who, id)
		if err != nil {
			return err
		}
		if !policy.May(c.rights.Delete, rq.who, c.target(u.Peek(), v)) {
			return forbidden("delete_" + c.member)
		}
		if err := c.checkRevision(rq, v); err != nil {
			return err
		}
		return c.remove(plugin.Call{Who: rq.who}, u, id)
	})
	return response{status: http.StatusNoContent}, err
}

// checkRevision applies If-Match: revision_number=<n>.
func (c *collection[S, V]) checkRevision(rq *request, v *V) error {
	if c.meta == nil {
		return nil
	}
	for _, line := range rq.http.Header.Values("If-Match") {
		for part := range strings.SplitSeq(line, ",") {
			text, ok := strings.CutPrefix(strings.Trim(part, ` "`), "revision_number=")
			if !ok {
				continue
			}
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return plugin.BadRequest("BadRequest", "Bad if-match request: Revision number etag must be in the format of revision_number=<int>, not '%s'.", clip(text))
			}
			if n != c.meta(v).Revision {
				return plugin.Refuse(http.StatusPreconditionFailed, "RevisionNumberConstraintFailed",
					"Constrained to %d, but current revision is %d", n, c.meta(v).Revision)
			}
		}
	}
	return nil
}
