// Package clusterfaults breaks controllers and their store on purpose: three
// lepton-controllers on a three-node etcd, each host in a namespace of its own,
// so that every program can be killed or paused and every connection cut. It
// checks what docs/reliability.md promises of controllers and store.
//
// Clients keep a history of what they asked for and what they were told; what is
// there in the end must be what the history allows. In `make test` every fault is
// tried a few times, in `make soak` for longer; see package soak.
package clusterfaults
