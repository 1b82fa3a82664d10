package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/ratelimit"
	"github.com/lepton-sdn/lepton/controller/records"
)

// Bounds on one request, and on how many are served at once.
const (
	defaultMaxBody     = 1 << 20
	defaultMaxInFlight = 512
	requestTimeout     = 30 * time.Second
)

// Config is what an API needs.
type Config struct {
	DB     *records.DB
	Plugin *plugin.Plugin
	Auth   identity.Authenticator
	Log    *zap.Logger
	// Hosts tells what hosts are sent, for explanations; without it there are none.
	// AgentDownTime is how long an agent that is silent counts as alive.
	Hosts         HostRecords
	AgentDownTime time.Duration
	// Journal is what lepton-events shows; nil: there are none.
	Journal *journal.Journal
	// Status tells of controllers and store; without it lepton-status is not there.
	Status CloudStatus
	// Observe, if set, is told of every request that was answered. It must be
	// quick and safe for concurrent use.
	Observe func(Observation)
	// RateLimit is what one client may ask for; Limited, if set, is told of every
	// request that is refused for it.
	RateLimit ratelimit.Limit
	Limited   func(stranger bool)
	// MaxBody is the largest request body in bytes, 1 MiB when 0.
	MaxBody int64
	// MaxInFlight is how many requests are served at once, 512 when 0; others
	// get 503.
	MaxInFlight int
}

// Observation is one answered request, for metrics.
type Observation struct {
	Method string
	// Resource is the collection, "networks" for instance; "other" for paths
	// that are none.
	Resource string
	Status   int
	Duration time.Duration
}

// API is the HTTP handler.
type API struct {
	config    Config
	endpoints map[string]endpoint
	slots     chan struct{} // requests that are served
	door      chan struct{} // requests whose sender is being established
	large     chan struct{} // requests with large bodies
	zip       compressor
	bodies    bodyPool
	readers   chan struct{} // requests that read the journal
	limits    *limits
}

// endpoint serves the paths below one first element of /v2.0/.
type endpoint interface {
	// serve answers a request; rest is the path behind the endpoint's own name.
	serve(ctx context.Context, rq *request, rest []string) (response, error)
}

// New makes the handler of the API.
func New(c Config) *API {
	if c.Auth == nil {
		c.Auth = identity.None{}
	}
	if c.MaxBody == 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = defaultMaxInFlight
	}
	a := &API{
		config: c, slots: make(chan struct{}, c.MaxInFlight), door: make(chan struct{}, c.MaxInFlight),
		large: make(chan struct{}, maxLarge), readers: make(chan struct{}, maxReaders),
		limits: newLimits(c),
	}
	a.endpoints = map[string]endpoint{
		"extensions":                   extensionList{},
		"networks":                     newNetworks(a),
		"subnets":                      newSubnets(a),
		"ports":                        newPorts(a),
		"security-groups":              newGroups(a),
		"security-group-rules":         newRules(a),
		"default-security-group-rules": newTemplates(a),
		"routers":                      newRouters(a),
		"floatingips":                  newFloatingIPs(a),
		"floatingip-pools":             floatingPools{a, "floatingip-pools"},
		"floatingip_pools":             floatingPools{a, "floatingip_pools"},
		"subnetpools":                  newPools(a),
		"address-scopes":               newScopes(a),
		"address-groups":               newAddressGroups(a),
		"rbac-policies":                newPolicies(a),
		"auto-allocated-topology":      newTopologies(a),
		"agents":                       newAgents(a),
		"segments":                     newSegments(a),
		"network_segment_ranges":       newRanges(a, "network_segment_ranges"),
		"network-segment-ranges":       newRanges(a, "network-segment-ranges"),
		"quotas":                       newQuotas(a),
		"availability_zones":           newZones(a),
		"network-ip-availabilities":    newUsages(a),
		"lepton-topology":              newMap(a),
	}
	maps.Copy(a.endpoints, serviceEndpoints(a))
	return a
}

