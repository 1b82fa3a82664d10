package snapshot

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

const (
	// magic begins the file; the number is the version of what follows.
	magic = "lepton-records 1\n"
	// maxFrame bounds a frame's content in bytes: a part of an update is cut at
	// rpc.PartSize, and one record has to fit behind that.
	maxFrame = 8 << 20
	// frameHead is the length and the checksum.
	frameHead = 8
)

// ErrUnusable is wrapped by the errors of files that must not be used.
var ErrUnusable = errors.New("they are not used")

// head is the first frame.
type head struct {
	Owner
	Settings rpc.Settings `json:"settings"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendFrame(b, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(payload, castagnoli))
	return append(b, payload...)
}

func unusable(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrUnusable)...)
}

// errTorn is a frame that the file ends in.
var errTorn = errors.New("the file ends within a frame")

// read reads a whole file and gives what it adds up to. The zero owner stands
// for any.
func read(r io.Reader, owner Owner) (*rpc.Update, error) {
	in := &frames{r: bufio.NewReaderSize(r, 64<<10)}
	h, err := in.head()
	if err != nil {
		return nil, err
	}
	if owner != (Owner{}) && h.Owner != owner {
		return nil, unusable("the records are of host %q, instance %q; this is host %q, instance %q",
			h.Host, h.Instance, owner.Host, owner.Instance)
	}
	parts := rpc.Assembler{Settings: h.Settings}
	var state rpc.State
	for {
		b, err := in.next()
		if errors.Is(err, io.EOF) || errors.Is(err, errTorn) {
			break
		}
		if err != nil {
			return nil, err
		}
		var m pb.Update
		if err := proto.Unmarshal(b, &m); err != nil {
			return nil, unusable("frame %d is no update: %v", in.n, err)
		}
		u, err := parts.Add(&m)
		if err != nil {
			return nil, unusable("frame %d: %v", in.n, err)
		}
		if u == nil {
			continue
		}
		if !state.Known() && !u.Full {
			return nil, unusable("frame %d: a difference without what it differs from", in.n)
		}
		state.Apply(u)
	}
	if !state.Known() {
		return nil, unusable("the file ends before the first update does")
	}
	return state.Full(), nil
}

// frames reads frame by frame.
type frames struct {
	r *bufio.Reader
	n int // of the last frame, the head being 0
}

func (f *frames) head() (h head, err error) {
	f.n = -1
	first := make([]byte, len(magic))
	n, err := io.ReadFull(f.r, first)
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return h, err
	case string(first[:n]) != magic:
		return h, unusable("the file begins with %.40q instead of %q: another version, or no records", first[:n], magic)
	}
	b, err := f.next()
	if errors.Is(err, io.EOF) || errors.Is(err, errTorn) {
		return h, unusable("the file ends before its head does")
	}
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, unusable("head: %v", err)
	}
	return h, nil
}

// next gives the next frame's content: io.EOF at the end, errTorn when the file
// ends in it.
func (f *frames) next() ([]byte, error) {
	f.n++
	var h [frameHead]byte
	if _, err := io.ReadFull(f.r, h[:]); err != nil {
		return nil, torn(err)
	}
	size, sum := binary.BigEndian.Uint32(h[:]), binary.BigEndian.Uint32(h[4:])
	if size == 0 {
		return nil, f.zeros()
	}
	if size > maxFrame {
		return nil, unusable("frame %d has %d bytes, more than %d", f.n, size, maxFrame)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(f.r, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, torn(err)
	}
	if got := crc32.Checksum(b, castagnoli); got != sum {
		return nil, unusable("frame %d has checksum %08x instead of %08x", f.n, got, sum)
	}
	return b, nil
}

func torn(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

// zeros reads to the end. Some filesystems leave zeros where a write had been
// announced when the power went; anything else is damage.
func (f *frames) zeros() error {
	for {
		b, err := f.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return errTorn
		case err != nil:
			return err
		case b != 0:
			return unusable("frame %d is empty", f.n)
		}
	}
}
