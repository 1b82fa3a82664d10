// Package segments knows how networks are realised on the wire: which network
// types there are, which ids projects get from which pools, what an
// administrator may ask for, and how large a frame fits.
//
//	Config ── New ──► Pools ── Propose(ranges, taken) ──► a free model.Segment
//	                       ├── Ranges() ──► those of the configuration
//	                       ├── Check(provider attributes) ──► complete or partial segment
//	                       └── MaxMTU(segment)
//
// It holds no state: which ids are taken is asked through a function, and the
// caller takes the proposed one with a unique key in the store.
package segments
