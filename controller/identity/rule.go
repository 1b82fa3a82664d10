package identity

// Target is the object of a request as far as rights depend on it.
type Target struct {
	// ProjectID owns the object.
	ProjectID string
	// NetworkProjectID owns the network that the object is on; empty when the
	// object is on none.
	NetworkProjectID string
	// Shared objects may be seen by every project.
	Shared bool
	// External networks may be seen by every project.
	External bool
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

// Member is whoever may change the objects of the owning project.
func Member(id Identity, t Target) bool {
	return !id.Reader && id.ProjectID != "" && id.ProjectID == t.ProjectID
}

// Owner is whoever may look at the objects of the owning project.
func Owner(id Identity, t Target) bool {
	return id.ProjectID != "" && id.ProjectID == t.ProjectID
}

// NetworkOwner is a member of the project that owns the object's network.
func NetworkOwner(id Identity, t Target) bool {
	return !id.Reader && id.ProjectID != "" && id.ProjectID == t.NetworkProjectID
}

// Shared is everybody, for a shared object.
func Shared(_ Identity, t Target) bool { return t.Shared }

// External is everybody, for an external network.
func External(_ Identity, t Target) bool { return t.External }
