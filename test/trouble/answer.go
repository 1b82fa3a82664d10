package trouble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification and response are struct seccomp_notif and seccomp_notif_resp of
// linux/seccomp.h.
type (
	notification struct {
		id    uint64
		pid   uint32 // of the thread
		flags uint32
		call  int32
		arch  uint32
		at    uint64
		args  [6]uint64
	}
	response struct {
		id    uint64
		value int64
		err   int32
		flags uint32
	}
)

// SECCOMP_IOCTL_NOTIF_ID_VALID and SECCOMP_IOCTL_NOTIF_SET_FLAGS, which package
// unix lacks.
const (
	ioctlValid    = 0x40082102
	ioctlSetFlags = 0x40082104
)

// watcher answers a program's system calls.
type watcher struct {
	fd   int
	dial *dial
}

// answerAll answers until the last process under the filter has ended.
func answerAll(file string) error {
	d, free, err := mapDial(file)
	if err != nil {
		return err
	}
	defer free()
	fd, err := receive()
	if err != nil {
		return fmt.Errorf("receive the filter: %w", err)
	}
	w := watcher{fd, d}
	// The program goes on at once on this processor; kernels before 6.6 cannot.
	_ = unix.IoctlSetInt(fd, ioctlSetFlags, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents&unix.POLLHUP != 0 {
				return nil
			}
			continue
		}
		var n notification
		err := ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n))
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINTR) {
			continue // its thread was killed meanwhile
		}
		if err != nil {
			return fmt.Errorf("next call: %w", err)
		}
		if err := w.answer(n); err != nil {
			return err
		}
	}
}

func (w watcher) answer(n notification) error {
	r := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	switch n.call {
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		if slow := time.Duration(w.dial.slow.Load()); slow > 0 {
			time.AfterFunc(slow, func() { _ = w.respond(r) })
			return nil
		}
	case unix.SYS_ARCH_PRCTL:
		if err := hideVDSO(int(n.pid)); err != nil {
			return fmt.Errorf("hide the vDSO of process %d: %w", n.pid, err)
		}
	case unix.SYS_CLOCK_GETTIME:
		ahead := time.Duration(w.dial.ahead.Load())
		if ahead != 0 && w.write(n, timespec(time.Now().Add(ahead))) == nil {
			r.flags = 0
		}
	}
	return w.respond(r)
}

// write puts bytes where the call's second argument points.
func (w watcher) write(n notification, b []byte) error {
	// A thread that was killed may have left its number to another one.
	if err := ioctl(w.fd, ioctlValid, unsafe.Pointer(&n.id)); err != nil {
		return err
	}
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(n.args[1]), Len: len(b)}}
	_, err := unix.ProcessVMWritev(int(n.pid), local, remote, 0)
	return err
}

func (w watcher) respond(r response) error {
	err := ioctl(w.fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
	if errors.Is(err, unix.ENOENT) {
		return nil // its thread was killed meanwhile
	}
	return err
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// Entries of the auxiliary vector: linux/auxvec.h.
const (
	auxEnd    = 0
	auxIgnore = 1
	auxVDSO   = 33 // AT_SYSINFO_EHDR
)

// hideVDSO takes the entry for the vDSO out of the auxiliary vector of a process
// that has just begun. It is on its stack behind arguments and environment, each
// of which ends with a null pointer.
func hideVDSO(pid int) error {
	stack, err := startOfStack(pid)
	if err != nil {
		return err
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	var word [8]byte
	next := func() (uint64, error) {
		_, err := mem.ReadAt(word[:], int64(stack))
		stack += uint64(len(word))
		return binary.NativeEndian.Uint64(word[:]), err
	}
	if _, err := next(); err != nil { // how many arguments there are
		return err
	}
	for range 2 {
		for {
			v, err := next()
			if err != nil {
				return err
			}
			if v == 0 {
				break
			}
		}
	}
	for {
		key, err := next()
		if err != nil || key == auxEnd {
			return err
		}
		if key == auxVDSO {
			binary.NativeEndian.PutUint64(word[:], auxIgnore)
			_, err := mem.WriteAt(word[:], int64(stack)-int64(len(word)))
			return err
		}
		if _, err := next(); err != nil {
			return err
		}
	}
}

// startOfStack is where the stack began: proc(5), stat field 28.
func startOfStack(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	const field = 28 - 3 // the first one behind the name is the third
	rest := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(rest) <= field {
		return 0, fmt.Errorf("/proc/%d/stat is %q", pid, b)
	}
	return strconv.ParseUint(rest[field], 10, 64)
}
