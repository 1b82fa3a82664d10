// Package session is the agent's end of the stream to the controller.
//
//	controllers ══ Run ══▶ Updates()        snapshot, then differences, in order
//	                ▲
//	                └───── Report, Ack, SetProblems, SetDevices
//
// A Session keeps one stream to one of several controllers and opens the next
// when it breaks, for ever, with jittered backoff. Nothing in it decides
// anything about the data plane: while no controller can be reached the agent
// goes on with what it last knew. A controller that has lost its store is left
// for one that has it, and kept when none has.
//
// Memory is bounded everywhere: updates wait in a short queue and then hold up
// the stream, the controller coalesces behind it; outgoing statuses are kept
// one per port until a controller has stored them.
package session
