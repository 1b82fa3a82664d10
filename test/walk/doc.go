// Package walk types the commands of the stock openstack client for networking
// into one session of it, and checks what the client says:
//
//	Chapters ──► Session.Walk ──► openstack ──► the API
//	                  ▲               │
//	                  └── shows, says ┘
//
// A chapter is a group of commands, in the order in which they are typed.
// Chapters stand on what the ones before left, and the last ones take it away.
// A new group of commands is a new chapter; commands that no chapter types are
// in the table of what is not walked, with the reason, and a test compares both
// with what the installed client can do.
package walk
