// Package neutron reads a running Neutron, or anything that serves its API, and
// makes the same objects in Lepton, with the same ids.
//
//	source ─► Read ─► Snapshot ┐
//	                           ├─► Compare ─► Plan ─► Run ─► Report
//	target ─► Read ─► Snapshot ┘
//
// Compare is a pure function of both snapshots: what is in Lepton already is
// left as it is, and where it differs, the plan says so. So a plan can be shown
// before anything is done, a run that was interrupted goes on where it ended,
// and one that is repeated does nothing.
//
// A table of resources says of each in which order they are made, which
// attributes are taken, and which objects are left out because Lepton makes its
// own: what agents made for themselves.
package neutron
