package api

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/model"
)

// attr is one attribute of a resource: a row of its table. S is what requests
// are read into, V what answers are made of.
type attr[S, V any] struct {
	name string
	// create and update say whether requests may have it; required, that a
	// create must.
	create, update, required bool
	// standard is the value of a create without it; nil leaves it to the
	// resource.
	standard any
	// null says that null is what a create without it means.
	null bool
	// check validates a value and gives it the form that set takes.
	check check
	set   func(*S, any)
	// get gives the value to show; nil for an attribute that is never shown.
	get func(*V) any
	// getFor is get for an attribute that depends on who asks, instead of it.
	getFor func(identity.Identity, *V) any
	// unseen marks one that is only filtered by.
	unseen bool
	// filter says how lists are filtered by it; match is for filters that are
	// not a comparison of get.
	filter filterKind
	match  func(values []string) (func(*V) bool, error)
	sort   bool
	// parts names the parts of a checked value that may have rules of their
	// own: "ip_address" of fixed_ips. nil for none.
	parts func(v any) []string
	// rules are its own rules, from the table of rights.
	rules policy.Attribute
}

// reader gives the attribute's get for an identity, nil for none.
func (a *attr[S, V]) reader(who identity.Identity) func(*V) any {
	if a.getFor == nil {
		return a.get
	}
	return func(v *V) any { return a.getFor(who, v) }
}

// check validates a value as JSON has it (string, bool, json.Number, nil, []any,
// map[string]any) and gives it the form in which it is used. The error is an
// *invalid, or a *plugin.Error where Neutron has a type for it.
type check func(v any) (any, error)

// invalid says why a value cannot be.
type invalid struct {
	reason string
	// convert marks a value that is of a wrong type, for which the API has
	// another error type.
	convert bool
}

func (e *invalid) Error() string { return e.reason }

// refusal makes an API error of what a check found wrong with an attribute.
func (e *invalid) refusal(attribute string) error {
	if e.convert {
		return plugin.InvalidInput("%s: %s", attribute, e.reason)
	}
	return badRequest("Invalid input for %s. Reason: %s.", attribute, e.reason)
}

// common gives the attributes that all resources with an owner have: id, name,
// project and its older name, description, tags, times and revision, and how it is
// imported. spec and
// view find the common part in what requests and answers are made of.
func common[S, V any](spec func(*S) *model.Meta, view func(*V) *model.Meta) []attr[S, V] {
	text := func(field func(*model.Meta) *string) (func(*S, any), func(*V) any) {
		return func(s *S, v any) { *field(spec(s)) = v.(string) },
			func(v *V) any { return *field(view(v)) }
	}
	setName, getName := text(func(m *model.Meta) *string { return &m.Name })
	setDescription, getDescription := text(func(m *model.Meta) *string { return &m.Description })
	setProject, getProject := text(func(m *model.Meta) *string { return &m.ProjectID })
	return []attr[S, V]{
		{name: "id", get: func(v *V) any { return view(v).ID }, filter: byText, sort: true},
		{name: "name", create: true, update: true, standard: "", check: text255, set: setName, get: getName, filter: byText, sort: true},
		{name: "tenant_id", create: true, check: text255, set: setProject, get: getProject, filter: byText, sort: true},
		{name: "project_id", create: true, check: text255, set: setProject, get: getProject, filter: byText, sort: true},
		{name: "description", create: true, update: true, standard: "", check: text255, set: setDescription, get: getDescription, filter: byText},
		{name: "tags", get: func(v *V) any { return list(view(v).Tags) }},
		{name: "created_at", get: func(v *V) any { return view(v).CreatedAt }},
		{name: "updated_at", get: func(v *V) any { return view(v).UpdatedAt }},
		{name: "revision_number", get: func(v *V) any { return view(v).Revision }, filter: byInt},
		importRow[S, V](spec),
	}
}

// replaced gives the table with the rows of the same names replaced by others.
func replaced[S, V any](table []attr[S, V], rows ...attr[S, V]) []attr[S, V] {
	for _, row := range rows {
		i := slices.IndexFunc(table, func(a attr[S, V]) bool { return a.name == row.name })
		table[i] = row
	}
	return table
}
