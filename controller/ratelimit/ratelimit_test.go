package ratelimit

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestABucketGivesItsBurstAndThenItsRate(t *testing.T) {
	l := New(Limit{PerSecond: 10, Burst: 5}, 10)
	at := time.Unix(1000, 0)
	count := func() (n int) {
		for range 100 {
			if _, wait := l.Take("a", at); wait == 0 {
				n++
			} else if wait < 0 || wait > 100*time.Millisecond {
				t.Fatalf("wait %s", wait)
			}
		}
		return n
	}
	if n := count(); n != 5 {
		t.Errorf("at once: %d", n)
	}
	if at = at.Add(time.Second / 2); count() != 5 {
		t.Error("half a second later there are not 5")
	}
	if _, wait := l.Take("b", at); wait != 0 {
		t.Error("another client waits too")
	}
	if at = at.Add(-time.Hour); count() != 0 {
		t.Error("a clock that goes back gives tokens")
	}
}

func TestManyClientsCostBoundedMemory(t *testing.T) {
	l := New(Limit{PerSecond: 1, Burst: 1}, 100)
	at := time.Unix(1000, 0)
	for i := range 10_000 {
		l.Take(fmt.Sprint(i), at)
		l.Take("busy", at)
	}
	if len(l.all) != 100 || l.order.Len() != 100 {
		t.Errorf("%d and %d are remembered", len(l.all), l.order.Len())
	}
	if _, wait := l.Take("busy", at); wait == 0 {
		t.Error("who asks all the time was forgotten")
	}
}

func TestPlacesComeBack(t *testing.T) {
	l := New(Limit{PerSecond: 1000, Burst: 1000}, 1)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for range 100 {
				b, _ := l.Take(fmt.Sprint(i%2), time.Now()) // one is forgotten for the other
				if l.Occupy(b, 3) {
					l.Vacate(b)
				}
			}
		})
	}
	all.Wait()
	b, _ := l.Take("last", time.Now())
	for i := range 4 {
		if got := l.Occupy(b, 3); got != (i < 3) {
			t.Errorf("place %d: %t", i, got)
		}
	}
}
