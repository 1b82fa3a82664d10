package policy

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/identity"
)

// Resource is what the table says of one resource. An administrator may do
// everything; an operation without a rule is for administrators only.
type Resource struct {
	// Name is what one object is called in bodies: "network".
	Name                        string
	Get, Create, Update, Delete identity.Rule
	// Attributes are those with rules of their own.
	Attributes []Attribute
	// Actions are operations besides the usual four, by their names in
	// Neutron's policy files: "add_router_interface".
	Actions []Action
}

// Attribute is an attribute with rules of its own, which are asked in addition
// to those of the object. A nil rule asks for nothing more.
type Attribute struct {
	// Name is the attribute's, or for a part of a structured value
	// "fixed_ips:ip_address".
	Name                 string
	Create, Update, Read identity.Rule
}

// Action is another operation.
type Action struct {
	Name string
	Rule identity.Rule
}

// May reports whether the identity satisfies a rule about a whole object.
func May(rule identity.Rule, id identity.Identity, t identity.Target) bool {
	return id.Admin || rule != nil && rule(id, t)
}

// MayAttribute reports whether the identity satisfies an attribute's own rule.
func MayAttribute(rule identity.Rule, id identity.Identity, t identity.Target) bool {
	return id.Admin || rule == nil || rule(id, t)
}

// Attribute gives the rules of an attribute, or of a part of its value; without
// any, the row is empty.
func (p Resource) Attribute(name string) Attribute {
	i := slices.IndexFunc(p.Attributes, func(a Attribute) bool { return a.Name == name })
	if i < 0 {
		return Attribute{Name: name}
	}
	return p.Attributes[i]
}

// Action gives the rule of another operation; nil when the table has none.
func (p Resource) Action(name string) identity.Rule {
	i := slices.IndexFunc(p.Actions, func(a Action) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return p.Actions[i].Rule
}

// All gives the whole table.
func All() []Resource {
	return slices.Concat(networking(), security(), routing(), addressing(), sharing(), operating())
}

// Of gives the rights of the resource whose objects are called so. One that the
// table does not have is for administrators only.
func Of(name string) Resource {
	all := All()
	if i := slices.IndexFunc(all, func(p Resource) bool { return p.Name == name }); i >= 0 {
		return all[i]
	}
	return Resource{Name: name}
}

// The rules that most rows use. Only here does a name differ from package
// identity's: what is asked, not how it is worked out.
var (
	admin    = identity.Admin
	everyone = identity.Everybody
	reader   = identity.Owner
	member   = identity.Member
	anyOf    = identity.Any
)

// owned is the row of a resource that belongs to a project: readers look,
// members write.
func owned(name string, attributes ...Attribute) Resource {
	return Resource{Name: name, Get: reader, Create: member, Update: member, Delete: member, Attributes: attributes}
}

// operators is the row of a resource that only administrators touch.
func operators(name string) Resource {
	return Resource{Name: name, Get: admin, Create: admin, Update: admin, Delete: admin}
}

// written is an attribute whose rule is the same in a create and an update.
func written(name string, rule identity.Rule) Attribute {
	return Attribute{Name: name, Create: rule, Update: rule}
}

// hidden is an attribute that only administrators see and set.
func hidden(name string) Attribute {
	return Attribute{Name: name, Create: admin, Update: admin, Read: admin}
}
