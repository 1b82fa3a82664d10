package api

import (
	"iter"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	logSpec = plugin.LogSpec
	logView = model.Log
)

// newLogging serves /v2.0/log: the logs, and what can be logged.
func newLogging(a *API) branch {
	return branch{"logs": newLogs(a), "loggable-resources": newLoggables(a)}
}

func newLogs(a *API) endpoint {
	p := a.config.Plugin
	view := func(_ records.Reader, log *model.Log) *logView { return log }
	return (&collection[logSpec, logView]{
		api: a, member: "log", plural: "logs", path: "log/logs", kind: "LogResource", title: "Log resource", bulk: true,
		attrs:  logAttrs(),
		id:     func(v *logView) string { return v.ID },
		meta:   func(v *logView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *logView) identity.Target { return identity.Target{ProjectID: v.ProjectID} },
		find:   found(records.Logs, view),
		all:    func(r records.Reader) iter.Seq[*logView] { return records.Logs.All(r) },
		fresh: func(rq *request) *logSpec {
			s := &logSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:       func(v *logView) *logSpec { return &logSpec{Log: *v} },
		create:     p.CreateLog,
		update:     p.UpdateLog,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteLog(u, id) },
		specTarget: ownedTarget(func(s *logSpec) *model.Meta { return &s.Meta }),
	}).governed()
}

func logAttrs() []attr[logSpec, logView] {
	type row = attr[logSpec, logView]
	table := chosen(common(
		func(s *logSpec) *model.Meta { return &s.Meta },
		func(v *logView) *model.Meta { return v.GetMeta() }),
		"id", "name", "tenant_id", "project_id", "description", "created_at", "updated_at", "revision_number")
	return append(table, []row{
		{
			name: "resource_type", create: true, required: true, check: nonEmpty, filter: byText, sort: true,
			set: func(s *logSpec, v any) { s.ResourceType = v.(string) },
			get: func(v *logView) any { return v.ResourceType },
		},
		{
			name: "resource_id", create: true, check: nullable(uuidText), filter: byText, sort: true,
			set: func(s *logSpec, v any) { s.ResourceID, _ = v.(string) },
			get: func(v *logView) any { return orNull(v.ResourceID) },
		},
		{
			name: "target_id", create: true, check: nullable(uuidText), filter: byText, sort: true,
			set: func(s *logSpec, v any) { s.TargetID, _ = v.(string) },
			get: func(v *logView) any { return orNull(v.TargetID) },
		},
		{
			name: "event", create: true, standard: model.LogAll, check: oneOf(model.LogAccept, model.LogDrop, model.LogAll), filter: byText,
			set: func(s *logSpec, v any) { s.Event = v.(string) },
			get: func(v *logView) any { return v.Event },
		},
		{
			name: "enabled", create: true, update: true, standard: true, check: boolean, filter: byBool, sort: true,
			set: func(s *logSpec, v any) { s.Enabled = v.(bool) },
			get: func(v *logView) any { return v.Enabled },
		},
	}...)
}

// newLoggables serves /v2.0/log/loggable-resources, a list only.
func newLoggables(a *API) endpoint {
	type (
		spec = struct{}
		view = string // the type
	)
	return (&collection[spec, view]{
		api: a, member: "loggable_resource", plural: "loggable_resources", path: "log/loggable-resources",
		kind: "LoggableResource", title: "Loggable resource",
		attrs:  []attr[spec, view]{{name: "type", get: func(kind *view) any { return *kind }, filter: byText, sort: true}},
		id:     func(kind *view) string { return *kind },
		target: func(records.Reader, *view) identity.Target { return identity.Target{} },
		find:   func(records.Reader, string) (*view, bool) { return nil, false },
		all:    func(records.Reader) iter.Seq[*view] { return each(plugin.LoggableResources()) },
	}).governed()
}
