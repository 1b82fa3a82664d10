package lab

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// muchHeld is the receive buffer, in bytes, of sockets that must not lose packets
// because their program waits for the processor.
const muchHeld = 8 << 20

// HoldMuch gives the packet sockets of the hosts' switches a receive buffer of 8
// MiB. Open vSwitch's userspace datapath takes what the machine's default is, which
// holds some 280 small packets: what two guests send in the tenth of a second that
// a busy machine lets ovs-vswitchd wait would count as lost on its way. Sockets
// that are made later are not among them. It gives the number of sockets.
func (l *Lab) HoldMuch() (int, error) {
	s, err := l.ledger.read()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, p := range s.Processes {
		if p.Name != ovsVswitchd || !p.Alive() {
			continue
		}
		held, err := holdPackets(p.PID)
		if n += held; err != nil && p.Alive() {
			return n, fmt.Errorf("buffers of %s on %s: %w", p.Name, p.Host, err)
		}
	}
	return n, nil
}

// holdPackets enlarges the buffers of a process's packet sockets, packet(7).
func holdPackets(pid int) (n int, err error) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(process)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, err
	}
	for _, e := range open {
		number, err := strconv.Atoi(e.Name())
		if err != nil {
			return n, err
		}
		fd, err := unix.PidfdGetfd(process, number, 0)
		if errors.Is(err, unix.EBADF) {
			continue // closed meanwhile
		}
		if err != nil {
			return n, os.NewSyscallError("pidfd_getfd", err)
		}
		domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN) // fails for what is no socket
		if err == nil && domain == unix.AF_PACKET {
			n++
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, muchHeld)
		} else {
			err = nil
		}
		if err = errors.Join(err, unix.Close(fd)); err != nil {
			return n, err
		}
	}
	return n, nil
}
