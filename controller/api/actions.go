package api

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// operation is something that is done to one object besides the usual: it gives
// the body of the answer, nil for the object itself.
type operation[V any] func(c plugin.Call, u *records.Update, v *V) (object, error)

// operations serves a collection whose objects have operations. Each reads its
// own form of body.
type operations[S, V any] struct {
	*collection[S, V]
	read map[string]func(body map[string]any) (operation[V], error)
	// bare answers have the object itself, not under its name.
	bare bool
}

func (e operations[S, V]) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) != 2 || e.read[rest[1]] == nil {
		return e.collection.serve(ctx, rq, rest)
	}
	if rq.http.Method != http.MethodPut {
		return response{}, errMethod
	}
	body, err := e.api.readBody(rq.http)
	if err != nil {
		return response{}, err
	}
	do, err := e.read[rest[1]](body)
	if err != nil {
		return response{}, err
	}
	var answer object
	err = e.api.update(ctx, func(u *records.Update) error {
		v, err := e.governedFor(rq, u, rest[0], rest[1])
		if err != nil {
			return err
		}
		if answer, err = do(plugin.Call{Who: rq.who}, u, v); err != nil || answer != nil {
			return err
		}
		after, ok := e.find(u.Peek(), rest[0])
		if !ok {
			return e.notFound(rest[0])
		}
		if answer = e.object(u.Peek(), rq, after); !e.bare {
			answer = object{{e.member, answer}}
		}
		return nil
	})
	return response{status: http.StatusOK, body: appendObject(nil, answer)}, err
}

// governedFor gives the object of an operation that the identity may do. An
// operation without a rule of its own is an update.
func (e operations[S, V]) governedFor(rq *request, u *records.Update, id, name string) (*V, error) {
	v, err := e.seen(u.Peek(), rq.who, id)
	if err != nil {
		return nil, err
	}
	rule := e.rights.Action(name)
	if rule == nil {
		rule = e.rights.Update
	}
	if !policy.May(rule, rq.who, e.target(u.Peek(), v)) {
		return nil, forbidden(name)
	}
	return v, e.checkRevision(rq, v)
}

// prefixBody reads a body that is a list of prefixes under one name; each gives
// a netip.Prefix.
func prefixBody(body map[string]any, name string, each check) ([]netip.Prefix, error) {
	for other := range body {
		if other != name {
			return nil, badRequest("Unrecognized attribute(s) '%s'", clip(other))
		}
	}
	list, err := differentPrefixes(body[name], each)
	if err != nil {
		return nil, refusalOf(name, err)
	}
	return list.([]netip.Prefix), nil
}

// prefixList takes a list of different prefixes.
func prefixList(v any) (any, error) { return differentPrefixes(v, prefix) }

// differentPrefixes takes a list of what each gives as a netip.Prefix.
func differentPrefixes(v any, each check) (any, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, wrong("'%s' is not a list", textOf(v))
	}
	seen := map[netip.Prefix]bool{}
	out := make([]netip.Prefix, 0, len(items))
	for _, item := range items {
		p, err := each(item)
		if err != nil {
			return nil, err
		}
		if seen[p.(netip.Prefix)] {
			return nil, wrong("Duplicate items in the list: '%s'", p)
		}
		seen[p.(netip.Prefix)] = true
		out = append(out, p.(netip.Prefix))
	}
	return out, nil
}

func prefixTexts(prefixes []netip.Prefix) []string {
	out := make([]string, 0, len(prefixes))
	for _, p := range prefixes {
		out = append(out, p.String())
	}
	return out
}

// chosen gives the rows of a table with the names.
func chosen[S, V any](table []attr[S, V], names ...string) []attr[S, V] {
	var rows []attr[S, V]
	for _, name := range names {
		for _, a := range table {
			if a.name == name {
				rows = append(rows, a)
			}
		}
	}
	return rows
}

// ownedTarget is an object of the project that is not shared.
func ownedTarget[S any](meta func(*S) *model.Meta) func(records.Reader, *S) identity.Target {
	return func(_ records.Reader, s *S) identity.Target { return identity.Target{ProjectID: meta(s).ProjectID} }
}
