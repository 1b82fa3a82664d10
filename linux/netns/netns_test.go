package netns_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
)

func TestANamespaceIsMadeOnceAndIsSeenByIPNetns(t *testing.T) {
	name := linuxtest.Name(t)
	made, err := netns.Ensure(name, linuxtest.Owner)
	if err != nil || !made {
		t.Fatalf("first: made %v, %v", made, err)
	}
	before, err := os.Stat(netns.Path(name))
	if err != nil {
		t.Fatal(err)
	}
	if made, err = netns.Ensure(name, linuxtest.Owner); err != nil || made {
		t.Fatalf("second: made %v, %v", made, err)
	}
	after, err := os.Stat(netns.Path(name))
	if err != nil || !os.SameFile(before, after) {
		t.Fatalf("it is another namespace: %v", err)
	}
	if out := linuxtest.Run(t, name, "ip", "link", "show", "lo"); !strings.Contains(out, "UP") {
		t.Fatalf("loopback is not up: %s", out)
	}
	if names, err := netns.List(name); err != nil || len(names) != 1 {
		t.Fatalf("listed as %v, %v", names, err)
	}
}

func TestANamespaceOfAnotherOwnerIsLeftAlone(t *testing.T) {
	name := linuxtest.Namespace(t)
	if _, err := netns.Ensure(name, "somebody"); !errors.Is(err, netns.ErrForeign) {
		t.Errorf("Ensure: %v", err)
	}
	if err := netns.Delete(name, "somebody"); !errors.Is(err, netns.ErrForeign) {
		t.Errorf("Delete: %v", err)
	}
	if owner, exists, err := netns.Owner(name); err != nil || !exists || owner != linuxtest.Owner {
		t.Errorf("owner %q, %v, %v", owner, exists, err)
	}
}

func TestWhatADeadMakerLeftIsFinished(t *testing.T) {
	name := linuxtest.Name(t)
	// A file on which nothing is mounted.
	if err := os.WriteFile(netns.Path(name), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if _, exists, err := netns.Owner(name); err != nil || exists {
		t.Fatalf("a bare file is a namespace: %v, %v", exists, err)
	}
	if made, err := netns.Ensure(name, linuxtest.Owner); err != nil || !made {
		t.Fatalf("made %v, %v", made, err)
	}
	// A namespace without an owner.
	linuxtest.Run(t, name, "ip", "link", "set", "lo", "alias", "")
	if made, err := netns.Ensure(name, linuxtest.Owner); err != nil || !made {
		t.Fatalf("made %v, %v", made, err)
	}
}

func TestDeletingANamespaceTwiceIsFine(t *testing.T) {
	name := linuxtest.Namespace(t)
	for range 2 {
		if err := netns.Delete(name, linuxtest.Owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := netns.Do(name, func() error { return nil }); !errors.Is(err, netns.ErrNotExist) {
		t.Fatalf("entering it: %v", err)
	}
}

func TestDoRunsInsideAndComesBack(t *testing.T) {
	name := linuxtest.Namespace(t)
	own, _ := os.Readlink("/proc/thread-self/ns/net")
	for range 50 {
		var inside string
		if err := netns.Do(name, func() (err error) {
			inside, err = os.Readlink("/proc/thread-self/ns/net")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if inside == own {
			t.Fatal("not inside")
		}
	}
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if at, err := os.Readlink(task); err == nil && at != own {
			t.Errorf("%s stayed in %s", task, at)
		}
	}
}

func TestNamesThatAreNoFileAreRefused(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "../x", strings.Repeat("x", 256)} {
		if _, err := netns.Ensure(name, "x"); err == nil {
			t.Errorf("%q was taken", name)
		}
		if err := netns.Delete(name, "x"); err == nil {
			t.Errorf("%q was deleted", name)
		}
	}
}

func TestALinkMovesToAnotherNamespace(t *testing.T) {
	a, b := linuxtest.Namespace(t), linuxtest.Namespace(t)
	linuxtest.Run(t, a, "ip", "link", "add", "x0", "type", "veth", "peer", "name", "x1")
	if err := netns.MoveLink("x1", a, b); err != nil {
		t.Fatal(err)
	}
	for ns, want := range map[string]bool{a: false, b: true} {
		if has, err := netns.HasLink(ns, "x1"); err != nil || has != want {
			t.Errorf("%s has it: %v, %v", ns, has, err)
		}
	}
}

func TestALinkIsFetchedOnceSomebodyHasMadeIt(t *testing.T) {
	from, to := linuxtest.Namespace(t), linuxtest.Namespace(t)
	fetch := func(patience time.Duration) (bool, error) {
		return netns.FetchLink(t.Context(), "x1", from, to, patience)
	}
	if moved, err := fetch(20 * time.Millisecond); moved || !errors.Is(err, netns.ErrNotMade) {
		t.Errorf("before it is made: %v, %v", moved, err)
	}
	made := time.AfterFunc(50*time.Millisecond, func() {
		linuxtest.Run(t, from, "ip", "link", "add", "x0", "type", "veth", "peer", "name", "x1")
	})
	defer made.Stop()
	if moved, err := fetch(10 * time.Second); !moved || err != nil {
		t.Fatalf("made meanwhile: %v, %v", moved, err)
	}
	if moved, err := fetch(0); moved || err != nil {
		t.Errorf("it is there: %v, %v", moved, err)
	}
	// A switch that starts again makes a new one, and the old one is in the way.
	linuxtest.Run(t, from, "ip", "link", "add", "y0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "x1")
	if moved, err := fetch(0); !moved || err != nil {
		t.Fatalf("made anew: %v, %v", moved, err)
	}
	if has, err := netns.HasLink(from, "x0"); err != nil || has {
		t.Errorf("the old one is still there: %v, %v", has, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := netns.FetchLink(ctx, "z1", from, to, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
}

func TestADeletedLinkIsGone(t *testing.T) {
	a, b := linuxtest.Namespace(t), linuxtest.Namespace(t)
	linuxtest.Veth(t, a, "x0", b, "x1")
	if has, err := netns.HasLink(a, "x0"); err != nil || !has {
		t.Fatalf("HasLink: %v, %v", has, err)
	}
	if err := netns.DeleteLink(a, "x0"); err != nil {
		t.Fatal(err)
	}
	if has, err := netns.HasLink(b, "x1"); err != nil || has {
		t.Fatalf("the other end is still there: %v, %v", has, err)
	}
	if err := netns.DeleteLink(a, "x0"); err != nil {
		t.Fatal(err)
	}
}

func TestOfManyWhoMakeANamespaceOneDoes(t *testing.T) {
	name := linuxtest.Name(t)
	var made, foreign atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			owner := linuxtest.Owner
			if i%2 == 1 {
				owner = "another"
			}
			did, err := netns.Ensure(name, owner)
			switch {
			case errors.Is(err, netns.ErrForeign):
				foreign.Add(1)
			case err != nil:
				t.Error(err)
			case did:
				made.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 || foreign.Load() != 4 {
		t.Errorf("%d made it, to %d it was foreign", made.Load(), foreign.Load())
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Count(string(mounts), name+" ") != 1 {
		t.Errorf("%d are mounted, %v", strings.Count(string(mounts), name+" "), err)
	}
	if owner, _, _ := netns.Owner(name); owner != linuxtest.Owner {
		linuxtest.Run(t, name, "ip", "link", "set", "lo", "alias", linuxtest.Owner)
	}
}
