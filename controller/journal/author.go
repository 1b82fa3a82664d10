package journal

import "context"

type authorKey struct{}

// By gives a context whose updates of the records are an author's.
func By(ctx context.Context, a *Author) context.Context {
	return context.WithValue(ctx, authorKey{}, a)
}

// authorOf is who makes the updates of a context: a controller by itself where
// nobody was named.
func authorOf(ctx context.Context) *Author {
	if a, ok := ctx.Value(authorKey{}).(*Author); ok {
		return a
	}
	return &Author{Kind: ByController}
}
