package api

import (
	"context"
	"net/http"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
)

// topologyEndpoint serves /v2.0/auto-allocated-topology/<project>: the network
// of a project that has not designed any.
type topologyEndpoint struct {
	api    *API
	rights policy.Resource
}

func newTopologies(a *API) endpoint {
	return topologyEndpoint{api: a, rights: policy.Of("auto_allocated_topology")}
}

// dryRun is the value of fields that asks whether a topology could be made.
const dryRun = "dry-run"

func (e topologyEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) != 1 || rest[0] == "" || len(rest[0]) > maxProject {
		return response{}, errNoPath
	}
	project := rest[0]
	if project == "None" || project == "null" { // of clients that do not know theirs
		project = rq.who.ProjectID
	}
	if project == "" || !rq.who.Admin && project != rq.who.ProjectID {
		return response{}, plugin.Refuse(http.StatusForbidden, "NotAuthorized", "Not authorized.")
	}
	target := identity.Target{ProjectID: project}
	switch rq.http.Method {
	case http.MethodGet:
		if !policy.May(e.rights.Get, rq.who, target) {
			return response{}, forbidden("get_" + e.rights.Name)
		}
		return e.show(ctx, rq, project)
	case http.MethodDelete:
		if !policy.May(e.rights.Delete, rq.who, target) {
			return response{}, forbidden("delete_" + e.rights.Name)
		}
		err := e.api.update(ctx, func(u *records.Update) error { return e.api.config.Plugin.DeleteTopology(u, project) })
		return response{status: http.StatusNoContent}, err
	}
	return response{}, errMethod
}

// show gives the topology of a project, and makes it if it is not there; or says
// whether it could.
func (e topologyEndpoint) show(ctx context.Context, rq *request, project string) (response, error) {
	p, call := e.api.config.Plugin, plugin.Call{Who: rq.who}
	if len(rq.query.fields) > 0 && !rq.query.fields[dryRun] {
		return response{}, plugin.BadRequest("BadRequest", "Bad auto_allocate request: Unrecognized field.")
	}
	network := ""
	err := e.api.read(ctx, func(r records.Reader) error {
		if rq.query.fields[dryRun] {
			network = dryRun + "=pass"
			return p.CheckTopology(call, r)
		}
		network, _ = p.Topology(r, project)
		return nil
	})
	if err == nil && network == "" {
		err = e.api.update(ctx, func(u *records.Update) (err error) {
			network, err = p.EnsureTopology(call, u, project)
			return err
		})
	}
	return response{status: http.StatusOK, body: appendObject(nil, object{{e.rights.Name, object{
		{"id", network}, {"tenant_id", project}, {"project_id", project},
	}}})}, err
}
