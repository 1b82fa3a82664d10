// Package inspect shows an operator what a host does and for whom: its flows
// and what they would do with a packet, with the name of the API object behind
// each of them.
//
//	the switch ─► flows ─► cookie ─┐
//	the agent's stored records ────┴─► owner: security group rule 4f1d2a7b… "ssh"
//
// It only reads: the bridge's management socket, and the records that the agent
// keeps on disk (agent/snapshot). It works while the agent is stopped and no
// controller answers.
package inspect
