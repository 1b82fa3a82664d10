package api

import (
	"context"
	"math"
	"net/http"
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/model"
)

// ruleTypes serves /v2.0/qos/rule-types: the types of rules that policies may
// have, and the values that the driver takes in them.
type ruleTypes struct{ rights policy.Resource }

func (e ruleTypes) serve(_ context.Context, rq *request, rest []string) (response, error) {
	if len(rest) > 1 {
		return response{}, errNoPath
	}
	if rq.http.Method != http.MethodGet {
		return response{}, errMethod
	}
	if len(rest) == 0 || rest[0] == "" {
		return e.list(rq)
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

// list gives all types. all_rules and all_supported ask for more than what every
// driver takes; there is one driver, which takes all.
func (e ruleTypes) list(rq *request) (response, error) {
	for _, name := range rq.query.order {
		if name != "all_rules" && name != "all_supported" {
			return response{}, badRequest("['%s'] is invalid attribute for filtering", clip(name))
		}
		for _, text := range rq.query.filters[name] {
			if _, ok := parseBool(text); !ok {
				return response{}, plugin.InvalidInput("'%s' cannot be converted to boolean", clip(text))
			}
		}
	}
	all := []object{}
	if policy.May(e.rights.Get, rq.who, identity.Target{}) {
		for _, kind := range model.QoSRuleTypes() {
			all = append(all, rq.query.only(object{{"type", string(kind)}}))
		}
	}
	return response{status: http.StatusOK, body: appendObject(nil, object{{"rule_types", all}})}, nil
}
