package api

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/controller/explain"
	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// HostRecords is what an API needs to know of hosts for its explanations.
type HostRecords interface {
	// Tell gives what a host is to know, as of a revision or later, and what of it
	// the host has not confirmed, "" for nothing that is known.
	Tell(ctx context.Context, host string, revision int64) (u *rpc.Update, behind string, err error)
}

// explainer serves /v2.0/lepton-explain (extension lepton-explain): what becomes
// of a packet. docs/extensions.md has the form of question and answer.
type explainer struct {
	api    *API
	rights policy.Resource
	// turns are tokens for explanations under way: each compiles hosts' tables.
	turns chan struct{}
}

const (
	maxExplanations = 2
	explainTimeout  = 20 * time.Second
)

func newExplainer(a *API) endpoint {
	return explainer{api: a, rights: policy.Of("lepton_explain"), turns: make(chan struct{}, maxExplanations)}
}

func (e explainer) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	switch {
	case len(rest) > 0 || e.api.config.Hosts == nil:
		return response{}, errNoPath
	case rq.http.Method != http.MethodGet:
		return response{}, errMethod
	}
	q, err := readQuestion(&rq.query)
	if err != nil {
		return response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	select {
	case e.turns <- struct{}{}:
		defer func() { <-e.turns }()
	case <-ctx.Done():
		return response{}, unavailable("Too many explanations are being worked out.")
	}
	var answer *explain.Answer
	if err = e.api.read(ctx, func(r records.Reader) (err error) {
		answer, err = e.explain(ctx, rq, r, q)
		return err
	}); err != nil {
		return response{}, asQuestion(err)
	}
	return response{status: http.StatusOK, body: appendObject(nil, object{{"lepton_explain", answer}})}, nil
}

// explain finds the ports and works the answer out. Others than administrators
// ask about ports of their own project only.
func (e explainer) explain(ctx context.Context, rq *request, r records.Reader, q explain.Question) (*explain.Answer, error) {
	visible := func(p *model.Port) bool {
		return policy.May(e.rights.Get, rq.who, identity.Target{ProjectID: p.ProjectID})
	}
	from, err := explain.FindPort(r, "from", q.From, visible)
	if err != nil {
		return nil, err
	}
	if from == nil {
		return nil, &explain.BadQuestion{Field: "from", Unknown: true, Text: "no port has the address " + clip(q.From)}
	}
	var to *model.Port
	if q.To != "" {
		to, err = explain.FindPort(r, "to", q.To, visible)
	}
	if err != nil && !isAddress(q.To) { // of an address that several ports have none is meant
		return nil, err
	}
	world := explain.World{
		Reader: r, Now: time.Now(), DownTime: e.api.config.AgentDownTime,
		Records: func(ctx context.Context, host string) (*rpc.Update, string, error) {
			return e.api.config.Hosts.Tell(ctx, host, r.Revision())
		},
	}
	a, err := explain.Explain(ctx, world, q, from, to)
	if err == nil && !rq.who.Admin {
		a.Redact(func(kind, project string) bool {
			return policy.May(e.rights.Get, rq.who, identity.Target{ProjectID: project})
		})
	}
	return a, err
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// readQuestion reads the query. A parameter that is unknown, or there twice, is
// an error.
func readQuestion(q *query) (explain.Question, error) {
	var out explain.Question
	words := map[string]*string{"from": &out.From, "to": &out.To, "protocol": &out.Protocol}
	numbers := map[string]*int{"port": &out.Port, "source_port": &out.SourcePort, "ip_version": &out.IPVersion, "size": &out.Size, "link_mtu": &out.LinkMTU}
	switches := map[string]*bool{"verbose": &out.Verbose, "dont_fragment": &out.DontFragment}
	seen := map[string]bool{}
	for _, p := range q.parameters {
		if seen[p.name] {
			return out, badRequest("Invalid input for %s. Reason: it is there twice.", clip(p.name))
		}
		seen[p.name] = true
		var err error
		switch {
		case words[p.name] != nil:
			*words[p.name] = p.value
		case numbers[p.name] != nil:
			*numbers[p.name], err = strconv.Atoi(p.value)
			if err == nil && *numbers[p.name] < 0 {
				err = strconv.ErrRange
			}
		case switches[p.name] != nil:
			*switches[p.name], err = strconv.ParseBool(strings.ToLower(p.value))
		default:
			return out, badRequest("Unrecognized parameter '%s': there are from, to, protocol, port, source_port, ip_version, size, dont_fragment, link_mtu and verbose.", clip(p.name))
		}
		if err != nil {
			return out, badRequest("Invalid input for %s. Reason: '%s' is not a value of it.", p.name, clip(p.value))
		}
	}
	if out.From == "" {
		return out, badRequest("Invalid input for from. Reason: it names a port, and is missing.")
	}
	return out, nil
}

// asQuestion makes an error about a question one of the API.
func asQuestion(err error) error {
	var q *explain.BadQuestion
	switch {
	case !errors.As(err, &q):
		if errors.Is(err, explain.ErrTooFar) {
			return plugin.Conflict("LeptonExplainTooFar", "%s.", explain.ErrTooFar)
		}
		return err
	case q.Unknown:
		return plugin.Refuse(http.StatusNotFound, "PortNotFound", "Port %s could not be found: %s.", q.Field, q.Text)
	}
	return badRequest("Invalid input for %s. Reason: %s.", q.Field, q.Text)
}
