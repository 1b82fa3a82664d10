package feed

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/rpc"
)

// slowDisk is an archive that writes when it is let, and notes what.
type slowDisk struct {
	let     chan struct{}
	entered chan struct{} // a full update has begun to be written
	broken  error         // of the next Sync
	wrote   []int64       // revisions
}

func newSlowDisk() *slowDisk {
	return &slowDisk{let: make(chan struct{}), entered: make(chan struct{}, 1)}
}

func (d *slowDisk) Load() (*rpc.Update, error) { return nil, os.ErrNotExist }

func (d *slowDisk) Replace(u *rpc.Update) error {
	d.entered <- struct{}{}
	<-d.let
	d.wrote = []int64{u.Revision}
	return nil
}

func (d *slowDisk) Append(u *rpc.Update) error {
	d.wrote = append(d.wrote, u.Revision)
	return nil
}

func (d *slowDisk) Sync() error {
	err := d.broken
	d.broken = nil
	return err
}

func (d *slowDisk) Due() bool               { return false }
func (d *slowDisk) Size() int64             { return 0 }
func (d *slowDisk) Confirm(time.Time) error { return nil }
func (d *slowDisk) Close()                  {}

// settled waits for what is queued.
func settled(t *testing.T, k *keeper) {
	t.Helper()
	late := time.After(10 * time.Second)
	for done := k.offer(writing{}); ; done = k.offer(writing{}) {
		select {
		case <-done:
			return
		case <-late:
			t.Fatal("the keeper stands still")
		case <-time.After(100 * time.Millisecond): // the queue was full
		}
	}
}

func TestADifferenceThatIsLostBehindAFullUpdateIsMissed(t *testing.T) {
	disk := newSlowDisk()
	k := newKeeper(disk, zap.NewNop())
	go k.run()
	defer k.stop()
	k.offer(writing{update: &rpc.Update{Full: true, Revision: 1}})
	<-disk.entered // and hangs
	rev := int64(2)
	for ; k.offer(writing{update: &rpc.Update{Revision: rev}}) != nil; rev++ {
	}
	if k.wants() {
		t.Error("another full update is wanted while one is on its way")
	}
	close(disk.let)
	settled(t, k)
	if !k.wants() {
		t.Fatalf("revision %d is missing on disk, behind a full update of revision 1, and nobody knows", rev)
	}
	if len(disk.wrote) != 1 {
		t.Errorf("differences were written behind one that is missing: %v", disk.wrote)
	}
	k.offer(writing{update: &rpc.Update{Full: true, Revision: rev}})
	k.offer(writing{update: &rpc.Update{Revision: rev + 1}})
	settled(t, k)
	if k.wants() || len(disk.wrote) != 2 {
		t.Errorf("after a full update: %v, and another is wanted: %t", disk.wrote, k.wants())
	}
}

func TestAFileThatCouldNotBeSynchronisedIsWrittenAnew(t *testing.T) {
	disk := newSlowDisk()
	close(disk.let)
	k := newKeeper(disk, zap.NewNop())
	go k.run()
	defer k.stop()
	k.offer(writing{update: &rpc.Update{Full: true, Revision: 1}})
	settled(t, k)
	disk.broken = errors.New("input/output error")
	settled(t, k)
	settled(t, k) // now the disk says that all is well
	if !k.wants() {
		t.Error("what the disk failed to take is taken for written")
	}
}

func TestADiskThatHangsIsAProblem(t *testing.T) {
	disk := newSlowDisk()
	k := newKeeper(disk, zap.NewNop())
	go k.run()
	defer k.stop()
	k.offer(writing{update: &rpc.Update{Full: true, Revision: 1}})
	<-disk.entered
	if text := k.trouble(); text != "" {
		t.Errorf("a writing that has just begun is a problem: %s", text)
	}
	long := time.Now().Add(-hangAfter)
	k.busy.Store(&long)
	if text := k.trouble(); !strings.Contains(text, "hangs") {
		t.Errorf("a writing that takes %s is told as %q", hangAfter, text)
	}
	close(disk.let)
	settled(t, k)
	if text := k.trouble(); text != "" {
		t.Errorf("after the writing: %s", text)
	}
}
