package plugin

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// AgentView is one of the agents that the API shows. A host runs one program in
// several roles; the API has an agent for each role.
type AgentView struct {
	*model.Agent
	ID           string
	Role         string
	Type         string
	Binary       string
	Topic        string
	Alive        bool
	AdminStateUp bool
	Description  string
	Zone         string // empty: none
	// Networks, Subnets and Ports count what a dhcp agent serves.
	Networks, Subnets, Ports int
}

// Roles of an agent, as its configuration names them.
const (
	roleL2       = "l2"
	RoleL3       = "l3"
	RoleDHCP     = "dhcp"
	roleMetadata = "metadata"
)

// defaultZone is the availability zone of an agent that names none.
const defaultZone = "nova"

// AgentViews gives all agents as the API shows them, in the order of their ids.
func (p *Plugin) AgentViews(r records.Reader) []*AgentView {
	var out []*AgentView
	for a := range records.Agents.All(r) {
		out = append(out, p.viewsOf(a)...)
	}
	for _, v := range out {
		v.count(r)
	}
	slices.SortFunc(out, func(a, b *AgentView) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// AgentView finds an agent by the id that the API shows.
func (p *Plugin) AgentView(r records.Reader, id string) (*AgentView, bool) {
	for a := range records.Agents.All(r) {
		for _, v := range p.viewsOf(a) {
			if v.ID == id {
				v.count(r)
				return v, true
			}
		}
	}
	return nil, false
}

// viewsOf gives the agents of one host.
func (p *Plugin) viewsOf(a *model.Agent) []*AgentView {
	var out []*AgentView
	for _, role := range a.Roles {
		v := &AgentView{Agent: a, ID: roleID(a, role), Role: role, Alive: p.Alive(a), AdminStateUp: true}
		if settings, ok := a.RoleSettings[role]; ok {
			v.AdminStateUp, v.Description = settings.AdminStateUp, settings.Description
		}
		switch role {
		case roleL2:
			v.Type, v.Binary, v.Topic = "Open vSwitch agent", "neutron-openvswitch-agent", "N/A"
			v.AdminStateUp, v.Description = a.AdminStateUp, a.Description
		case RoleL3, RoleDVR:
			if role == RoleDVR && slices.Contains(a.Roles, RoleL3) {
				continue // one L3 agent, which does both
			}
			v.Type, v.Binary, v.Topic = "L3 agent", "neutron-l3-agent", "l3_agent"
			v.Zone = orDefault(a.AvailabilityZone, defaultZone)
		case RoleDHCP:
			v.Type, v.Binary, v.Topic = "DHCP agent", "neutron-dhcp-agent", "dhcp_agent"
			v.Zone = orDefault(a.AvailabilityZone, defaultZone)
		case roleMetadata:
			v.Type, v.Binary, v.Topic = "Metadata agent", "neutron-metadata-agent", "N/A"
		default:
			continue
		}
		out = append(out, v)
	}
	return out
}

// count counts what a dhcp agent serves, as Neutron's reports: its networks, their
// subnets with DHCP, and their ports.
func (v *AgentView) count(r records.Reader) {
	if v.Role != RoleDHCP {
		return
	}
	for b := range records.DHCPBindingsByHost.Get(r, v.Host) {
		v.Networks++
		for s := range records.SubnetsByNetwork.Get(r, b.NetworkID) {
			if s.EnableDHCP {
				v.Subnets++
			}
		}
		for range records.PortsByNetwork.Get(r, b.NetworkID) {
			v.Ports++
		}
	}
}

// roleID is the API's id of an agent in a role: the record's own for l2, and
// one that is made from it for the others.
func roleID(a *model.Agent, role string) string {
	if role == roleL2 {
		return a.ID
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(a.ID+"/"+role)).String()
}

// Configurations is the attribute of that name: what the agent was told and
// what it found.
func (v *AgentView) Configurations() map[string]any {
	if v.Role == RoleL3 || v.Role == RoleDVR {
		mode := "dvr_snat"
		if routesForItsOwn(v) {
			mode = "dvr"
		}
		return map[string]any{"log_agent_heartbeats": false, "agent_mode": mode}
	}
	switch v.Role {
	case roleL2:
	case RoleDHCP:
		return map[string]any{
			"dhcp_driver": "dnsmasq", "log_agent_heartbeats": false,
			"networks": v.Networks, "subnets": v.Subnets, "ports": v.Ports,
		}
	case roleMetadata:
		mode := "namespaces"
		if v.LocalMetadata {
			mode = "local"
		}
		return map[string]any{"log_agent_heartbeats": false, "metadata_mode": mode}
	default:
		return map[string]any{"log_agent_heartbeats": false}
	}
	mappings, types := map[string]any{}, []any{}
	for physnet, bridge := range v.BridgeMappings {
		mappings[physnet] = bridge
	}
	for _, t := range v.TunnelTypes {
		types = append(types, string(t))
	}
	tunnelIP := ""
	if v.TunnelIP.IsValid() {
		tunnelIP = v.TunnelIP.String()
	}
	problems := []any{}
	for _, problem := range v.Problems {
		problems = append(problems, problem.Object+": "+problem.Text)
	}
	drift := []any{}
	for _, f := range v.Findings {
		drift = append(drift, map[string]any{
			"at": f.At.UTC().Format(time.RFC3339), "kind": f.Kind, "place": f.Place, "object": f.Object, "text": f.Text, "repaired": f.Repaired,
		})
	}
	return map[string]any{
		"drift":                      drift,
		"bridge_mappings":            mappings,
		"tunnel_types":               types,
		"tunneling_ip":               tunnelIP,
		"integration_bridge":         orDefault(v.IntegrationBridge, "br-int"),
		"datapath_type":              orDefault(v.DatapathType, "system"),
		"devices":                    v.Devices,
		"in_sync":                    v.InSync,
		"problems":                   problems,
		"ovs_hybrid_plug":            false,
		"in_distributed_mode":        false,
		"enable_distributed_routing": false,
		"log_agent_heartbeats":       false,
		"version":                    v.Version,
	}
}

// UpdateAgent sets an agent's administrative state or description; nil leaves
// it as it is.
func (p *Plugin) UpdateAgent(u *records.Update, id string, up *bool, description *string) error {
	v, ok := p.AgentView(u.Peek(), id)
	if !ok {
		return NotFound("Agent", "Agent", id)
	}
	a, ok := records.Agents.Get(u, v.Agent.ID)
	if !ok {
		return NotFound("Agent", "Agent", id)
	}
	changed := *a
	settings := model.RoleSettings{AdminStateUp: v.AdminStateUp, Description: v.Description}
	if up != nil {
		settings.AdminStateUp = *up
	}
	if description != nil {
		settings.Description = *description
	}
	if v.Role == roleL2 {
		changed.AdminStateUp, changed.Description = settings.AdminStateUp, settings.Description
	} else {
		changed.RoleSettings = map[string]model.RoleSettings{v.Role: settings}
		for role, s := range a.RoleSettings {
			if role != v.Role {
				changed.RoleSettings[role] = s
			}
		}
	}
	records.Agents.Put(u, &changed)
	return nil
}

// DeleteAgent forgets an agent. One that runs introduces itself again.
func (p *Plugin) DeleteAgent(u *records.Update, id string) error {
	v, ok := p.AgentView(u.Peek(), id)
	if !ok {
		return NotFound("Agent", "Agent", id)
	}
	if _, ok := records.Agents.Get(u, v.Agent.ID); !ok {
		return NotFound("Agent", "Agent", id)
	}
	records.Agents.Delete(u, v.Agent.ID)
	records.RuleStats.Delete(u, v.Agent.Host)
	return nil
}

// What availability zones are of.
const (
	zoneOfNetworks = "network"
	zoneOfRouters  = "router"
)

// Zone is an availability zone of one kind of resource.
type Zone struct {
	Name, Resource string
	Available      bool
}

// Zones gives the availability zones of the agents that serve networks and
// routers; one is available while an enabled agent in it is alive.
func (p *Plugin) Zones(r records.Reader) []Zone {
	available := map[Zone]bool{}
	for a := range records.Agents.All(r) {
		for _, v := range p.viewsOf(a) {
			if v.Zone == "" {
				continue
			}
			resource := zoneOfRouters
			if v.Role == RoleDHCP {
				resource = zoneOfNetworks
			}
			z := Zone{Name: v.Zone, Resource: resource}
			available[z] = available[z] || v.Alive && v.AdminStateUp
		}
	}
	var out []Zone
	for z, ok := range available {
		z.Available = ok
		out = append(out, z)
	}
	slices.SortFunc(out, func(a, b Zone) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Resource, b.Resource))
	})
	return out
}

// hasZone tells whether there is an agent for the resource in the zone.
func (p *Plugin) hasZone(r records.Reader, name, resource string) bool {
	return slices.ContainsFunc(p.Zones(r), func(z Zone) bool { return z.Name == name && z.Resource == resource })
}
