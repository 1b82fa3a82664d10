package model

// Everybody is the target of an RBAC policy that is about every project.
const Everybody = "*"

// The actions of RBAC policies.
const (
	ActionShared   = "access_as_shared"
	ActionExternal = "access_as_external"
)

// RBACPolicy lets a project, or everybody, see and use an object that another
// project owns.
type RBACPolicy struct {
	Meta
	ObjectType    string `json:"object_type"`
	ObjectID      string `json:"object_id"`
	Action        string `json:"action"`
	TargetProject string `json:"target_project"`
}
