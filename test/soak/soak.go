// Package soak says for how long faults are tried: in `make test` each a few times,
// in `make soak` for as long as LEPTON_SOAK says, with a seed that is printed and
// that LEPTON_SEED repeats.
package soak

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// Soaking reports whether the faults are tried for longer, as `make soak` asks.
func Soaking() bool { return os.Getenv("LEPTON_SOAK") != "" }

// Rounds gives how often a fault is tried.
func Rounds(short, long int) int {
	if Soaking() {
		return long
	}
	return short
}

// Lasting gives how long something random goes on: LEPTON_SOAK is a duration.
func Lasting(t testing.TB, short time.Duration) time.Duration {
	t.Helper()
	if !Soaking() {
		return short
	}
	d, err := time.ParseDuration(os.Getenv("LEPTON_SOAK"))
	if err != nil {
		t.Fatalf("LEPTON_SOAK: %v", err)
	}
	return d
}

// Chance gives the source of random choices, whose seed is printed: LEPTON_SEED
// repeats it.
func Chance(t testing.TB) *rand.Rand {
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
