package model

// RemoteParent stands in a rule template for the security group that a rule is
// made for.
const RemoteParent = "PARENT"

// RuleTemplate is a rule that new security groups get. Its remote group may be
// RemoteParent, and it is of no group itself.
type RuleTemplate struct {
	SecurityGroupRule
	// InDefault and InOthers say which groups get the rule: the default groups of
	// projects, and those that users make.
	InDefault bool `json:"used_in_default_sg,omitempty"`
	InOthers  bool `json:"used_in_non_default_sg,omitempty"`
}
