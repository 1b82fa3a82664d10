// Package flows holds OpenFlow as values: fields, matches, actions, rules and
// tables of rules, their text form as ovs-ofctl writes it, and the difference
// between two tables.
//
// A Rule is plain data with an owner; a set of rules is a sorted slice. Nothing
// here speaks to a switch (flows/ofp does) or knows Neutron (pipeline does).
package flows
