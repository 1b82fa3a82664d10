package trouble

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The first arguments of this program when it is not to be itself.
const (
	run   = "trouble-run"   // DIAL PROGRAM ARGUMENTS: become a program on a machine
	watch = "trouble-watch" // DIAL: answer that program's system calls
)

// Main is to be called first of all by a program that calls Wrap: it returns if
// the program is to be itself, and else does not.
func Main() {
	if len(os.Args) < 3 {
		return
	}
	var err error
	switch os.Args[1] {
	case run:
		err = become(os.Args[2], os.Args[3:])
	case watch:
		err = answerAll(os.Args[2])
	default:
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	os.Exit(0)
}

// become has the filter in the thread that becomes the program. A child gets the
// other end of the filter first.
func become(dial string, argv []string) error {
	if len(argv) == 0 {
		return errors.New("no program is given")
	}
	runtime.LockOSThread()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "filter")
	cmd := exec.Command("/proc/self/exe", watch, dial)
	cmd.Stderr, cmd.ExtraFiles = os.Stderr, []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	listener, err := install()
	if err != nil {
		return errors.Join(fmt.Errorf("install the filter: %w", err), cmd.Process.Kill())
	}
	if err := unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(listener), nil, 0); err != nil {
		return fmt.Errorf("give the filter away: %w", err)
	}
	return syscall.Exec(argv[0], argv, os.Environ())
}

// install hands this thread's system calls of interest to whoever has the file
// descriptor that it gives.
func install() (int, error) {
	raw, err := bpf.Assemble(filter())
	if err != nil {
		return -1, err
	}
	prog := make([]unix.SockFilter, 0, len(raw))
	for _, r := range raw {
		prog = append(prog, unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K})
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	// Signals, which Go's scheduler sends, are not to begin a call again that
	// somebody works on.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// Where a filter finds the call, its architecture and its first argument: struct
// seccomp_data, little endian.
const (
	atCall     = 0
	atArch     = 4
	atArgument = 16
)

// filter is the program of the filter.
func filter() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: atArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AUDIT_ARCH_X86_64, SkipTrue: 8},
		bpf.LoadAbsolute{Off: atCall, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_FSYNC, SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_FDATASYNC, SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_ARCH_PRCTL, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLOCK_GETTIME, SkipTrue: 3},
		// Of clocks only the one for the time of day.
		bpf.LoadAbsolute{Off: atArgument, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.CLOCK_REALTIME, SkipFalse: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_USER_NOTIF},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	}
}

// receive takes the other end of the filter from the program's process.
func receive() (int, error) {
	const inherited = 3
	b, control := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(inherited, b, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	if n == 0 {
		return -1, net.ErrClosed
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return -1, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], unix.Close(inherited)
}
