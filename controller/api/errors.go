package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/store"
)

// retryAfter is the hint, in seconds, to clients that came at a bad moment.
const retryAfter = "2"

// badRequest is the 400 for what is wrong with the request's form.
func badRequest(format string, args ...any) *plugin.Error {
	return plugin.BadRequest("HTTPBadRequest", format, args...)
}

// refuse answers with an error and returns the status. What is not the client's
// fault is logged here, and only here.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error, log *zap.Logger) int {
	log = log.With(zap.String("method", r.Method), zap.String("path", r.URL.Path))
	if errors.Is(err, identity.ErrUnauthorized) {
		log.Debug("request without identity", zap.Error(err))
		return a.challenge(w)
	}
	e := asRefusal(err)
	switch gone := errors.Is(err, context.Canceled) && r.Context().Err() != nil; {
	case gone:
		log.Debug("client went away", zap.Error(err))
	case e == nil:
		log.Error("request failed", zap.Error(err))
	case e.Status == http.StatusServiceUnavailable:
		log.Warn("request refused", zap.Error(err))
	}
	if e == nil {
		e = plugin.Refuse(http.StatusInternalServerError, "HTTPInternalServerError",
			"Request Failed: internal server error while processing your request.")
	}
	if t := asTooMany(err); t != nil {
		w.Header().Set("Retry-After", strconv.Itoa(t.seconds()))
		log.Debug("request refused", zap.Error(err))
	}
	if e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	if e.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", a.allowed(r.URL.Path)) // RFC 9110, section 15.5.6
	}
	if e.Status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close") // the rest of the body is not read
	}
	b := appendObject(nil, object{{"NeutronError", object{
		{"type", e.Type}, {"message", e.Message}, {"detail", ""},
	}}})
	a.write(w, r, response{status: e.Status, body: b})
	return e.Status
}

// allowed lists the methods that a path has.
func (a *API) allowed(path string) string {
	path, _ = strings.CutPrefix(path, "/v2.0/")
	parts, _ := splitPath(path)
	if e, ok := a.endpoints[parts[0]].(interface{ methods(rest []string) []string }); ok {
		return strings.Join(e.methods(parts[1:]), ", ")
	}
	return "GET, OPTIONS"
}

// asRefusal gives the error as the API shows it; nil for one that it does not.
func asRefusal(err error) *plugin.Error {
	refusal := (*plugin.Error)(nil)
	tooLong := (*http.MaxBytesError)(nil)
	inUse := (*records.InUseError)(nil)
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &tooLong):
		return plugin.Refuse(http.StatusRequestEntityTooLarge, "HTTPRequestEntityTooLarge",
			"The body of the request is larger than %d bytes.", tooLong.Limit)
	case errors.Is(err, store.ErrTooLarge):
		return plugin.Refuse(http.StatusRequestEntityTooLarge, "HTTPRequestEntityTooLarge",
			"The request changes more objects than fit in one transaction.")
	case asTooMany(err) != nil:
		return plugin.Refuse(http.StatusTooManyRequests, "TooManyRequests",
			"Too many requests of this client. Try again in %d s.", asTooMany(err).seconds())
	case errors.As(err, &inUse):
		return plugin.Conflict("InUse", "The resource is in use.")
	case errors.Is(err, errBusy):
		return unavailable("Too many requests are being served.")
	case errors.Is(err, identity.ErrUnavailable):
		return unavailable("The identity service does not answer.")
	case errors.Is(err, records.ErrConflict):
		return unavailable("Too many concurrent changes of the same objects.")
	case errors.Is(err, store.ErrFull):
		return plugin.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable",
			"The store of the controller has no space left: nothing can be written until an operator makes room, see \"The store is full\" in troubleshooting.")
	case errors.Is(err, records.ErrUnavailable), errors.Is(err, records.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		return unavailable("The store of the controller does not answer.")
	}
	return nil
}

func unavailable(message string) *plugin.Error {
	return plugin.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "%s Try again.", message)
}

// challenge answers 401 in the form of Keystone's middleware, which clients
// know.
func (a *API) challenge(w http.ResponseWriter) int {
	if c := a.config.Auth.Challenge(); c != "" {
		w.Header().Set("Www-Authenticate", c)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	b := appendObject(nil, object{{"error", object{
		{"code", http.StatusUnauthorized},
		{"title", "Unauthorized"},
		{"message", "The request you have made requires authentication."},
	}}})
	_, _ = w.Write(b) // the client may be gone
	return http.StatusUnauthorized
}
