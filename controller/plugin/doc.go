// Package plugin holds the rules of each API resource: what a network, a
// subnet, a port or a security group may be, what follows from making or
// changing one, and why a request is refused.
//
//	api ── spec ──► CreatePort(call, update, spec) ──► records, claims
//	                     │
//	                     ├── ipam, segments   which address, which id
//	                     └── *Error           status and type of the refusal
//
// Every operation runs inside one records.Update. It may run several times, so
// it changes nothing but the update; what must be unique is claimed:
//
//	ip/<subnet>/<address>              port id
//	mac/<network>/<mac>                port id
//	sguse/<group>/<port>               port id
//	sgremote/<group>/<rule>            rule id
//	sgdefault/<project>                group id
//	sgtemplate/rule/<what it admits>   rule template id
//	sgtemplate/gone/<rule template>    rule template id
//	seg/<type>/<physnet>/<id>          network id
//	range/<type>/<physnet>/<range>     segment range id
//	default-external                   network id
//	auto/<project>/network             network id
//	auto/<project>/router              router id
//	ext/<network>/<port>               gateway's or floating address's port id
//	rif/<router>/<subnet>              port id
//	nat/<port>/…                       id of what is translated to the port
//	ruse/<router>/<subnet>/<id>        the same, by the router and the subnet
//	aguse/<address group>/<rule>       rule id
//	rbac/<object>/<action>/<target>    RBAC policy id
//	default-subnetpool/<IP version>    subnet pool id
//	qosdefault/<project>               QoS policy id
//	qosuse/<QoS policy>/<type>/<id>    id of what names the policy
//	trunk/<port>                       trunk id, of parents and sub ports
//	log/<group or port>/<log>          log id
//	flavoruse/<flavor>/<router>        router id
//	profileuse/<profile>/<flavor>      flavor id
//	instance/<port>                    instance id
//	localip/<port>/<local IP>          local IP id
//	quota/<project>/<resource>/<slot>  object id
//
// The other way round, "nothing uses this" is a condition on such keys.
//
// A range of segment ids claims its key anew when it changes, so that of two
// that overlap one sees the other.
//
// Ranges of different sizes cannot be keys: what is cut from a subnet pool
// writes the pool's record, and what changes the pools of an address scope that
// of the scope, so that of two at once one sees the other.
package plugin
