package api

import (
	"context"
	"iter"
	"math"
	"net/http"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// ruleTypes serves /v2.0/qos/rule-types: the types of rules that policies may
// have, and the values that the driver takes in them.
type ruleTypes struct {
	*collection[struct{}, model.QoSRuleType]
}

func newRuleTypes(a *API) endpoint {
	type (
		spec = struct{}
		view = model.QoSRuleType
	)
	// There is one driver, which takes all rules: all and all that are supported
	// are what is listed anyhow.
	asked := func(values []string) (func(*view) bool, error) {
		_, err := boolFilter(func(*view) any { return nil }, values)
		return func(*view) bool { return true }, err
	}
	return ruleTypes{(&collection[spec, view]{
		api: a, member: "rule_type", plural: "rule_types", path: "qos/rule-types",
		kind: "QosRuleType", title: "QoS rule type",
		attrs: []attr[spec, view]{
			{name: "type", get: func(kind *view) any { return string(*kind) }},
			{name: "all_rules", match: asked},
			{name: "all_supported", match: asked},
		},
		id:     func(kind *view) string { return string(*kind) },
		target: func(records.Reader, *view) identity.Target { return identity.Target{} },
		find:   func(records.Reader, string) (*view, bool) { return nil, false },
		all:    func(records.Reader) iter.Seq[*view] { return each(model.QoSRuleTypes()) },
	}).governed()}
}

func (e ruleTypes) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) != 1 || rest[0] == "" || rq.http.Method != http.MethodGet {
		return e.collection.serve(ctx, rq, rest)
	}
	kind := model.QoSRuleType(rest[0])
	if !rq.who.Admin {
		return response{}, forbidden("get_rule_type")
	}
	if !slices.Contains(model.QoSRuleTypes(), kind) {
		return response{}, plugin.NotFoundAs("QosRuleTypeNotFound", "QoS rule type %s could not be found.", clip(rest[0]))
	}
	driver := object{{"name", "openvswitch"}, {"supported_parameters", qosParameters(kind)}}
	o := object{{"type", string(kind)}, {"drivers", []object{driver}}}
	return response{status: http.StatusOK, body: appendObject(nil, object{{"rule_type", rq.query.only(o)}})}, nil
}

// qosParameters says which values the attributes of a rule may have.
func qosParameters(kind model.QoSRuleType) []object {
	form := qosRuleForms()[kind]
	parameter := func(name, kind string, values any) object {
		return object{{"parameter_name", name}, {"parameter_type", kind}, {"parameter_values", values}}
	}
	number := func(name string) object {
		return parameter(name, "range", object{{"start", 0}, {"end", math.MaxInt32}})
	}
	if kind == model.DSCPMarking {
		return []object{parameter(form.value, "choices", dscpMarks())}
	}
	all := []object{number(form.value)}
	if form.burst != "" {
		all = append(all, number(form.burst))
	}
	return append(all, parameter("direction", "choices", form.directions))
}
