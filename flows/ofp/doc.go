// Package ofp speaks OpenFlow 1.5 with Open vSwitch: the wire format of the
// messages Lepton needs, with the Nicira extensions Open vSwitch adds to them,
// and a connection that sends them.
//
//	flows.Rule ──AppendRule──▶ bytes ──Conn──▶ switch
//	flows.Rule ◀──DumpFlows── bytes ◀──Conn── switch
//
// Encoders append to a byte slice. Decoders check every length, never panic,
// and keep an action that flows has no type for as flows.Raw, header and
// padding included, so that it encodes to the same bytes again.
//
// A Conn has one goroutine that reads and one that writes. Requests wait for
// their answers by transaction id. Apply changes the flow table by one atomic
// bundle, or not at all. Serve accepts the switches that use Lepton as their
// controller.
//
// References are to the OpenFlow Switch Specification 1.5.1, and to
// ovs-actions(7) and ovs-fields(7) of Open vSwitch 3.1.
package ofp
