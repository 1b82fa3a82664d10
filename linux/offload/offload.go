// Package offload says which work of the kernel a link's driver takes over.
package offload

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// value is struct ethtool_value of linux/ethtool.h.
type value struct{ cmd, data uint32 }

// request is struct ifreq of netdevice(7) with a pointer.
type request struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// FillChecksums has the kernel itself write the checksums of what is sent on the
// link, so that everything that receives a frame finds them in it (ethtool -K
// LINK tx off). Without it a frame that never leaves the machine has none, which
// some DHCP clients do not take. It reports whether that was changed.
func FillChecksums(namespace, link string) (changed bool, err error) {
	err = netns.Do(namespace, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		v := value{cmd: unix.ETHTOOL_GTXCSUM}
		if err := ethtool(fd, link, &v); err != nil || v.data == 0 {
			return err
		}
		changed = true
		return ethtool(fd, link, &value{cmd: unix.ETHTOOL_STXCSUM})
	})
	if err != nil {
		return false, fmt.Errorf("have checksums filled on %s: %w", link, err)
	}
	return changed, nil
}

// ethtool carries out a request (SIOCETHTOOL, ethtool(8)).
func ethtool(fd int, link string, v *value) error {
	if len(link) >= unix.IFNAMSIZ {
		return unix.ENODEV
	}
	r := request{data: unsafe.Pointer(v)}
	copy(r.name[:], link)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r))); errno != 0 {
		return errno
	}
	return nil
}
