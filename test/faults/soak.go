package faults

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/soak"
)

func rounds(short, long int) int { return soak.Rounds(short, long) }

func lasting(t testing.TB, short time.Duration) time.Duration {
	t.Helper()
	return soak.Lasting(t, short)
}

func chance(t testing.TB) *rand.Rand {
	t.Helper()
	return soak.Chance(t)
}
