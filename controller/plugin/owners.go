package plugin

import "strings"

// Device owners that the service itself uses. Owners of guests are
// "compute:<zone>".
const (
	OwnerDHCP                = "network:dhcp"
	OwnerRouterInterface     = "network:router_interface"
	OwnerRouterInterfaceDVR  = "network:router_interface_distributed"
	OwnerRouterInterfaceHA   = "network:ha_router_replicated_interface"
	OwnerRouterHA            = "network:router_ha_interface"
	OwnerRouterGateway       = "network:router_gateway"
	OwnerRouterSNAT          = "network:router_centralized_snat"
	OwnerFloatingIP          = "network:floatingip"
	OwnerLocalIP             = "network:local_ip"
	OwnerFloatingIPAgent     = "network:floatingip_agent_gateway"
	ownerTrustedPrefix       = "network:"
	ownerRouterPrefix        = "network:router_"
	ownerRouterReplicaPrefix = "network:ha_router_"
)

// trusted reports whether the owner is the network service itself.
func trusted(owner string) bool { return strings.HasPrefix(owner, ownerTrustedPrefix) }

// router reports whether the owner is a router.
func router(owner string) bool {
	return strings.HasPrefix(owner, ownerRouterPrefix) || strings.HasPrefix(owner, ownerRouterReplicaPrefix)
}

// routerInterface reports whether the owner is a router on one of its subnets.
func routerInterface(owner string) bool {
	return owner == OwnerRouterInterface || owner == OwnerRouterInterfaceDVR || owner == OwnerRouterInterfaceHA
}

// autoDeleted reports whether ports of the owner go with their network or
// subnet and do not keep it in use.
func autoDeleted(owner string) bool { return owner == OwnerDHCP || owner == OwnerRouterSNAT }

// servicePort reports whether ports of the owner cannot be deleted through the
// ports API.
func servicePort(owner string) bool {
	switch owner {
	case OwnerRouterInterface, OwnerRouterInterfaceDVR, OwnerRouterInterfaceHA,
		OwnerRouterGateway, OwnerFloatingIP:
		return true
	}
	return false
}
