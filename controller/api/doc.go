// Package api serves Neutron's Networking API, version 2.0, over HTTP.
//
//	request ─► authenticate ─► route ─► collection ─► plugin ─► records
//	                                       │
//	                                       └── table of attributes
//
// A collection is one resource. Its table of attributes says of each attribute
// whether a request may set it, what values it takes, how lists are filtered
// and sorted by it, who may see it, and how it is read from and written to the
// plugin's types; everything else is the same code for all resources: bodies,
// bulk requests, filters, paging, errors, conditional updates, tags.
//
// The wire rules are those of the Networking API reference; error types and
// status codes are part of the contract, because clients branch on them.
package api
