package trouble

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Machine is what programs see of the one that they run on.
type Machine struct {
	file string
	dial *dial
}

// dial is what a machine's programs are to see, in memory that is shared with the
// processes that show it to them. All is in nanoseconds.
type dial struct {
	ahead atomic.Int64 // of the real clock
	slow  atomic.Int64 // what every fsync takes longer
}

const dialSize = int(unsafe.Sizeof(dial{}))

// NewMachine gives a machine that nothing is wrong with yet.
func NewMachine(t testing.TB) *Machine {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dial")
	if err := os.WriteFile(file, make([]byte, dialSize), 0o600); err != nil {
		t.Fatal(err)
	}
	d, free, err := mapDial(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(free)
	return &Machine{file: file, dial: d}
}

func mapDial(file string) (*dial, func(), error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, dialSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return (*dial)(unsafe.Pointer(&b[0])), func() { _ = unix.Munmap(b) }, nil
}

// SetClock puts the clock so far ahead of the right time, or behind it.
func (m *Machine) SetClock(ahead time.Duration) { m.dial.ahead.Store(int64(ahead)) }

// Now is what the machine's clock shows.
func (m *Machine) Now() time.Time { return time.Now().Add(time.Duration(m.dial.ahead.Load())) }

// SlowDisk makes every fsync and fdatasync take so much longer. Those under way
// take as long as it was when they began.
func (m *Machine) SlowDisk(by time.Duration) { m.dial.slow.Store(int64(by)) }

// Wrap gives the command line that runs a program on the machine; its first word
// is a path. The process becomes the program, so signals reach that.
func (m *Machine) Wrap(argv []string) []string {
	self, err := os.Executable()
	if err != nil {
		panic(err) // /proc is there
	}
	return append([]string{self, run, m.file}, argv...)
}

// timespec is a time as clock_gettime(2) gives it on 64-bit machines.
func timespec(t time.Time) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(t.Unix()))
	return binary.NativeEndian.AppendUint64(b, uint64(t.Nanosecond()))
}
