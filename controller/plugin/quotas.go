package plugin

import (
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"

	"github.com/lepton-sdn/lepton/controller/pick"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// The resources that have a quota, as the API names them.
const (
	QuotaNetwork           = "network"
	QuotaSubnet            = "subnet"
	QuotaSubnetPool        = "subnetpool"
	QuotaPort              = "port"
	QuotaRouter            = "router"
	QuotaFloatingIP        = "floatingip"
	QuotaSecurityGroup     = "security_group"
	QuotaSecurityGroupRule = "security_group_rule"
	QuotaRBACPolicy        = "rbac_policy"
	QuotaTrunk             = "trunk"
	QuotaInstance          = "lepton_instance"
)

// MaxQuota is the highest limit, 2³¹-1 as in Neutron's database.
const MaxQuota = 1<<31 - 1

// QuotaResources are the resources that have a quota, in the order of their
// names.
func QuotaResources() []string {
	return []string{
		QuotaFloatingIP, QuotaInstance, QuotaNetwork, QuotaPort, QuotaRBACPolicy, QuotaRouter,
		QuotaSecurityGroup, QuotaSecurityGroupRule, QuotaSubnet, QuotaSubnetPool,
		QuotaTrunk,
	}
}

func quotaKnown(resource string) bool { return slices.Contains(QuotaResources(), resource) }

// DefaultQuota gives the limits of a project without limits of its own.
func (p *Plugin) DefaultQuota() map[string]int {
	limits := map[string]int{}
	for _, resource := range QuotaResources() {
		limits[resource] = -1
		if n, ok := p.config.Quotas[resource]; ok {
			limits[resource] = n
		}
	}
	return limits
}

// Quota gives the limits that hold for a project.
func (p *Plugin) Quota(r records.Reader, project string) map[string]int {
	limits := p.DefaultQuota()
	if own, ok := records.Quotas.Get(r, project); ok {
		maps.Copy(limits, own.Limits)
	}
	return limits
}

// QuotaUsage counts what a project has.
func (p *Plugin) QuotaUsage(r records.Reader, project, resource string) int {
	return countUsed(r, project, resource, MaxQuota)
}

// countUsed counts what a project has, up to most.
func countUsed(r records.Reader, project, resource string, most int) int {
	switch resource {
	case QuotaNetwork:
		return countTo(records.NetworksByProject.Get(r, project), most)
	case QuotaSubnet:
		return countTo(records.SubnetsByProject.Get(r, project), most)
	case QuotaSubnetPool:
		return countTo(records.PoolsByProject.Get(r, project), most)
	case QuotaRBACPolicy:
		return countTo(records.PoliciesByProject.Get(r, project), most)
	case QuotaTrunk:
		return countTo(records.TrunksByProject.Get(r, project), most)
	case QuotaInstance:
		return countTo(records.InstancesByProject.Get(r, project), most)
	case QuotaPort:
		return countTo(records.PortsByProject.Get(r, project), most)
	case QuotaRouter:
		return countTo(records.RoutersByProject.Get(r, project), most)
	case QuotaFloatingIP:
		return countTo(records.FloatingIPsByProject.Get(r, project), most)
	case QuotaSecurityGroup:
		return countTo(records.GroupsByProject.Get(r, project), most)
	case QuotaSecurityGroupRule:
		return countTo(records.RulesByProject.Get(r, project), most)
	}
	return 0
}

func countTo[T any](seq iter.Seq[*T], most int) int {
	n := 0
	for range seq {
		if n++; n >= most {
			break
		}
	}
	return n
}

// SetQuota gives a project limits of its own; those not named stay.
func (p *Plugin) SetQuota(u *records.Update, project string, limits map[string]int) error {
	quota := model.Quota{ProjectID: project, Limits: map[string]int{}, UpdatedAt: p.now().UTC()}
	if own, ok := records.Quotas.Get(u, project); ok {
		maps.Copy(quota.Limits, own.Limits)
	}
	for resource, n := range limits {
		if !quotaKnown(resource) {
			return BadRequest("HTTPBadRequest", "Unrecognized attribute(s) '%s'", resource)
		}
		if n < -1 || n > MaxQuota {
			return InvalidInput("'%d' should be an integer between -1 and %d", n, MaxQuota)
		}
		quota.Limits[resource] = n
	}
	records.Quotas.Put(u, &quota)
	return nil
}

// CheckQuota refuses limits that are lower than what the project has.
func (p *Plugin) CheckQuota(r records.Reader, project string, limits map[string]int) error {
	for _, resource := range slices.Sorted(maps.Keys(limits)) {
		if limit := limits[resource]; limit >= 0 && p.QuotaUsage(r, project, resource) > limit {
			return Conflict("InvalidQuotaValue", "Change would make usage less than 0 for the following resources: %s.", resource)
		}
	}
	return nil
}

// DeleteQuota returns a project to the defaults.
func (p *Plugin) DeleteQuota(u *records.Update, project string) error {
	if _, ok := records.Quotas.Get(u, project); !ok {
		return Refuse(404, "TenantQuotaNotFound", "Quota for tenant %s could not be found.", project)
	}
	records.Quotas.Delete(u, project)
	return nil
}

// takeQuota makes room for a new object in its project's quota, or refuses. The
// room is a numbered slot that the object claims, so that concurrent requests
// through any controller cannot together exceed the limit. What is imported takes
// none: it was there before.
func (p *Plugin) takeQuota(c Call, u *records.Update, m *model.Meta, resource string) error {
	if m.ProjectID == "" || c.Imported() {
		return nil
	}
	limit := p.Quota(u, m.ProjectID)[resource]
	if limit < 0 {
		return nil
	}
	if countUsed(u, m.ProjectID, resource, limit) >= limit {
		return overQuota(resource)
	}
	tried := map[uint64]bool{}
	for {
		n, ok := pick.Free(uint64(limit), 0, func(n uint64) bool {
			_, claimed := u.Claimed(quotaKey(m.ProjectID, resource, int(n)+1))
			return claimed || tried[n]
		}, p.random)
		if !ok {
			return overQuota(resource)
		}
		slot := int(n) + 1
		if err := u.Claim(quotaKey(m.ProjectID, resource, slot), m.ID); err == nil {
			m.QuotaSlot = slot
			return nil
		}
		tried[n] = true
	}
}

func overQuota(resource string) *Error {
	return Conflict("OverQuota", "Quota exceeded for resources: ['%s'].", resource)
}

// quotaKeys is the slot that an object holds, if any.
func quotaKeys(m *model.Meta, resource string) []string {
	if m.QuotaSlot == 0 {
		return nil
	}
	return []string{quotaKey(m.ProjectID, resource, m.QuotaSlot)}
}

func quotaKey(project, resource string, slot int) string {
	return "quota/" + url.PathEscape(project) + "/" + resource + "/" + strconv.Itoa(slot)
}
