package rpc

import (
	"iter"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/lepton-sdn/lepton/rpc/pb"
)

const (
	// generation is how many records an encoder keeps before it begins to forget,
	// and generationTime after which time.
	generation     = 1 << 17
	generationTime = 20 * time.Second
)

// Encoder makes the messages of updates to many hosts. What it has encoded of a
// record it keeps for a while, because most hosts are told the same of it: a
// record that two updates share, as the same pointer, is encoded once. It is safe
// for concurrent use.
type Encoder struct {
	mu sync.Mutex
	// young has what was used since it was begun, old what was used before: both
	// by the pointer to the record.
	young, old map[any][]byte
	begun      time.Time
}

// Parts gives what Update.Parts gives. The records are in the messages in their
// encoded form: they show when a message is marshalled and read again. A message
// is good until the next one is asked for.
func (e *Encoder) Parts(u *Update, limit int, skipped func(Rejected)) iter.Seq[*pb.Update] {
	return func(yield func(*pb.Update) bool) {
		e.turn(time.Now())
		part, size := u.newPart(), 0
		raw := make([]byte, 0, min(limit+limit/8, 256*u.Len()))
		// next ends the part and begins another.
		next := func() bool {
			part.More = true
			part.ProtoReflect().SetUnknown(raw)
			if !yield(part) {
				return false
			}
			part, size, raw = u.newPart(), 0, raw[:0]
			return true
		}
		for _, c := range collections {
			for record := range c.encoded(u, e, skipped) {
				if size >= limit && !next() {
					return
				}
				raw, size = append(raw, record...), size+len(record)
			}
		}
		for put := range u.deletions() {
			if size >= limit && !next() {
				return
			}
			size += put(part)
		}
		part.ProtoReflect().SetUnknown(raw)
		yield(part)
	}
}

// turn begins a new generation when it is time.
func (e *Encoder) turn(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.young == nil || len(e.young) >= generation || now.Sub(e.begun) > generationTime {
		e.young, e.old, e.begun = map[any][]byte{}, e.young, now
	}
}

func (e *Encoder) kept(rec any) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, ok := e.young[rec]
	if !ok {
		if b, ok = e.old[rec]; ok {
			e.young[rec] = b
		}
	}
	return b
}

func (e *Encoder) keep(rec any, b []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.young[rec] = b
}

// encoded gives each record as the field of an Update message that it is.
func (k *kind[T, M]) encoded(u *Update, e *Encoder, skipped func(Rejected)) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, rec := range *k.in(u) {
			b := e.kept(rec)
			if b == nil {
				var err error
				if b, err = k.encode(rec); err != nil {
					if skipped != nil {
						skipped(Rejected{Kind: k.name, ID: k.id(rec), Err: err})
					}
					continue
				}
				e.keep(rec, b)
			}
			if !yield(b) {
				return
			}
		}
	}
}

func (k *kind[T, M]) encode(rec *T) ([]byte, error) {
	m, err := k.encoder(rec)
	if err != nil {
		return nil, err
	}
	size := proto.Size(m)
	b := make([]byte, 0, size+protowire.SizeTag(1<<6)+protowire.SizeVarint(uint64(size)))
	b = protowire.AppendTag(b, fieldNumbers[m.ProtoReflect().Descriptor().FullName()], protowire.BytesType)
	return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(protowire.AppendVarint(b, uint64(size)), m)
}

// fieldNumbers are those of Update's fields of records, by their messages' names.
var fieldNumbers = func() map[protoreflect.FullName]protowire.Number {
	all := map[protoreflect.FullName]protowire.Number{}
	fields := (&pb.Update{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); f.IsList() && f.Message() != nil {
			all[f.Message().FullName()] = f.Number()
		}
	}
	return all
}()
