package identity

import "slices"

// Target is the object of a request as far as rights depend on it.
type Target struct {
	// ProjectID owns the object.
	ProjectID string
	// NetworkProjectID owns the network that the object is on, or what else it
	// is part of: the group of a rule, the floating address of a forwarding.
	// Empty when the object is part of nothing.
	NetworkProjectID string
	// Shared objects may be seen by every project.
	Shared bool
	// External networks may be seen by every project.
	External bool
	// SharedWith and ExternalTo are the projects that an object is shared with,
	// and a network is external to, by policies of their own.
	SharedWith, ExternalTo []string
	// Value is the attribute's new value when a rule about an attribute is
	// asked.
	Value any
}

// Rule tells whether an identity may do something to a target.
type Rule func(Identity, Target) bool

// Any is satisfied when one of the rules is.
func Any(rules ...Rule) Rule {
	return func(id Identity, t Target) bool {
		for _, r := range rules {
			if r(id, t) {
				return true
			}
		}
		return false
	}
}

// Admin is the role admin.
func Admin(id Identity, _ Target) bool { return id.Admin }

// Service is the role advsvc.
func Service(id Identity, _ Target) bool { return id.Service }

// Everybody is whoever has an identity.
func Everybody(Identity, Target) bool { return true }

// Role is whoever has the role.
func Role(name string) Rule {
	return func(id Identity, _ Target) bool { return id.HasRole(name) }
}

// Member is whoever may change the objects of the owning project.
func Member(id Identity, t Target) bool { return id.writes(t.ProjectID) }

// Owner is whoever may look at the objects of the owning project.
func Owner(id Identity, t Target) bool { return id.reads(t.ProjectID) }

// NetworkOwner is a member of the project that owns the object's network.
func NetworkOwner(id Identity, t Target) bool { return id.writes(t.NetworkProjectID) }

// NetworkReader is whoever may look at the objects of the project that owns the
// object's network.
func NetworkReader(id Identity, t Target) bool { return id.reads(t.NetworkProjectID) }

// Shared is everybody for an object that is shared, and otherwise the projects
// that it is shared with.
func Shared(id Identity, t Target) bool {
	return t.Shared || slices.Contains(t.SharedWith, id.ProjectID)
}

// External is everybody for an external network, and otherwise the projects
// that it is external to.
func External(id Identity, t Target) bool {
	return t.External || slices.Contains(t.ExternalTo, id.ProjectID)
}
