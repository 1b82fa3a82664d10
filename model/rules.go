package model

import (
	"fmt"
	"strings"
)

// Summary says in words what the rule admits: "ingress IPv4 tcp 22 remote
// 10.0.0.0/8".
func (r *SecurityGroupRule) Summary() string {
	parts := []string{r.Direction, r.EtherType}
	if r.Protocol != "" {
		parts = append(parts, r.Protocol)
	}
	if r.PortRangeMin != nil {
		text := fmt.Sprint(*r.PortRangeMin)
		if r.PortRangeMax != nil && *r.PortRangeMax != *r.PortRangeMin {
			text += fmt.Sprintf("-%d", *r.PortRangeMax)
		}
		parts = append(parts, text)
	}
	switch {
	case r.RemoteGroupID != "":
		parts = append(parts, "remote group "+r.RemoteGroupID)
	case r.RemoteAddressGroupID != "":
		parts = append(parts, "remote address group "+r.RemoteAddressGroupID)
	case r.RemoteIPPrefix != "":
		parts = append(parts, "remote "+r.RemoteIPPrefix)
	}
	return strings.Join(parts, " ")
}
