package mem_test

import (
	"errors"
	"testing"

	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/mem"
	"github.com/lepton-sdn/lepton/store/storetest"
)

func TestTheMemoryStoreIsAStore(t *testing.T) {
	storetest.Run(t, storetest.Subject{
		Open: func(t *testing.T) store.Store {
			s := mem.New()
			t.Cleanup(func() { s.Close() })
			return s
		},
		Again:   func(_ *testing.T, s store.Store) store.Store { return s },
		Compact: func(_ *testing.T, s store.Store) { s.(*mem.Store).Compact() },
	})
}

func TestAFaultLastsUntilItIsLifted(t *testing.T) {
	s := mem.New()
	defer s.Close()
	cause := errors.New("no quorum")
	s.Fail(cause)
	if _, err := s.Head(t.Context()); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, cause) {
		t.Fatalf("head: %v", err)
	}
	s.Fail(nil)
	if _, err := s.Head(t.Context()); err != nil {
		t.Fatalf("head: %v", err)
	}
}
