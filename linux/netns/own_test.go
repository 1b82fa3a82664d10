package netns_test

import (
	"errors"
	"testing"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
)

func TestOfSeveralNamesAnOwnerHasTheFirstThatIsFreeAndKeepsIt(t *testing.T) {
	const other = "lepton test, another agent"
	long, short := linuxtest.Name(t), linuxtest.Name(t)
	names := []string{short, long}
	if own, err := netns.Own(linuxtest.Owner, names...); err != nil || own != "" {
		t.Fatalf("before: %q, %v", own, err)
	}
	if _, err := netns.Ensure(short, other); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = netns.Delete(short, other) }()
	for _, made := range []bool{true, false} {
		if name, did, err := netns.EnsureOwn(linuxtest.Owner, names...); err != nil || name != long || did != made {
			t.Fatalf("%q, made %v, %v", name, did, err)
		}
	}
	if n, err := netns.DeleteOwn(other, names...); err != nil || n != 1 {
		t.Fatalf("the other's: %d, %v", n, err)
	}
	if name, did, err := netns.EnsureOwn(linuxtest.Owner, names...); err != nil || name != long || did {
		t.Errorf("when the first name is free: %q, made %v, %v", name, did, err)
	}
	if n, err := netns.DeleteOwn(linuxtest.Owner, names...); err != nil || n != 1 {
		t.Errorf("its own: %d, %v", n, err)
	}
	if name, did, err := netns.EnsureOwn(linuxtest.Owner, names...); err != nil || name != short || !did {
		t.Errorf("when it has none: %q, made %v, %v", name, did, err)
	}
}

func TestWhereOthersHaveAllTheNamesNoNamespaceIsMade(t *testing.T) {
	names := []string{linuxtest.Namespace(t), linuxtest.Namespace(t)}
	if name, did, err := netns.EnsureOwn("lepton test, another agent", names...); !errors.Is(err, netns.ErrForeign) || name != "" || did {
		t.Errorf("%q, made %v, %v", name, did, err)
	}
	if n, err := netns.DeleteOwn("lepton test, another agent", names...); err != nil || n != 0 {
		t.Errorf("deleted %d, %v", n, err)
	}
}
