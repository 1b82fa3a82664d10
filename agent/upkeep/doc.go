// Package upkeep is what the loops of a host's routers and of its DHCP servers
// have in common: each object is brought to what is desired of it by a worker of
// its own, and one that cannot be delays no other.
//
//	records ─► the loop: what is desired of each object
//	                 │ Change            ▲ Finish
//	                 ▼                   │
//	    Keeper: an Item per object ─► Tend ─► worker: Inspect, Realise or Remove
//	        ▲ Look       ▲
//	  the switch       audits
//
// An object is due when what is desired of it changes, when the switch did
// something to its links, when an audit is, and now and then besides. A job that
// fails is tried again after a delay that doubles, from half a second to a
// minute, with jitter. What the drift mode forbids is not done (docs/operations.md).
//
// An object has a network namespace, the name of which is the kind's prefix and
// the object's id; where an agent of another host runs on the same machine, as in
// labs, and has that name already, "-" and the host's name follow.
//
// A Keeper and its Items belong to the goroutine that is in Run; a Job belongs to
// its worker until Finish.
package upkeep
