package faults

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// soaking reports whether the faults are tried for longer, as `make soak` asks.
func soaking() bool { return os.Getenv("LEPTON_SOAK") != "" }

// rounds gives how often a fault is tried.
func rounds(short, long int) int {
	if soaking() {
		return long
	}
	return short
}

// lasting gives how long something random goes on: LEPTON_SOAK is a duration.
func lasting(t testing.TB, short time.Duration) time.Duration {
	t.Helper()
	if !soaking() {
		return short
	}
	d, err := time.ParseDuration(os.Getenv("LEPTON_SOAK"))
	if err != nil {
		t.Fatalf("LEPTON_SOAK: %v", err)
	}
	return d
}

// chance gives the source of random choices, whose seed is printed: LEPTON_SEED
// repeats it.
func chance(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("LEPTON_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("LEPTON_SEED: %v", err)
		}
	}
	t.Logf("random choices with LEPTON_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
