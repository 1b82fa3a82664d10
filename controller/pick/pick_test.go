package pick

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestEveryNumberOfARangeIsFoundOnceAndThenNoneIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(0, 300).Draw(t, "size")
		window := rapid.Uint64Range(0, 400).Draw(t, "window")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)).Uint64N
		used := map[uint64]bool{}
		for range size {
			n, ok := Free(size, window, func(n uint64) bool { return used[n] }, random)
			if !ok {
				t.Fatalf("nothing found with %d of %d taken", len(used), size)
			}
			if n >= size || used[n] {
				t.Fatalf("found %d, size %d, taken before: %v", n, size, used[n])
			}
			used[n] = true
		}
		if n, ok := Free(size, window, func(n uint64) bool { return used[n] }, random); ok {
			t.Fatalf("found %d in a full range of %d", n, size)
		}
	})
}

func TestLowNumbersArePreferred(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)).Uint64N
	for range 1000 {
		n, ok := Free(math.MaxUint64, 1024, func(uint64) bool { return false }, random)
		if !ok || n >= 1024 {
			t.Fatalf("found %d (%v) in an empty range, want one below 1024", n, ok)
		}
	}
}

func TestAHugeRangeWithItsWindowsFullIsStillCheap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)).Uint64N
	asked := 0
	n, ok := Free(math.MaxUint64, 1024, func(n uint64) bool { asked++; return n < 1<<40 }, random)
	if !ok || n < 1<<40 || asked > 200 {
		t.Fatalf("found %d (%v) after %d questions", n, ok, asked)
	}
}

func BenchmarkFreeInARangeThatIsNinetyNinePercentFull(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2)).Uint64N
	const size = 16_777_215
	for b.Loop() {
		Free(size, 0, func(n uint64) bool { return n%100 != 7 }, random)
	}
}
