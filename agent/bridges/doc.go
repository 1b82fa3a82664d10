// Package bridges knows which bridges, patch ports and tunnel ports a host must
// have, and what the database lacks of them. It is pure: a State and a Desired
// give a Plan, and whoever has the database commits it.
//
// Rows that Lepton makes carry ovsdb.OwnerKey. Foreign ports on its bridges are
// left alone; provider bridges are the operator's, Lepton only puts its patch
// port there and becomes their controller.
package bridges