// request is an HTTP request with what is known of it.
type request struct {
	http *http.Request
	who  identity.Identity
	// suffix is ".json" when the path ended so.
	suffix string
	query  query
}

// response is an answer. Without a body it has no content.
type response struct {
	status int
	body   []byte
	// pooled says that the body's memory is from API.bodies and goes back there.
	pooled bool
	// tag is the entity tag of an answer that has one, quoted.
	tag string
}

// ServeHTTP answers a request. Every answer below /v2.0 has a fresh
// X-Openstack-Request-Id.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	resource := "other"
	status := http.StatusInternalServerError
	defer func() {
		if a.config.Observe != nil {
			a.config.Observe(Observation{Method: r.Method, Resource: resource, Status: status, Duration: time.Since(begin)})
		}
	}()
	path, below := strings.CutPrefix(r.URL.Path, "/v2.0/")
	if !below {
		status = a.serveRoot(w, r)
		return
	}
	id := "req-" + uuid.NewString()
	w.Header().Set("X-Openstack-Request-Id", id)
	log := a.config.Log.With(zap.String("request", id))
	parts, _ := splitPath(path)
	if _, ok := a.endpoints[parts[0]]; ok {
		resource = parts[0]
	}
	var look look
	if r.Method == http.MethodGet {
		r = r.WithContext(context.WithValue(r.Context(), lookKey{}, &look))
	}
	res, err := a.answer(r, id, log)
	err = look.staleness(w, err)
	if err != nil {
		status = a.refuse(w, r, err, log)
		return
	}
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", a.allowed(r.URL.Path))
	}
	if res.tag != "" {
		w.Header().Set("ETag", res.tag)
		w.Header().Set("Cache-Control", "private, no-cache")
	}
	status = res.status
	a.write(w, r, res)
}

// splitPath takes a path apart; ".json" at its end is what old clients send.
func splitPath(path string) (parts []string, suffix string) {
	if p, ok := strings.CutSuffix(path, ".json"); ok {
		path, suffix = p, ".json"
	}
	return strings.Split(strings.TrimSuffix(path, "/"), "/"), suffix
}

// answer works out the answer to the request of that id, which is below /v2.0.
func (a *API) answer(r *http.Request, id string, log *zap.Logger) (res response, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	parts, suffix := splitPath(strings.TrimPrefix(r.URL.Path, "/v2.0/"))
	who, leave, err := a.admit(r)
	if err != nil {
		return response{}, err
	}
	defer leave()
	if !takesJSON(r.Header) {
		return response{}, errAccept
	}
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return response{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	ctx = journal.By(ctx, author(r, who, id))
	log.Debug("request", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.String("project", who.ProjectID))
	body := &meteredBody{ReadCloser: r.Body, ctx: ctx, large: a.large}
	defer body.done()
	r.Body = body
	rq := &request{http: r, who: who, suffix: suffix, query: q}
	if len(parts) == 1 && parts[0] == "" {
		return versionResources(rq)
	}
	e, ok := a.endpoints[parts[0]]
	if !ok {
		return response{}, errNoPath
	}
	if r.Method == http.MethodOptions {
		return response{status: http.StatusOK}, nil
	}
	return e.serve(ctx, rq, parts[1:])
}

// update runs fn in one transaction.
func (a *API) update(ctx context.Context, fn func(*records.Update) error) error {
	_, err := a.config.DB.Update(ctx, fn)
	return err
}

// Errors that are about the request as a whole.
var (
	errBusy   = errors.New("too many requests at once")
	errNoPath = plugin.Refuse(http.StatusNotFound, "HTTPNotFound", "The resource could not be found.")
	errAccept = plugin.Refuse(http.StatusNotAcceptable, "HTTPNotAcceptable", "The answer is application/json, which the request's Accept does not take.")
	errMethod = plugin.Refuse(http.StatusMethodNotAllowed, "HTTPMethodNotAllowed", "The method is not allowed for this resource.")
)
