// Package pick finds a free number in a range without keeping any state of its
// own.
//
// Addresses and segment ids are taken by keys in the store, so "is n taken" is
// one look-up. A few random tries find a free number at once unless the range
// is nearly full; then the range is walked from a random place. The walk ends
// after at most one step more than there are taken numbers, so a range of 2⁶³
// costs no more than a small one. Randomness keeps concurrent requests, and
// controllers that do not know of each other, from choosing the same number.
package pick

// Random gives a uniform number in [0, n); n is at least 1.
type Random func(n uint64) uint64

const (
	probes = 6  // random tries per window
	growth = 64 // each window is that many times the one before
)

// Free gives a number in [0, size) for which taken says no; false when there is
// none. Numbers below window are preferred, then those below 64 windows, and so
// on; a window of 0 prefers nothing.
func Free(size, window uint64, taken func(uint64) bool, random Random) (uint64, bool) {
	if size == 0 {
		return 0, false
	}
	for w := window; w != 0 && w < size; w = grow(w) {
		if n, ok := probe(w, taken, random); ok {
			return n, true
		}
	}
	if n, ok := probe(size, taken, random); ok {
		return n, true
	}
	return walk(size, taken, random(size))
}

func grow(w uint64) uint64 {
	if w > 1<<57 {
		return 0
	}
	return w * growth
}

func probe(w uint64, taken func(uint64) bool, random Random) (uint64, bool) {
	for range probes {
		if n := random(w); !taken(n) {
			return n, true
		}
	}
	return 0, false
}

func walk(size uint64, taken func(uint64) bool, start uint64) (uint64, bool) {
	for n := start; n < size; n++ {
		if !taken(n) {
			return n, true
		}
	}
	for n := uint64(0); n < start; n++ {
		if !taken(n) {
			return n, true
		}
	}
	return 0, false
}
