package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
)

// read runs fn on the records, fresh as of now. What only looks gets them as they
// were last seen when the store does not answer.
func (a *API) read(ctx context.Context, fn func(records.Reader) error) error {
	look, ok := ctx.Value(lookKey{}).(*look)
	if !ok {
		return a.config.DB.Read(ctx, fn)
	}
	return a.config.DB.ReadAnyway(ctx, func(r records.Reader, age time.Duration) error {
		look.age = max(look.age, age)
		return fn(r)
	})
}

// look is what is known of the records that a request looks at.
type look struct {
	age time.Duration // of the oldest; 0 for fresh ones
}

type lookKey struct{}

// isStale reports whether a request has looked at old records.
func isStale(ctx context.Context) bool {
	look, ok := ctx.Value(lookKey{}).(*look)
	return ok && look.age > 0
}

// staleHeader says how many seconds ago the store answered last, in answers that
// are made of older records.
const staleHeader = "Lepton-Stale"

// errUnknown is what stands for 404 in what is made of old records: what was made
// since may be there, and clients take 404 for a deletion.
var errUnknown = unavailable("The store of the controller does not answer, and the records from before do not have what is asked for.")

// staleness says in an answer's header how old its records are; an error may have
// to become another one.
func (l *look) staleness(w http.ResponseWriter, err error) error {
	if l.age == 0 {
		return err
	}
	w.Header().Set(staleHeader, strconv.FormatFloat(l.age.Seconds(), 'f', 1, 64))
	if e := asRefusal(err); e != nil && e.Status == http.StatusNotFound {
		return errUnknown
	}
	return err
}
