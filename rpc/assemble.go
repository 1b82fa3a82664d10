package rpc

import (
	"errors"
	"fmt"

	"github.com/lepton-sdn/lepton/rpc/pb"
)

// maxRecords bounds what one update may carry, so that a broken controller
// cannot fill a host's memory.
const maxRecords = 1 << 20

// ErrParts is wrapped by the errors of Assembler.Add.
var ErrParts = errors.New("parts of an update do not belong together")

// Assembler puts the parts of updates together again. The zero value is ready;
// it belongs to one stream.
type Assembler struct {
	Settings Settings // given to every update
	pending  *Update
}

// Add takes the next part. It gives the update when the part was the last of
// it, else nil. After an error the stream is of no more use.
func (a *Assembler) Add(m *pb.Update) (*Update, error) {
	if a.pending == nil {
		a.pending = &Update{Full: m.GetFull(), Revision: m.GetRevision(), Settings: a.Settings}
	}
	u := a.pending
	if u.Full != m.GetFull() || u.Revision != m.GetRevision() {
		return nil, fmt.Errorf("%w: revision %d (full %t) after revision %d (full %t)",
			ErrParts, m.GetRevision(), m.GetFull(), u.Revision, u.Full)
	}
	u.decodePart(m)
	if n := u.Len() + len(u.Rejected); n > maxRecords {
		return nil, fmt.Errorf("%w: %d records are more than %d", ErrParts, n, maxRecords)
	}
	if m.GetMore() {
		return nil, nil
	}
	a.pending = nil
	return u, nil
}
