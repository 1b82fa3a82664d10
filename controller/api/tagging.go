package api

import (
	"context"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
)

// Bounds on tags: how many characters each has, and how many of them an object.
const (
	maxTag  = 255
	maxTags = 1000
)

// serveTags answers requests to an object's tags: all of them, or one.
func (c *collection[S, V]) serveTags(ctx context.Context, rq *request, id string, rest []string) (response, error) {
	if len(rest) == 1 {
		return c.serveTag(ctx, rq, id, rest[0])
	}
	switch rq.http.Method {
	case http.MethodGet:
		tags, err := c.tagsOf(ctx, rq, id)
		return tagsResponse(tags), err
	case http.MethodPut:
		body, err := c.api.readBody(rq.http)
		if err != nil {
			return response{}, err
		}
		tags, err := tagList(body["tags"])
		if err != nil {
			return response{}, plugin.InvalidInput("tags: %s", err)
		}
		for name := range body {
			if name != "tags" {
				return response{}, plugin.InvalidInput("Unrecognized attribute(s) '%s'", clip(name))
			}
		}
		err = c.changeTags(ctx, rq, id, func([]string) ([]string, error) { return tags.([]string), nil })
		return tagsResponse(tags.([]string)), err
	case http.MethodDelete:
		err := c.changeTags(ctx, rq, id, func([]string) ([]string, error) { return nil, nil })
		return response{status: http.StatusNoContent}, err
	}
	return response{}, errMethod
}

func tagsResponse(tags []string) response {
	return response{status: http.StatusOK, body: appendObject(nil, object{{"tags", list(tags)}})}
}

// serveTag answers requests to one tag.
func (c *collection[S, V]) serveTag(ctx context.Context, rq *request, id, tag string) (response, error) {
	missing := plugin.Refuse(http.StatusNotFound, "TagNotFound", "Tag %s could not be found.", clip(tag))
	switch rq.http.Method {
	case http.MethodGet:
		tags, err := c.tagsOf(ctx, rq, id)
		if err == nil && !slices.Contains(tags, tag) {
			err = missing
		}
		return response{status: http.StatusNoContent}, err
	case http.MethodPut:
		if tag == "" || utf8.RuneCountInString(tag) > maxTag {
			return response{}, plugin.InvalidInput("a tag has 1 to %d characters, not %d: '%s'", maxTag, utf8.RuneCountInString(tag), clip(tag))
		}
		err := c.changeTags(ctx, rq, id, func(tags []string) ([]string, error) {
			if slices.Contains(tags, tag) {
				return tags, nil
			}
			if len(tags) >= maxTags {
				return nil, plugin.InvalidInput("an object has at most %d tags", maxTags)
			}
			return slices.Sorted(slices.Values(append(slices.Clone(tags), tag))), nil
		})
		return response{status: http.StatusCreated, body: []byte("null")}, err
	case http.MethodDelete:
		err := c.changeTags(ctx, rq, id, func(tags []string) ([]string, error) {
			if !slices.Contains(tags, tag) {
				return nil, missing
			}
			return slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return t == tag }), nil
		})
		return response{status: http.StatusNoContent}, err
	}
	return response{}, errMethod
}

// mayTag asks the rule about tags; without one of its own, it is that of updates.
func (c *collection[S, V]) mayTag(rq *request, t identity.Target) (what string, ok bool) {
	what = "update_" + c.plural + "_tags"
	rule := c.rights.Action(what)
	if rule == nil {
		rule, what = c.rights.Update, "update_"+c.member
	}
	return what, policy.May(rule, rq.who, t)
}

func (c *collection[S, V]) tagsOf(ctx context.Context, rq *request, id string) (tags []string, err error) {
	err = c.api.read(ctx, func(r records.Reader) error {
		v, err := c.seen(r, rq.who, id)
		if err == nil {
			tags = c.meta(v).Tags
		}
		return err
	})
	return tags, err
}

func (c *collection[S, V]) changeTags(ctx context.Context, rq *request, id string, change func([]string) ([]string, error)) error {
	return c.api.update(ctx, func(u *records.Update) error {
		v, err := c.seen(u.Peek(), rq.who, id)
		if err != nil {
			return err
		}
		if what, ok := c.mayTag(rq, c.target(u.Peek(), v)); !ok {
			return forbidden(what)
		}
		before := c.meta(v).Tags
		after, err := change(before)
		if err != nil {
			return err
		}
		if !slices.Equal(before, after) {
			c.tag(u, v, after)
		}
		return nil
	})
}
