// Package snapshot keeps the records of the host in a file, so that an agent
// that finds no controller after a reboot wires its ports all the same.
//
//	lepton-records 1\n
//	┌────────┬─────────┬──────────────┐
//	│ length │ CRC-32C │ head (JSON)  │  whose records they are
//	├────────┼─────────┼──────────────┤
//	│ length │ CRC-32C │ lepton.rpc.v1│  a full update, in parts
//	│ length │ CRC-32C │   .Update    │  and the differences since
//	└────────┴─────────┴──────────────┘
//
// Length and checksum are 4 bytes in network order. A full update replaces the
// file by renaming a new one over it; a difference is appended, so what is
// written is in proportion to what changed, until the differences are larger
// than the full update: then Due says that it is time for a new one.
//
// A file that ends within a frame was being written when the machine stopped:
// what is before that counts. Any other damage, an unknown version, or another
// host's records make the whole file useless, because half of the records would
// open what the other half closes.
//
// The file's modification time is when its records were last known to be those
// of the controller.
package snapshot
