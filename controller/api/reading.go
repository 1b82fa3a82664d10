package api

import (
	"context"
	"iter"
	"net/http"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
)

// serveShow answers GET of one object.
func (c *collection[S, V]) serveShow(ctx context.Context, rq *request, id string) (response, error) {
	if c.prepare != nil {
		if err := c.prepare(ctx, rq); err != nil {
			return response{}, err
		}
	}
	var body []byte
	err := c.api.read(ctx, func(r records.Reader) error {
		v, err := c.seen(r, rq.who, id)
		if err != nil {
			return err
		}
		body = appendObject(nil, object{{c.member, c.object(r, rq, v)}})
		return nil
	})
	return response{status: http.StatusOK, body: body}, err
}

// serveList answers GET of the collection: filtered, sorted, cut to a page.
func (c *collection[S, V]) serveList(ctx context.Context, rq *request) (response, error) {
	if c.prepare != nil {
		if err := c.prepare(ctx, rq); err != nil {
			return response{}, err
		}
	}
	q := &rq.query
	keep, err := c.filters(rq)
	if err != nil {
		return response{}, err
	}
	keys, err := c.sortKeys(rq)
	if err != nil {
		return response{}, err
	}
	var body []byte
	err = c.api.read(ctx, func(r records.Reader) error {
		shows := func(v *V) bool { return c.visible(r, rq.who, v) && keep(r, v) }
		rows, found := c.nextPage(r, q, shows), true
		if rows == nil {
			for v := range c.candidates(r, q) {
				if shows(v) {
					rows = append(rows, v)
				}
			}
			sortRows(rows, keys, q.sortDown, c.id)
			rows, found = page(rows, q, c.id)
		}
		if !found {
			return c.notFound(q.marker)
		}
		body = c.listBody(r, rq, rows)
		return nil
	})
	return response{status: http.StatusOK, body: body, pooled: true}, err
}

// nextPage gives a page in the order of ids without looking at what is before
// or behind it; nil when the query is not for such a page.
func (c *collection[S, V]) nextPage(r records.Reader, q *query, shows func(*V) bool) []*V {
	byID := len(q.sortKeys) == 0 || len(q.sortKeys) == 1 && q.sortKeys[0] == "id" && !q.sortDown[0]
	if c.after == nil || q.limit == 0 || q.reverse || !byID || c.hinted(q) {
		return nil
	}
	if q.marker != "" {
		if v, ok := c.find(r, q.marker); !ok || !shows(v) {
			return nil
		}
	}
	rows := []*V{}
	for v := range c.after(r, q.marker) {
		if len(rows) == q.limit {
			break
		}
		if shows(v) {
			rows = append(rows, v)
		}
	}
	return rows
}

// hinted reports whether an index finds what the query's filters can match.
func (c *collection[S, V]) hinted(q *query) bool {
	if _, ok := q.filters["id"]; ok {
		return true
	}
	return slices.ContainsFunc(c.hints, func(h hint[V]) bool { _, ok := q.filters[h.attribute]; return ok })
}

func (c *collection[S, V]) listBody(r records.Reader, rq *request, rows []*V) []byte {
	b := append(c.api.bodies.get(), `{"`...)
	b = append(b, c.plural...)
	b = append(b, `": [`...)
	o := make(object, 0, len(c.attrs))
	for i, v := range rows {
		if i > 0 {
			b = append(b, ',', ' ')
		}
		o = c.members(o[:0], r, rq, v)
		b = appendObject(b, o)
	}
	b = append(b, ']')
	var ids [2]string
	if len(rows) > 0 {
		ids = [2]string{c.id(rows[0]), c.id(rows[len(rows)-1])}
	}
	address := baseURL(rq.http) + "/v2.0/" + c.path + rq.suffix
	if links := pageLinks(address, &rq.query, ids, len(rows)); links != nil {
		b = append(b, `, "`...)
		b = append(b, c.plural...)
		b = append(b, `_links": `...)
		b = appendValue(b, links)
	}
	return append(b, '}')
}

// filters makes one predicate of all filters of a query.
func (c *collection[S, V]) filters(rq *request) (func(records.Reader, *V) bool, error) {
	q := &rq.query
	var all []func(records.Reader, *V) bool
	for _, name := range q.order {
		values := q.filters[name]
		if tagged := tagFilter(name, values); tagged != nil && c.tag != nil {
			all = append(all, func(_ records.Reader, v *V) bool { return tagged(c.meta(v).Tags) })
			continue
		}
		a := c.attribute(name)
		if a == nil || a.filter == noFilter && a.match == nil {
			return nil, badRequest("['%s'] is invalid attribute for filtering", clip(name))
		}
		p, err := a.predicate(rq.who, values)
		if err != nil {
			return nil, refusalOf(name, err)
		}
		// What an answer leaves out is not to be found out by asking for it.
		all = append(all, func(r records.Reader, v *V) bool { return c.shows(r, rq.who, a, v) && p(v) })
	}
	return func(r records.Reader, v *V) bool {
		for _, p := range all {
			if !p(r, v) {
				return false
			}
		}
		return true
	}, nil
}

func (c *collection[S, V]) sortKeys(rq *request) ([]func(*V) any, error) {
	q := &rq.query
	var keys []func(*V) any
	for _, name := range q.sortKeys {
		a := c.attribute(name)
		if a == nil || !a.sort {
			return nil, badRequest("'%s' is invalid attribute for sort key", clip(name))
		}
		key := a.reader(rq.who)
		if a.rules.Read != nil && !rq.who.Admin {
			key = func(*V) any { return nil } // the order would tell what is not shown
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// candidates gives the objects that the query's filters can match, at the least
// cost: those of one id, those that an index finds, or all.
func (c *collection[S, V]) candidates(r records.Reader, q *query) iter.Seq[*V] {
	if ids, ok := q.filters["id"]; ok {
		return distinct(c.id, ids, func(id string) iter.Seq[*V] {
			return func(yield func(*V) bool) {
				if v, ok := c.find(r, id); ok {
					yield(v)
				}
			}
		})
	}
	if c.exact != nil {
		if found := c.exact(r, q); found != nil {
			return found
		}
	}
	for _, h := range c.hints {
		if values, ok := q.filters[h.attribute]; ok {
			if narrow := c.narrow[h.attribute]; narrow != nil {
				values = narrow(values)
			}
			return distinct(c.id, values, func(value string) iter.Seq[*V] { return h.lookup(r, value) })
		}
	}
	return c.all(r)
}

// distinct gives what any of the values finds, each object once.
func distinct[V any](id func(*V) string, values []string, lookup func(string) iter.Seq[*V]) iter.Seq[*V] {
	return func(yield func(*V) bool) {
		seen := map[string]bool{}
		for _, value := range values {
			for v := range lookup(value) {
				if !seen[id(v)] {
					seen[id(v)] = true
					if !yield(v) {
						return
					}
				}
			}
		}
	}
}

// views makes what answers are made of from records.
func views[R, V any](recs iter.Seq[*R], view func(*R) *V) iter.Seq[*V] {
	return func(yield func(*V) bool) {
		for rec := range recs {
			if !yield(view(rec)) {
				return
			}
		}
	}
}
