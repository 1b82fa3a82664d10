// Package nova tells Nova what happens to the ports of its servers, as Neutron
// does: by events posted to os-server-external-events.
//
//	records ──OnApply──▶ ports to look at ──▶ difference ──▶ events ──▶ Nova
//	   ▲                                          │                      │
//	   └──────────────── notices ◀────────────────┴──────── outcomes ◀───┘
//
// What was told is a record itself, one notice for each port of a server, and
// what is to be told is the difference between the notice and the port's state.
// So nothing is lost when a controller dies, an outage of Nova costs no memory
// beyond the names of the ports, and a port that changed ten times meanwhile is
// told once.
//
// One controller at a time has the duty to tell (package duty). One that finds
// Nova out of reach for a while gives it back, for another one to try. An event may be
// sent twice, if the controller dies after Nova got it and before that was
// stored, or if the answer was lost; Nova lets such an event pass. A port that
// was made and deleted while no controller had the duty is never told.
package nova
