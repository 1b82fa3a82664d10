package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// smallest is the size in bytes below which differences are never worth a new
// full update.
const smallest = 256 << 10

// Owner says whose records they are.
type Owner struct {
	Host     string `json:"host"`
	Instance string `json:"instance"`
}

// Store is the file. It belongs to one goroutine.
type Store struct {
	path  string
	owner Owner

	file           *os.File // open for differences; nil: a full update is needed first
	base, appended int64    // bytes of the full update, and of the differences since
	dirty          bool     // written and not synchronised
}

// New gives the store at a path. Nothing is read or made.
func New(path string, owner Owner) *Store { return &Store{path: path, owner: owner} }

// Load reads the records, as one full update whose Stored is when they were last
// known to be the controller's. It gives os.ErrNotExist when there is no file
// and ErrUnusable for one that must not be used.
func (s *Store) Load() (*rpc.Update, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, fmt.Errorf("read stored records: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read stored records: %w", err)
	}
	u, err := read(f, s.owner)
	if err != nil {
		return nil, fmt.Errorf("read stored records from %s: %w", s.path, err)
	}
	u.Stored = info.ModTime().UTC()
	return u, nil
}

// Read reads the records of whatever host the file is of, for an operator to
// look at.
func Read(path string) (*rpc.Update, error) { return New(path, Owner{}).Load() }

// Replace writes a full update in the place of all that was there. When it
// returns without error the update outlives a loss of power.
func (s *Store) Replace(u *rpc.Update) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store records: %w", err)
		}
	}()
	s.Close()
	fresh := s.path + ".new"
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := writeAll(f, s.owner, u)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(fresh, s.path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(fresh))
	}
	s.file, s.base, s.appended, s.dirty = f, n, 0, false
	return syncDir(filepath.Dir(s.path))
}

// syncDir makes the renaming of a file in the directory outlive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeAll writes a whole file and gives its size.
func writeAll(w io.Writer, owner Owner, u *rpc.Update) (int64, error) {
	head, err := json.Marshal(head{Owner: owner, Settings: u.Settings})
	if err != nil {
		return 0, err
	}
	b := appendFrame([]byte(magic), head)
	total := int64(0)
	for part := range u.Parts(rpc.PartSize, nil) {
		if b, err = appendMessage(b, part); err != nil {
			return total, err
		}
		n, err := w.Write(b)
		total += int64(n)
		if err != nil {
			return total, err
		}
		b = b[:0]
	}
	return total, nil
}

// Append writes a difference behind what is there. It survives the death of the
// agent at once, and a loss of power after Sync. After an error the file is as
// it was, and only Replace helps.
func (s *Store) Append(u *rpc.Update) error {
	if s.file == nil {
		return errors.New("store records: there is no full update to add to")
	}
	var b []byte
	var err error
	for part := range u.Parts(rpc.PartSize, nil) {
		if b, err = appendMessage(b, part); err != nil {
			return fmt.Errorf("store records: %w", err)
		}
	}
	if _, err := s.file.Write(b); err != nil {
		// Half of a difference would hide those that follow.
		err = errors.Join(err, s.file.Truncate(s.base+s.appended))
		s.Close()
		return fmt.Errorf("store records: %w", err)
	}
	s.appended += int64(len(b))
	s.dirty = true
	return nil
}

func appendMessage(b []byte, m *pb.Update) ([]byte, error) {
	payload, err := proto.Marshal(m)
	if err != nil {
		return b, err
	}
	return appendFrame(b, payload), nil
}

// Due reports whether the file would be better replaced.
func (s *Store) Due() bool { return s.file == nil || s.appended > max(s.base, smallest) }

// Size is the file's length in bytes.
func (s *Store) Size() int64 { return s.base + s.appended }

// Sync makes what was appended outlive a loss of power.
func (s *Store) Sync() error {
	if s.file == nil || !s.dirty {
		return nil
	}
	s.dirty = false
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("store records: %w", err)
	}
	return nil
}

// Confirm notes that the records are still the controller's.
func (s *Store) Confirm(at time.Time) error {
	if s.file == nil {
		return nil
	}
	if err := os.Chtimes(s.path, at, at); err != nil {
		return fmt.Errorf("store records: %w", err)
	}
	return nil
}

// Close gives up the file. Replace opens it again.
func (s *Store) Close() {
	if s.file != nil {
		s.file.Close() // what counts was synchronised, or is lost with the machine
		s.file = nil
	}
}
