// Package schedule keeps routers and DHCP networks on live hosts.
//
//	records ──batches──▶ note ──▶ what is due ──▶ run ──▶ plugin.PlaceRouter, PlaceNetwork
//	                      │                        ▲           one transaction each
//	                      └─ heartbeats ─▶ watch ──┘ who is dead
//
// Every controller runs a scheduler; none leads. A decision is one transaction,
// whose conditions are the records that it was made of: the router or network,
// its binding, the agents that it concerns. Of two controllers that decide the
// same thing one is too late, looks again and finds nothing left to do.
//
// What is on a host stays there as long as the host's agent is not dead: silent
// for agent_down_time while this controller was watching, by its own clock, and
// heartbeats could be stored. So neither a restart of an agent, nor one of all controllers,
// nor an outage of the store or a full one moves anything. A dead agent keeps what nobody else can
// take, because its data plane may go on.
//
// # What agents find in the records
//
// An l3 agent has the routers of records.RouterBindingsByHost of its host. Of
// each:
//
//   - model.Router: admin_state_up, routes, and the gateway with enable_snat;
//   - the ports whose DeviceID is the router's id: of DeviceOwner
//     network:router_interface the interfaces, with the subnets' gateway
//     addresses, and network:router_gateway the gateway. Their Host is the host
//     where the router is active, and changes in one transaction with the
//     binding;
//   - the networks and subnets of these ports, floating addresses and port
//     forwardings by their RouterID, conntrack helpers by theirs.
//
// A host in the binding that is not Active, and a router that has no binding on
// the host, forwards nothing.
//
// A dhcp agent has the networks of records.DHCPBindingsByHost of its host. Its
// port is the one that the host's entry names: DeviceOwner network:dhcp, DeviceID
// "dhcp<uuid5 of the host's short name>-<network>", an address in each subnet
// with DHCP that the host's segment has. Without a port there is nothing to
// serve. A port that moves from host to host keeps its MAC and addresses.
package schedule
