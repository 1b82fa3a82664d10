package api

import "context"

// branch serves the paths below a first element that is shared by several
// collections: "qos" of qos/policies.
type branch map[string]endpoint

func (b branch) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) == 0 || b[rest[0]] == nil {
		return response{}, errNoPath
	}
	return b[rest[0]].serve(ctx, rq, rest[1:])
}

// taggable serves the tags of a collection's objects, and nothing else.
type taggable struct{ endpoint }

func (t taggable) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) < 2 || rest[1] != "tags" {
		return response{}, errNoPath
	}
	return t.endpoint.serve(ctx, rq, rest)
}
