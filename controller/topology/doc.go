// Package topology keeps count of ports, so that a picture of the whole cloud
// costs as much as it shows: networks and hosts, however many ports they have.
//
//	records ── batches ──▶ Tally ──▶ cells: project × network × host
//
// A Tally follows the records batch by batch; nobody looks at all ports again.
package topology
