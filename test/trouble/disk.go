package trouble

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Disk is a filesystem of its own, of a size that is soon used up.
type Disk struct {
	t testing.TB
	// Path is a directory for this machine's programs while the test runs.
	Path string
}

// NewDisk makes an empty disk of so many bytes.
func NewDisk(t testing.TB, size int64) *Disk {
	t.Helper()
	fd, err := mountNowhere(size)
	if err != nil {
		t.Fatalf("make a disk of %d bytes: %v", size, err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return &Disk{t: t, Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)}
}

// mountNowhere makes a tmpfs that is in no namespace and ends with the file
// descriptor: fsopen(2), fsmount(2).
func mountNowhere(size int64) (int, error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open a tmpfs: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, "size", fmt.Sprint(size)); err != nil {
		return -1, fmt.Errorf("set its size: %w", err)
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("make it: %w", err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("mount it: %w", err)
	}
	return fd, nil
}

// Free is how many bytes can be written.
func (d *Disk) Free() int64 {
	d.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(d.Path, &st); err != nil {
		d.t.Fatalf("look at the disk: %v", err)
	}
	return int64(st.Bavail) * st.Bsize
}

func (d *Disk) junk() string { return filepath.Join(d.Path, "junk") }

// Fill lets something else on the machine take all but so many bytes, at some 200
// MB a second.
func (d *Disk) Fill(but int64) {
	d.t.Helper()
	f, err := os.OpenFile(d.junk(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for free := d.Free(); free > but; free = d.Free() {
		_, err := f.Write(block[:min(free-but, int64(len(block)))])
		if errors.Is(err, unix.ENOSPC) {
			return
		}
		if err != nil {
			d.t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// MakeRoom removes what Fill has written.
func (d *Disk) MakeRoom() {
	d.t.Helper()
	if err := os.Remove(d.junk()); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.t.Fatal(err)
	}
}
