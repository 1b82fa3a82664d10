// Package policy is the table of rights: who may see, make, change and delete
// the objects of each resource, and which attributes have rules of their own.
//
//	get_port                     admin, reader of the project, of the network's project, advsvc
//	update_port                  admin, member of the project, advsvc
//	update_port:mac_address      admin, advsvc
//	get_port:binding:host_id     admin
//
// The names of operations are those of Neutron's policy files, and the rights
// are its newer defaults: a reader looks, a member of the owning project
// writes, an administrator does both everywhere. Where those defaults would
// break clients or open a hole, the table says so beside the rule.
//
// Rules about an object are asked after its visibility: what an identity may
// not see does not exist for it.
package policy
