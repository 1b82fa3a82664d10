package identity

import (
	"slices"
	"strings"
)

// Roles that mean something here, as Keystone's bootstrap and Neutron's policy
// call them. A role implies those that are weaker.
const (
	roleAdmin   = "admin"
	roleManager = "manager"
	roleMember  = "member"
	roleReader  = "reader"
	// roleOldMember is what Keystone called members until 2018; clouds that
	// were upgraded still have it.
	roleOldMember = "_member_"
	// roleAdvsvc acts on ports across projects.
	roleAdvsvc = "advsvc"
	// roleService is that of the services of a cloud among each other.
	roleService = "service"
)

// WithRoles gives the identity of a user in a project, with the rights that the
// roles give. The project is empty for one that acts in none.
func WithRoles(user, project string, roles []string) Identity {
	id := Identity{UserID: user, ProjectID: project, Roles: roles}
	id.Admin = id.HasRole(roleAdmin)
	id.Service = id.HasRole(roleAdvsvc)
	writes := id.Admin || id.HasRole(roleManager) || id.HasRole(roleMember) || id.HasRole(roleOldMember)
	id.Reader = !writes && id.HasRole(roleReader)
	id.Powerless = !writes && !id.Reader
	return id
}

// HasRole reports whether the identity has the role; case does not matter, as
// in Neutron.
func (id Identity) HasRole(name string) bool {
	return slices.ContainsFunc(id.Roles, func(r string) bool { return strings.EqualFold(r, name) })
}

// reads reports whether the identity may look at what the project owns.
func (id Identity) reads(project string) bool {
	return !id.Powerless && project != "" && id.ProjectID == project
}

// writes reports whether the identity may change what the project owns.
func (id Identity) writes(project string) bool { return id.reads(project) && !id.Reader }
