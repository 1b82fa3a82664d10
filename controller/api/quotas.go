package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
)

// quotaEndpoint serves /v2.0/quotas: the limits of projects, and what they use.
type quotaEndpoint struct {
	api    *API
	rights policy.Resource
}

func newQuotas(a *API) endpoint { return quotaEndpoint{api: a, rights: policy.Of("quota")} }

func (s quotaEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	method := rq.http.Method
	switch {
	case len(rest) == 0 || len(rest) == 1 && rest[0] == "":
		if method == http.MethodGet {
			return s.list(ctx, rq)
		}
		return response{}, errMethod
	case len(rest) > 2 || len(rest[0]) > maxProject:
		return response{}, errNoPath
	}
	project, view := rest[0], ""
	if len(rest) == 2 {
		view = rest[1]
	}
	if err := s.authorize(rq, project); err != nil {
		return response{}, err
	}
	switch {
	case method == http.MethodGet:
		return s.show(ctx, project, view)
	case method == http.MethodPut && view == "":
		return s.update(ctx, rq, project)
	case method == http.MethodDelete && view == "":
		err := s.api.update(ctx, func(u *records.Update) error { return s.api.config.Plugin.DeleteQuota(u, project) })
		return response{status: http.StatusNoContent}, err
	}
	return response{}, errMethod
}

// authorize checks the rule of the method on a project's limits.
func (s quotaEndpoint) authorize(rq *request, project string) error {
	rule, verb := s.rights.Get, "get"
	switch rq.http.Method {
	case http.MethodPut:
		rule, verb = s.rights.Update, "update"
	case http.MethodDelete:
		rule, verb = s.rights.Delete, "delete"
	}
	if !policy.May(rule, rq.who, identity.Target{ProjectID: project}) {
		return forbidden(verb + "_quota")
	}
	return nil
}

// list gives the projects that have limits of their own.
func (s quotaEndpoint) list(ctx context.Context, rq *request) (response, error) {
	if err := s.authorize(rq, ""); err != nil {
		return response{}, err
	}
	all := []object{}
	err := s.api.read(ctx, func(r records.Reader) error {
		for q := range records.Quotas.All(r) {
			o := limitsObject(s.api.config.Plugin.Quota(r, q.ProjectID))
			all = append(all, append(o, member{"project_id", q.ProjectID}, member{"tenant_id", q.ProjectID}))
		}
		return nil
	})
	return response{status: http.StatusOK, body: appendObject(nil, object{{"quotas", all}})}, err
}

// show gives a project's limits, the defaults, or the limits with what is used.
func (s quotaEndpoint) show(ctx context.Context, project, view string) (response, error) {
	p := s.api.config.Plugin
	var quota object
	err := s.api.read(ctx, func(r records.Reader) error {
		switch view {
		case "":
			quota = limitsObject(p.Quota(r, project))
		case "default":
			quota = limitsObject(p.DefaultQuota())
		case "details":
			limits := p.Quota(r, project)
			for _, resource := range plugin.QuotaResources() {
				quota = append(quota, member{resource, object{
					{"limit", limits[resource]}, {"used", p.QuotaUsage(r, project, resource)}, {"reserved", 0},
				}})
			}
		default:
			return errNoPath
		}
		return nil
	})
	return response{status: http.StatusOK, body: appendObject(nil, object{{"quota", quota}})}, err
}

func limitsObject(limits map[string]int) object {
	o := object{}
	for _, resource := range plugin.QuotaResources() {
		o = append(o, member{resource, limits[resource]})
	}
	return o
}

// update gives a project limits of its own.
func (s quotaEndpoint) update(ctx context.Context, rq *request, project string) (response, error) {
	body, err := s.api.readBody(rq.http)
	if err != nil {
		return response{}, err
	}
	o, err := root(body, "quota")
	if err != nil {
		return response{}, err
	}
	limits, check, err := quotaLimits(o)
	if err != nil {
		return response{}, err
	}
	p := s.api.config.Plugin
	var answer object
	err = s.api.update(ctx, func(u *records.Update) error {
		if check {
			if err := p.CheckQuota(u.Peek(), project, limits); err != nil {
				return err
			}
		}
		if err := p.SetQuota(u, project, limits); err != nil {
			return err
		}
		answer = limitsObject(p.Quota(u, project))
		return nil
	})
	return response{status: http.StatusOK, body: appendObject(nil, object{{"quota", answer}})}, err
}

// quotaLimits reads limits, and whether they must not be below what is used.
func quotaLimits(o map[string]any) (limits map[string]int, check bool, err error) {
	limits = map[string]int{}
	for name, value := range o {
		switch name {
		case "check_limit", "force":
			on, err := boolean(value)
			if err != nil {
				return nil, false, refusalOf(name, err)
			}
			check = check || name == "check_limit" && on.(bool)
		case "tenant_id", "project_id":
		default:
			n, err := integer(-1, plugin.MaxQuota)(value)
			if err != nil {
				return nil, false, refusalOf(name, err)
			}
			limits[name] = n.(int)
		}
	}
	return limits, check, nil
}

// refusalOf makes an API error of what a check found wrong.
func refusalOf(attribute string, err error) error {
	if bad := (*invalid)(nil); errors.As(err, &bad) {
		return bad.refusal(attribute)
	}
	return err
}
