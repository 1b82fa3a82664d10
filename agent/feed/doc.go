// Package feed gives the stream from the controller to several loops.
//
//	session.Updates() ──▶ Feed ──▶ Consumer "wire"  ──▶ wire.Loop
//	                       │  └──▶ Consumer "l3"    ──▶ l3's loop
//	                       └─────▶ Consumer "dhcp"  ──▶ …
//	session.Ack, Report … ◀── what the consumers say, put together
//
// Make the consumers before Run, one for each loop:
//
//	f := feed.New(sess)
//	wire := f.Consumer("wire")
//	l3 := f.Consumer("l3")
//	go f.Run(ctx)
//
// Each consumer gets every update, in order. It takes what concerns it and calls
// Ack with the update's revision once that is realised; an update that does not
// concern it is acknowledged at once. The controller hears of a revision when all
// consumers have acknowledged it, or a later one.
//
// A consumer that falls behind by more than a few updates gets a Full one in the
// place of those that it missed, and holds up nobody. Every consumer must take a
// Full update at any time anyway: each new connection begins with one. A Full
// update names what exists, so what a loop has and the update lacks is gone. A
// record that arrived in a form that cannot be used is in it as it was before.
//
// A feed with an Archive writes updates down before it hands them over. When no
// controller answers at the start, the consumers get what was written, as a Full
// update whose Stored is not zero: it says what to make, and what it lacks may
// exist all the same. A loop removes nothing because of such an update, beyond
// what belongs to objects that it knows; the next Full one, a controller's, says
// what must go. A feed with a Brake fills up Full updates that lack too much.
//
// The records of an update are shared by all consumers: nobody changes them, or
// the lists that hold them.
//
// A loop reports states of ports with Report and of anything else with
// ReportObjects, whenever they change and again after a Full update that follows
// a reconnect if it likes: what has not changed costs nothing. It tells what it
// cannot do with SetProblems, and says with SetDevices how many devices it has
// and whether it has realised all it knows; the host is in sync when all its
// loops are.
package feed
