// Package pipeline turns the records of one host into the flow tables of its
// bridges.
//
//	records of this host ─┐
//	                      ├─ View ── Compile ── Program ── flows of br-int, br-tun, br-<physical>
//	local OVSDB facts ────┘
//
// Compile is a pure function: no I/O, no clock, no randomness, no log. The same
// View gives a byte-equal Program. Incremental gives the same Program from the
// previous one and the names of what changed, with work in proportion to the
// change.
//
// The tables, the arrows between them and what they are for are declared in
// tables.go, registers and other packet fields in fields.go, priorities in
// priorities.go and the cookie in cookie.go. Every other file holds one feature.
// docs/pipeline.md is written from these declarations.
package pipeline
