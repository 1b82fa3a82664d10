package api

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
)

type (
	agentSpec struct {
		up          *bool
		description *string
	}
	agentView = plugin.AgentView
)

// newAgents serves /v2.0/agents. Agents introduce themselves; requests only
// change and forget them.
func newAgents(a *API) endpoint {
	p := a.config.Plugin
	return agentEndpoint{(&collection[agentSpec, agentView]{
		api: a, member: "agent", plural: "agents", path: "agents", kind: "Agent", title: "Agent",
		attrs:  agentAttrs(),
		id:     func(v *agentView) string { return v.ID },
		target: func(records.Reader, *agentView) identity.Target { return identity.Target{} },
		find:   p.AgentView,
		all:    func(r records.Reader) iter.Seq[*agentView] { return slices.Values(p.AgentViews(r)) },
		load:   func(*agentView) *agentSpec { return &agentSpec{} },
		update: func(_ plugin.Call, u *records.Update, before *agentView, s *agentSpec) error {
			return p.UpdateAgent(u, before.ID, s.up, s.description)
		},
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteAgent(u, id) },
		specTarget: func(records.Reader, *agentSpec) identity.Target { return identity.Target{} },
	}).governed()}
}

func agentAttrs() []attr[agentSpec, agentView] {
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
	return []attr[agentSpec, agentView]{
		{name: "id", get: func(v *agentView) any { return v.ID }, filter: byText},
		{name: "agent_type", get: func(v *agentView) any { return v.Type }, filter: byText},
		{name: "binary", get: func(v *agentView) any { return v.Binary }, filter: byText},
		{name: "topic", get: func(v *agentView) any { return v.Topic }, filter: byText},
		{name: "host", get: func(v *agentView) any { return v.Host }, filter: byText},
		{
			name: "admin_state_up", update: true, check: boolean, filter: byBool,
			set: func(s *agentSpec, v any) { up := v.(bool); s.up = &up },
			get: func(v *agentView) any { return v.AdminStateUp },
		},
		{name: "created_at", get: func(v *agentView) any { return stamp(v.CreatedAt) }},
		{name: "started_at", get: func(v *agentView) any { return stamp(v.StartedAt) }},
		{name: "heartbeat_timestamp", get: func(v *agentView) any { return stamp(v.HeartbeatAt) }},
		{
			name: "description", update: true, check: nullable(text255), filter: byText,
			set: func(s *agentSpec, v any) { d, _ := v.(string); s.description = &d },
			get: func(v *agentView) any { return orNull(v.Description) },
		},
		{name: "resources_synced", get: func(*agentView) any { return nil }},
		{name: "availability_zone", get: func(v *agentView) any { return orNull(v.Zone) }, filter: byText},
		{name: "alive", get: func(v *agentView) any { return v.Alive }, filter: byBool},
		{name: "configurations", get: func(v *agentView) any { return v.Configurations() }},
	}
}

type zoneCollection = collection[struct{}, plugin.Zone]

// newZones serves /v2.0/availability_zones, a list only.
func newZones(a *API) endpoint {
	type (
		spec = struct{}
		view = plugin.Zone
	)
	return (&zoneCollection{
		api: a, member: "availability_zone", plural: "availability_zones", path: "availability_zones",
		kind: "AvailabilityZone", title: "Availability zone",
		attrs: []attr[spec, view]{
			{name: "name", get: func(z *view) any { return z.Name }, filter: byText},
			{name: "resource", get: func(z *view) any { return z.Resource }, filter: byText},
			{name: "state", get: func(z *view) any { return zoneState(z) }, filter: byText},
		},
		id:     func(z *view) string { return z.Name + "/" + z.Resource },
		target: func(records.Reader, *view) identity.Target { return identity.Target{} },
		find:   func(records.Reader, string) (*view, bool) { return nil, false },
		all:    func(r records.Reader) iter.Seq[*view] { return each(a.config.Plugin.Zones(r)) },
	}).governed()
}

func zoneState(z *plugin.Zone) string {
	if z.Available {
		return "available"
	}
	return "unavailable"
}

// newUsages serves /v2.0/network-ip-availabilities.
func newUsages(a *API) endpoint {
	c := &collection[struct{}, plugin.UsageView]{
		api: a, member: "network_ip_availability", plural: "network_ip_availabilities", path: "network-ip-availabilities",
		kind: "Network", title: "Network",
		attrs:  usageAttrs(),
		id:     func(v *plugin.UsageView) string { return v.Network.ID },
		target: func(records.Reader, *plugin.UsageView) identity.Target { return identity.Target{} },
	}
	return usages{c.governed()}
}

// usages counts addresses of one IP version when the query has ip_version, so
// that each request has its own view of the networks.
type usages struct {
	*collection[struct{}, plugin.UsageView]
}

func (s usages) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if rq.http.Method != http.MethodGet {
		return response{}, errMethod
	}
	version := 0
	switch v := rq.query.filters["ip_version"]; {
	case len(v) == 0 || v[0] == "":
	case v[0] == "4":
		version = 4
	case v[0] == "6":
		version = 6
	default:
		return response{}, plugin.InvalidInput("'%s' is not an IP version", clip(v[0]))
	}
	p := s.api.config.Plugin
	c := *s.collection
	c.find = func(r records.Reader, id string) (*plugin.UsageView, bool) {
		n, ok := records.Networks.Get(r, id)
		if !ok {
			return nil, false
		}
		return p.ViewUsage(r, n, version), true
	}
	c.all = func(r records.Reader) iter.Seq[*plugin.UsageView] {
		return func(yield func(*plugin.UsageView) bool) {
			for n := range records.Networks.All(r) {
				v := p.ViewUsage(r, n, version)
				if version != 0 && len(v.Subnets) == 0 {
					continue
				}
				if !yield(v) {
					return
				}
			}
		}
	}
	return c.serve(ctx, rq, rest)
}

func usageAttrs() []attr[struct{}, plugin.UsageView] {
	type view = plugin.UsageView
	return []attr[struct{}, view]{
		{name: "network_id", get: func(v *view) any { return v.Network.ID }, filter: byText, sort: true},
		{name: "network_name", get: func(v *view) any { return v.Network.Name }, filter: byText},
		{name: "tenant_id", get: func(v *view) any { return v.Network.ProjectID }, filter: byText},
		{name: "project_id", get: func(v *view) any { return v.Network.ProjectID }, filter: byText},
		{name: "subnet_ip_availability", get: func(v *view) any { return subnetUsageObjects(v.Subnets) }},
		{name: "total_ips", get: func(v *view) any { return v.Total }},
		{name: "used_ips", get: func(v *view) any { return v.Used }},
		{name: "ip_version", match: func([]string) (func(*view) bool, error) { return func(*view) bool { return true }, nil }},
	}
}

func subnetUsageObjects(usages []plugin.SubnetUsage) []object {
	out := make([]object, 0, len(usages))
	for _, u := range usages {
		out = append(out, object{
			{"subnet_id", u.Subnet.ID},
			{"subnet_name", u.Subnet.Name},
			{"cidr", u.Subnet.CIDR.String()},
			{"ip_version", u.Subnet.IPVersion},
			{"total_ips", u.Total},
			{"used_ips", u.Used},
		})
	}
	return out
}
