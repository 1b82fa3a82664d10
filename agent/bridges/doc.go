// Package bridges knows which bridges, patch ports and tunnel ports a host must
// have, and what the database lacks of them:
//
//	         patch-tun ── patch-int          vxlan-c0000202 ──► other hosts
//	br-int ═══════════════════════════ br-tun ═══════════════►
//	       ═══════════════════════════ br-phys ── the physical network
//	       int-br-phys ── phy-br-phys
//
// It is pure: a State and a Desired give a Plan, and whoever has the database
// commits it. The plan for an unchanged host is empty.
//
// The integration and the tunnel bridge are Lepton's and are made. Provider
// bridges are the operator's: they must exist; Lepton puts its patch port there
// and becomes their OpenFlow controller. Rows that Lepton makes carry
// ovsdb.OwnerKey, and only those are ever deleted: foreign ports stay, on
// Lepton's bridges too. A port of Lepton's name that somebody else has made,
// such as Neutron's patch-tun, is taken over.
package bridges
