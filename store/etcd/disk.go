package etcd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/store"
)

// An etcd ends when a write finds no space, and does not start again without.
// So an embedded one is not given writes while its disk has little space left:
// then nothing fails, and all that was written can be read.
const (
	// embeddedLeast bytes must be free for writes. The log grows by 64 MB at once,
	// and in the tenth of a second until a write is in the database somebody else may
	// write much.
	embeddedLeast = int64(128 << 20)
	// embeddedEnough bytes end a want of space.
	embeddedEnough = embeddedLeast + 32<<20
	// embeddedReserve bytes are kept in a file, so that a server finds space to start
	// on a disk that is full.
	embeddedReserve = int64(32 << 20)
	// diskPause is between two looks at a disk when nobody writes.
	diskPause = time.Second
)

// disk watches the space where an embedded server keeps its data. Methods of nil
// are those of a disk that nobody needs to watch.
type disk struct {
	dir string
	log *zap.Logger

	mu   sync.Mutex
	full bool
}

// openDisk is to be called before the server starts: it gives the server the
// reserve if there is no other space.
func openDisk(dir string, log *zap.Logger) *disk {
	d := &disk{dir: dir, log: log}
	if free, err := d.free(); err == nil && free < embeddedReserve {
		d.log.Warn("the disk of the store is full: what was kept in reserve is used to start", zap.String("dir", dir), zap.Int64("free_bytes", free))
		if err := os.Remove(d.reserve()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.log.Warn("the reserve cannot be used", zap.Error(err))
		}
	}
	return d
}

func (d *disk) reserve() string { return filepath.Join(d.dir, "reserve") }

// free is how many bytes the program can write.
func (d *disk) free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		return 0, fmt.Errorf("look for space in %s: %w", d.dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// allows gives store.ErrFull while there is too little space. A disk that cannot
// be looked at counts as one that has space.
func (d *disk) allows() error {
	if d == nil {
		return nil
	}
	free, err := d.free()
	if err != nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.full
	d.full = free < embeddedLeast || before && free < embeddedEnough
	switch {
	case d.full && !before:
		d.log.Error("the disk of the store is full: nothing is written until there is space, which is found by itself",
			zap.String("dir", d.dir), zap.Int64("free_bytes", free), zap.Int64("needed_bytes", embeddedEnough))
	case before && !d.full:
		d.log.Info("the disk of the store has space again", zap.String("dir", d.dir), zap.Int64("free_bytes", free))
	}
	if d.full {
		return fmt.Errorf("%w on the disk of %s: %d MiB are free, %d are needed", store.ErrFull, d.dir, free>>20, embeddedEnough>>20)
	}
	return nil
}

// run looks at the disk from time to time until ctx is done, and keeps the
// reserve.
func (d *disk) run(ctx context.Context) {
	ticker := time.NewTicker(diskPause)
	defer ticker.Stop()
	kept := false
	for {
		if d.allows() == nil && !kept {
			if err := d.keepReserve(); err != nil {
				d.log.Warn("no space is kept in reserve: on a full disk the controller may not start", zap.Error(err))
			}
			kept = true
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// keepReserve makes the file, if it is not there as it should be.
func (d *disk) keepReserve() error {
	f, err := os.OpenFile(d.reserve(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, embeddedReserve)
	if err != nil {
		err = fmt.Errorf("%s: %w", d.reserve(), err)
	}
	return errors.Join(err, f.Close())
}
