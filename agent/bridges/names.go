package bridges

import (
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/lepton-sdn/lepton/model"
)

// maxName is the length of an interface name (IFNAMSIZ less the final zero).
const maxName = 15

// The patch between the integration and the tunnel bridge, as Neutron names it.
const (
	PatchTun = "patch-tun" // on the integration bridge
	PatchInt = "patch-int" // on the tunnel bridge
)

// IntPort and PhyPort name the two ends of the patch between the integration
// bridge and a provider bridge: int-<bridge> on the first, phy-<bridge> on the
// second. A name that would be too long ends in a hash, as Neutron's does.
func IntPort(bridge string) string { return prefixed("int-", bridge) }

// PhyPort is the end on the provider bridge, see IntPort.
func PhyPort(bridge string) string { return prefixed("phy-", bridge) }

// hashDigits is how much of the hash Neutron puts behind a name that is cut.
const hashDigits = 6

func prefixed(prefix, name string) string {
	if len(prefix)+len(name) <= maxName {
		return prefix + name
	}
	sum := sha1.Sum([]byte(name))
	return prefix + name[:maxName-len(prefix)-hashDigits] + hex.EncodeToString(sum[:])[:hashDigits]
}

// TunnelPort names the port of a tunnel: the type, and the remote address in
// hexadecimal for IPv4 (vxlan-c0000202), hashed for IPv6, as Neutron does.
func TunnelPort(t model.NetworkType, remote netip.Addr) string {
	remote = remote.Unmap()
	if remote.Is4() {
		b := remote.As4()
		return fmt.Sprintf("%s-%08x", t, binary.BigEndian.Uint32(b[:]))
	}
	sum := sha1.Sum([]byte(remote.String()))
	text := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))
	return string(t) + "-" + text[:maxName-len(t)-1]
}
