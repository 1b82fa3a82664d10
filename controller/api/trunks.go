package api

import (
	"context"
	"iter"
	"net/http"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	trunkSpec = plugin.TrunkSpec
	trunkView = plugin.TrunkView
)

// trunkEndpoint serves /v2.0/trunks, and what is done to the sub ports of one.
type trunkEndpoint struct {
	operations[trunkSpec, trunkView]
}

func newTrunks(a *API) endpoint {
	p := a.config.Plugin
	byProject := byIndex(records.Trunks, records.TrunksByProject, p.ViewTrunk)
	c := &collection[trunkSpec, trunkView]{
		api: a, member: "trunk", plural: "trunks", path: "trunks", kind: "Trunk", title: "Trunk", bulk: true,
		attrs: trunkAttrs(),
		id:    func(v *trunkView) string { return v.ID },
		meta:  func(v *trunkView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *trunkView) identity.Target {
			return identity.Target{ProjectID: v.ProjectID}
		},
		find: found(records.Trunks, p.ViewTrunk),
		all: func(r records.Reader) iter.Seq[*trunkView] {
			return views(records.Trunks.All(r), func(t *model.Trunk) *trunkView { return p.ViewTrunk(r, t) })
		},
		hints: []hint[trunkView]{{"project_id", byProject}, {"tenant_id", byProject}},
		fresh: func(rq *request) *trunkSpec {
			s := &trunkSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:   func(v *trunkView) *trunkSpec { return &trunkSpec{Trunk: *v.Trunk} },
		create: p.CreateTrunk,
		update: func(c plugin.Call, u *records.Update, before *trunkView, s *trunkSpec) error {
			return p.UpdateTrunk(c, u, before.Trunk, s)
		},
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteTrunk(u, id) },
		tag:        func(u *records.Update, v *trunkView, tags []string) { p.TagTrunk(u, v.Trunk, tags) },
		specTarget: ownedTarget(func(s *trunkSpec) *model.Meta { return &s.Meta }),
	}
	return trunkEndpoint{operations[trunkSpec, trunkView]{collection: c.governed(), bare: true, read: trunkOperations(p)}}
}

func trunkOperations(p *plugin.Plugin) map[string]func(map[string]any) (operation[trunkView], error) {
	return map[string]func(map[string]any) (operation[trunkView], error){
		"add_subports": func(body map[string]any) (operation[trunkView], error) {
			subs, err := subPortBody(body)
			return func(c plugin.Call, u *records.Update, v *trunkView) (object, error) {
				return nil, p.AddSubPorts(c, u, v.Trunk, subs)
			}, err
		},
		"remove_subports": func(body map[string]any) (operation[trunkView], error) {
			subs, err := subPortBody(body)
			ports := make([]string, 0, len(subs))
			for _, s := range subs {
				ports = append(ports, s.PortID)
			}
			return func(_ plugin.Call, u *records.Update, v *trunkView) (object, error) {
				return nil, p.RemoveSubPorts(u, v.Trunk, ports)
			}, err
		},
	}
}

func (e trunkEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) != 2 || rest[1] != "get_subports" {
		return e.operations.serve(ctx, rq, rest)
	}
	if rq.http.Method != http.MethodGet {
		return response{}, errMethod
	}
	var body []byte
	err := e.api.read(ctx, func(r records.Reader) error {
		v, err := e.seen(r, rq.who, rest[0])
		if err != nil {
			return err
		}
		if !policy.May(e.rights.Action(rest[1]), rq.who, e.target(r, v)) {
			return forbidden(rest[1])
		}
		body = appendObject(nil, object{{"sub_ports", subPortObjects(v.SubPorts)}})
		return nil
	})
	return response{status: http.StatusOK, body: body}, err
}

