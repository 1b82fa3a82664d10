// Package explain compares what controller/explain says of routers with what
// agent/l3 has the kernel do, over random clouds: both are made from the same
// records, by code that has nothing in common.
//
//	records ─┬─▶ controller/explain ─▶ stages of a packet's way ─┐
//	         │                                                   ├─ the same?
//	         └─▶ agent/l3.Desired ─▶ rules and routes ─▶ kernel ─┘
//
// The kernel is one of this package: it knows the matches, targets, routes and
// policy rules that agent/l3 uses, and no others. A rule with a word that it does
// not know fails the test, so that nothing is overlooked.
package explain
