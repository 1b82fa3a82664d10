package rpc

import (
	"errors"
	"testing"
)

func TestOrderTakesEachMessageOnceAndInTurn(t *testing.T) {
	for name, c := range map[string]struct {
		numbers []uint64
		bad     bool
	}{
		"in turn":                        {[]uint64{1, 2, 3}, false},
		"of a sender that counts not":    {[]uint64{0, 0, 0}, false},
		"the first is missing":           {[]uint64{2}, true},
		"one is missing":                 {[]uint64{1, 3}, true},
		"one is doubled":                 {[]uint64{1, 2, 2}, true},
		"two are swapped":                {[]uint64{1, 3, 2}, true},
		"a sender stops counting":        {[]uint64{1, 0}, true},
		"the greatest number has a next": {[]uint64{1, 1<<64 - 1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var o Order
			var err error
			for _, n := range c.numbers {
				if err = o.Check(n); err != nil {
					break
				}
			}
			if errors.Is(err, ErrOrder) != c.bad {
				t.Errorf("%v: %v", c.numbers, err)
			}
		})
	}
}
