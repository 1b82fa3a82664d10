package pipeline

import (
	"github.com/lepton-sdn/lepton/model"
)

// View is everything that Compile depends on: the records that concern this
// host and the facts of its own switch. Compile never changes it; records are
// shared, never copied.
type View struct {
	// Host is this host's name, as it stands in Port.Host.
	Host   string
	Config Config
	// Networks are the networks with a port on this host, by id.
	Networks map[string]Network
	// Ports are the ports that are plugged into br-int, by port id. A port
	// without a valid OpenFlow port number is not plugged.
	Ports map[string]LocalPort
	// Remotes are the ports of these networks on other hosts, by port id: those
	// with Host set and a binding that did not fail.
	Remotes map[string]*model.Port
	// Groups are the security groups of the ports that are plugged here, by id.
	// A group that a port names and that is not here admits nothing.
	Groups map[string]SecurityGroup
	// Members are the members of the groups that rules of these groups name as
	// remote group, those on this host included.
	Members map[MemberKey]*model.GroupMember
	// AddressGroups are those that rules of these groups name as remote, by id.
	AddressGroups map[string]*model.AddressGroup
	// Logs are the logs that may concern ports here, by id. Those that are not
	// enabled count as if they were not there.
	Logs map[string]*model.Log
	// Tunnels are the tunnel ports of br-tun and their OpenFlow port numbers. A
	// tunnel whose port has no number yet is left out.
	Tunnels map[TunnelKey]uint32
	// PatchTun is the OpenFlow port of patch-tun on br-int, PatchInt that of
	// patch-int on br-tun. Both are 0 on a host without tunnelling.
	PatchTun, PatchInt uint32
	// Metadata is the port of the metadata proxy on br-int.
	Metadata MetadataPort
	// Physical are the mapped provider bridges, by physical network.
	Physical map[string]PhysicalBridge
}

// Config is the part of the configuration that shapes the tables.
type Config struct {
	// IntegrationBridge and TunnelBridge are bridge names; empty means br-int
	// and br-tun.
	IntegrationBridge, TunnelBridge string
	// L2Population: remote addresses come from the records. Without it br-tun
	// floods to every tunnel of the network's type and learns.
	L2Population bool
	// ARPResponder: br-tun answers ARP requests and IPv6 neighbour
	// solicitations for remote addresses. It needs L2Population.
	ARPResponder bool
	// Userspace: br-int is in the userspace datapath (datapath_type netdev), of
	// which the connection tracker knows fewer protocols than the kernel's.
	Userspace bool
	// Meterless: br-int has no meters. What guests ask servers is not limited
	// there.
	Meterless bool
}

// Network is a network as this host realises it.
type Network struct {
	Record *model.Network
	// VLAN is the local VLAN, 1 to 4094: it means something on this host only,
	// and stays the same as long as the host has the network.
	VLAN uint16
}

// LocalPort is a port that is plugged on this host.
type LocalPort struct {
	Record *model.Port
	// OFPort is its OpenFlow port number on br-int, 1 to 65279.
	OFPort uint32
	// Asks are the questions of the port that the agent answers itself.
	Asks Questions
	// Standby is set for a port of an ha router that another host uses.
	Standby bool
}

// SecurityGroup is a security group with its rules.
type SecurityGroup struct {
	Record *model.SecurityGroup
	// Rules are the group's rules by id. The map is never changed once it is in a
	// View: another set of rules is another map.
	Rules map[string]*model.SecurityGroupRule
}

// MemberKey names a port's membership in a group.
type MemberKey struct {
	Group, Port string
}

// TunnelKey names a tunnel port: the host at its other end and the
// encapsulation.
type TunnelKey struct {
	Host string
	Type model.NetworkType
}

// PhysicalBridge is the bridge of a physical network and the two ends of the
// patch between it and br-int.
type PhysicalBridge struct {
	Bridge string
	// IntPort is the OpenFlow port of int-<bridge> on br-int, PhyPort that of
	// phy-<bridge> on Bridge; 0 means that the patch does not exist yet.
	IntPort, PhyPort uint32
}
