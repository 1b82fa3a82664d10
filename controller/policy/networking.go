package policy

import (
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
)

// networking is the table of networks, subnets and ports.
func networking() []Resource {
	return []Resource{network(), subnet(), port()}
}

func network() Resource {
	return Resource{
		Name:   "network",
		Get:    anyOf(reader, identity.Shared, identity.External, identity.Service),
		Create: member, Update: member, Delete: member,
		// router:external is seen by everybody who sees the network: clients
		// look for external networks of other projects by it.
		Attributes: []Attribute{
			written("shared", admin),
			written("router:external", admin),
			written("is_default", admin),
			hidden("provider:network_type"),
			hidden("provider:physical_network"),
			hidden("provider:segmentation_id"),
			hidden("segments"),
		},
		// Everybody sees an external network, to have gateways and floating
		// addresses on it; ports of their own are for those it is shared with.
		Actions: []Action{{"use_network", anyOf(reader, identity.Shared, identity.Service)}},
	}
}

// subnet: a subnet is made by who owns the network, whatever project it will
// belong to; otherwise any project could put subnets on a shared network.
func subnet() Resource {
	return Resource{
		Name:   "subnet",
		Get:    anyOf(reader, identity.Shared, identity.NetworkReader),
		Create: identity.NetworkOwner,
		Update: anyOf(member, identity.NetworkOwner),
		Delete: anyOf(member, identity.NetworkOwner),
		Attributes: []Attribute{
			// Neutron has a rule for service_types too, and never asks it.
			hidden("segment_id"),
		},
	}
}

func port() Resource {
	onNetwork := anyOf(identity.NetworkOwner, identity.Service)
	return Resource{
		Name:   "port",
		Get:    anyOf(reader, identity.NetworkReader, identity.Service),
		Create: member,
		Update: anyOf(member, identity.Service),
		Delete: anyOf(member, identity.NetworkOwner, identity.Service),
		Attributes: []Attribute{
			written("device_owner", anyOf(notTheService, onNetwork)),
			{Name: "mac_address", Create: onNetwork, Update: identity.Service},
			// Who may use a shared network chooses among its subnets; addresses
			// are chosen by the network's owner.
			{Name: "fixed_ips", Create: anyOf(onNetwork, identity.Shared), Update: onNetwork},
			{Name: "fixed_ips:ip_address", Create: onNetwork, Update: onNetwork},
			{Name: "fixed_ips:subnet_id", Create: anyOf(onNetwork, identity.Shared), Update: anyOf(onNetwork, identity.Shared)},
			written("port_security_enabled", onNetwork),
			written("allowed_address_pairs", identity.NetworkOwner),
			hidden("binding:host_id"),
			hidden("binding:profile"),
			{Name: "binding:vif_type", Read: admin},
			{Name: "binding:vif_details", Read: admin},
			{Name: "resource_request", Read: admin},
			{Name: "data_plane_status", Update: anyOf(admin, identity.Role("data_plane_integrator"))},
		},
	}
}

// notTheService is everybody who does not make a port the network service's
// own.
func notTheService(_ identity.Identity, t identity.Target) bool {
	owner, _ := t.Value.(string)
	return !strings.HasPrefix(owner, "network:")
}
