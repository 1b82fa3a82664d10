package model

import "crypto/sha256"

// StandInByte begins the MACs that PortMAC gives: unicast, locally administered,
// and none that a controller hands out.
const StandInByte = 0xf2

// PortMAC gives the MAC by which other hosts know, of a host, the interface of a
// distributed router that has the MAC mac everywhere: see pipeline.
func PortMAC(host string, mac MAC) MAC {
	sum := sha256.Sum256(append(mac[:], host...))
	out := MAC{StandInByte}
	copy(out[1:], sum[:])
	return out
}
