package plugin

import (
	"reflect"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/ipam"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// ScopeSpec is an address scope as a request asks for it.
type ScopeSpec struct {
	model.AddressScope
	Shared bool
}

// ScopeView is an address scope as the API shows it.
type ScopeView struct {
	*model.AddressScope
	Sharing
}

// ViewScope gives an address scope as the API shows it.
func (p *Plugin) ViewScope(r records.Reader, s *model.AddressScope) *ScopeView {
	return &ScopeView{AddressScope: s, Sharing: sharingOf(r, s.ID)}
}

// Target is the scope as rules about rights see it.
func (v *ScopeView) Target() identity.Target { return v.target(v.ProjectID) }

const scopeType = "address_scope"

// CreateScope makes an address scope.
func (p *Plugin) CreateScope(_ Call, u *records.Update, s *ScopeSpec) (string, error) {
	scope := s.AddressScope
	p.newMeta(&scope.Meta, 0)
	if s.Shared {
		if err := p.share(u, scopeType, &scope.Meta, model.ActionShared); err != nil {
			return "", err
		}
	}
	records.AddressScopes.Put(u, &scope)
	return scope.ID, nil
}

// UpdateScope changes an address scope. One that everybody may use stays so.
func (p *Plugin) UpdateScope(c Call, u *records.Update, before *ScopeView, s *ScopeSpec) error {
	everybody := before.With(model.Everybody)
	if c.Has("shared") && everybody && !s.Shared {
		return BadRequest("AddressScopeUpdateError", "Unable to update address scope %s : Shared address scope can't be unshared.", before.ID)
	}
	if c.Has("shared") && s.Shared && !everybody {
		if err := p.share(u, scopeType, &before.Meta, model.ActionShared); err != nil {
			return err
		}
	}
	scope := s.AddressScope
	if !reflect.DeepEqual(scope, *before.AddressScope) || c.Has("shared") && s.Shared != everybody {
		p.touch(&scope.Meta)
		records.AddressScopes.Put(u, &scope)
	}
	return nil
}

// DeleteScope removes an address scope without pools.
func (p *Plugin) DeleteScope(u *records.Update, id string) error {
	if _, ok := records.AddressScopes.Get(u, id); !ok {
		return NotFound("AddressScope", "Address scope", id)
	}
	for range records.PoolsByScope.Get(u, id) {
		return Conflict("AddressScopeInUse", "Unable to complete operation on address scope %s. There are one or more subnet pools in use on the address scope.", id)
	}
	if err := unshare(u, id, everyPolicy); err != nil {
		return err
	}
	records.AddressScopes.Delete(u, id)
	return nil
}

// reachScope refuses to share a pool with a project, or with model.Everybody,
// that may not use the pool's address scope. The scope becomes a condition of
// the commit.
func reachScope(u *records.Update, id, project string) error {
	pool, ok := records.SubnetPools.Get(u, id)
	if !ok || pool.AddressScopeID == "" {
		return nil
	}
	scope, ok := records.AddressScopes.Get(u, pool.AddressScopeID)
	if ok && (scope.ProjectID == project || sharingOf(u, scope.ID).With(project)) {
		return nil
	}
	return BadRequest("RbacPolicyInitError", "Failed to share subnet pool %s: its address scope %s is not shared with the target project.", id, pool.AddressScopeID)
}

// mayRearrange lets only the owner of an address scope, and administrators,
// change what a pool puts into it.
func mayRearrange(c Call, u *records.Update, pool *model.SubnetPool) error {
	if c.Who.Admin || pool.AddressScopeID == "" {
		return nil
	}
	if scope, ok := records.AddressScopes.Get(u, pool.AddressScopeID); ok && scope.ProjectID == c.Who.ProjectID {
		return nil
	}
	return illegalPoolUpdate("subnet pool %s is in the address scope %s of another project", pool.ID, pool.AddressScopeID)
}

// enterScope puts a pool with its prefixes into its address scope, or refuses
// when they overlap with another pool's. That it writes the scope makes
// concurrent changes of a scope's pools exclude each other.
func (p *Plugin) enterScope(c Call, u *records.Update, pool *model.SubnetPool) error {
	if pool.AddressScopeID == "" {
		return nil
	}
	scope, ok := records.AddressScopes.Get(u, pool.AddressScopeID)
	if !ok || !policy.May(p.seeScope, c.Who, sharingOf(u, pool.AddressScopeID).target(scope.ProjectID)) {
		return NotFound("AddressScope", "Address scope", pool.AddressScopeID)
	}
	if scope.IPVersion != pool.IPVersion {
		return BadRequest("IllegalSubnetPoolIpVersionAssociationToAddressScope",
			"Illegal subnetpool association: subnetpool %s cannot associate with address scope %s because subnetpool ip_version is not %d.",
			pool.ID, scope.ID, scope.IPVersion)
	}
	for other := range records.PoolsByScope.Get(u, scope.ID) {
		if other.ID == pool.ID {
			continue
		}
		for _, prefix := range other.Prefixes {
			if ipam.Overlap(pool.Prefixes, prefix) {
				return Conflict("AddressScopePrefixConflict", "Failed to associate address scope: subnetpools within an address scope must have unique prefixes.")
			}
		}
	}
	changed := *scope
	changed.Changes++
	records.AddressScopes.Put(u, &changed)
	return nil
}
