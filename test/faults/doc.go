// Package faults breaks a cloud on purpose and checks what docs/reliability.md
// promises: reboots without a controller, a killed switch, agent and database,
// ports that come and go, flows changed by hand, snapshots that lack most of a
// host.
//
// In `make test` every fault is tried a few times; `make soak` tries them for
// longer, with a seed that it prints and that LEPTON_SEED repeats.
package faults