func trunkAttrs() []attr[trunkSpec, trunkView] {
	type row = attr[trunkSpec, trunkView]
	return append(common(
		func(s *trunkSpec) *model.Meta { return &s.Meta },
		func(v *trunkView) *model.Meta { return &v.Meta }), []row{
		{
			name: "port_id", create: true, required: true, check: uuidText, filter: byText, sort: true,
			set: func(s *trunkSpec, v any) { s.PortID = v.(string) },
			get: func(v *trunkView) any { return v.PortID },
		},
		{
			name: "admin_state_up", create: true, update: true, standard: true, check: boolean, filter: byBool, sort: true,
			set: func(s *trunkSpec, v any) { s.AdminStateUp = v.(bool) },
			get: func(v *trunkView) any { return v.AdminStateUp },
		},
		{name: "status", get: func(v *trunkView) any { return v.Status }, sort: true},
		{
			name: "sub_ports", create: true, check: subPorts,
			set: func(s *trunkSpec, v any) { s.Subs = v.([]plugin.SubPortSpec) },
			get: func(v *trunkView) any { return subPortObjects(v.SubPorts) },
		},
	}...)
}

func subPortObjects(subs []model.SubPort) []object {
	out := make([]object, 0, len(subs))
	for _, s := range subs {
		out = append(out, object{{"port_id", s.PortID}, {"segmentation_type", s.SegmentationType}, {"segmentation_id", s.SegmentationID}})
	}
	return out
}

// subPortBody reads the body of add_subports and remove_subports.
func subPortBody(body map[string]any) ([]plugin.SubPortSpec, error) {
	for name := range body {
		if name != "sub_ports" {
			return nil, badRequest("Unrecognized attribute(s) '%s'", clip(name))
		}
	}
	subs, err := subPorts(body["sub_ports"])
	if err != nil {
		return nil, plugin.InvalidInput("%s", err)
	}
	return subs.([]plugin.SubPortSpec), nil
}

// subPorts takes a list of different sub ports, which have different tags.
func subPorts(v any) (any, error) {
	subs, err := objects(subPortOf)(v)
	if err != nil {
		return nil, err
	}
	type tag struct {
		kind string
		id   int
	}
	ports, tags := map[string]bool{}, map[tag]bool{}
	for _, s := range subs.([]plugin.SubPortSpec) {
		if ports[s.PortID] {
			return nil, wrong("Non unique UUID for subport: '%s'", s.PortID)
		}
		ports[s.PortID] = true
		if s.Type == plugin.SegmentationInherit || s.ID == nil {
			continue
		}
		if tags[tag{s.Type, *s.ID}] {
			return nil, wrong("Segmentation ID '%d' for '%s' is not unique", *s.ID, s.PortID)
		}
		tags[tag{s.Type, *s.ID}] = true
	}
	return subs, nil
}

func subPortOf(o map[string]any) (plugin.SubPortSpec, error) {
	var s plugin.SubPortSpec
	if err := only(o, "port_id", "segmentation_type", "segmentation_id"); err != nil {
		return s, err
	}
	id, err := uuidText(o["port_id"])
	if err != nil {
		return s, wrong("Invalid UUID for subport: '%s'", textOf(o["port_id"]))
	}
	s.PortID = id.(string)
	kind, err := nullable(text255)(o["segmentation_type"])
	if err != nil {
		return s, err
	}
	s.Type, _ = kind.(string)
	if s.Type != plugin.SegmentationInherit && (s.Type == "") != (o["segmentation_id"] == nil) {
		return s, wrong("Invalid subport details '%s': segmentation_id and segmentation_type must both be specified", s.PortID)
	}
	if tag := o["segmentation_id"]; tag != nil && s.Type != plugin.SegmentationInherit {
		n, err := parseInteger(tag)
		if err != nil {
			return s, err
		}
		vlan := int(n)
		s.ID = &vlan
	}
	return s, nil
}

// trunkObject shows of a trunk what its parent port shows of it.
func trunkObject(v *portView) any {
	if v.Trunk == nil {
		return absent
	}
	subs := make([]object, 0, len(v.Trunk.SubPorts))
	for _, s := range v.Trunk.SubPorts {
		subs = append(subs, object{
			{"segmentation_id", s.SegmentationID},
			{"segmentation_type", s.SegmentationType},
			{"port_id", s.PortID},
			{"mac_address", s.MAC.String()},
		})
	}
	return object{{"trunk_id", v.Trunk.TrunkID}, {"sub_ports", subs}}
}
