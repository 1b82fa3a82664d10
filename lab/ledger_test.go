package lab

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"testing"
)

func TestLedgerLosesNoChangeOfManyWriters(t *testing.T) {
	led := ledger{t.TempDir()}
	if err := led.write(State{Mark: "m", Plan: &Plan{}}); err != nil {
		t.Fatal(err)
	}
	const writers = 20
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			err := led.update(func(s *State) error {
				s.Namespaces = append(s.Namespaces, strconv.Itoa(i))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := led.read()
	if err != nil || len(s.Namespaces) != writers || s.Mark != "m" {
		t.Fatalf("%d changes, mark %q, error %v", len(s.Namespaces), s.Mark, err)
	}
}

func TestLedgerKeepsTheOldStateWhenAChangeFails(t *testing.T) {
	led := ledger{t.TempDir()}
	if err := led.write(State{Mark: "m"}); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	if err := led.update(func(s *State) error { s.Mark = "other"; return boom }); !errors.Is(err, boom) {
		t.Fatalf("error %v", err)
	}
	if s, err := led.read(); err != nil || s.Mark != "m" {
		t.Fatalf("mark %q, error %v", s.Mark, err)
	}
}

func TestHoldIsAloneOrShared(t *testing.T) {
	led := ledger{t.TempDir()}
	up, err := led.hold(true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := led.hold(false); !errors.Is(err, ErrBusy) {
		t.Fatalf("a second holder gets %v", err)
	}
	up()
	for range 2 {
		release, err := led.hold(false)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
	if _, err := led.hold(true); !errors.Is(err, ErrBusy) {
		t.Fatalf("an exclusive holder beside shared ones gets %v", err)
	}
}

func TestNICsComeAndGo(t *testing.T) {
	s := State{
		Namespaces: []string{"l-a", "l-b"},
		Guests: []Guest{
			{Name: "a", Namespace: "l-a", NICs: []NIC{{Port: "1", Link: "eth0"}, {Port: "2", Link: "eth1"}}},
			{Name: "b", Namespace: "l-b", NICs: []NIC{{Port: "3", Link: "eth0"}}},
		},
	}
	if _, _, err := s.nic("a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a guest's name stands for one of its two ports: %v", err)
	}
	if _, n, err := s.nic("b"); err != nil || n.Port != "3" {
		t.Errorf("a guest's name does not stand for its only port: %v", err)
	}
	s.dropNIC("1")
	if got := freeLink(s.guest("a").NICs); got != "eth0" {
		t.Errorf("the free link is %s", got)
	}
	s.dropNIC("2")
	s.dropNIC("2")
	if s.guest("a") != nil || len(s.Namespaces) != 1 || s.Namespaces[0] != "l-b" {
		t.Errorf("left are %+v", s)
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	if _, err := Open("none", t.TempDir()); !errors.Is(err, ErrNotFound) {
		t.Fatalf("error %v", err)
	}
	names, err := List(t.TempDir())
	if err != nil || len(names) != 0 {
		t.Fatalf("labs %v, error %v", names, err)
	}
	if os.Geteuid() == 0 {
		if err := Down(t.Context(), "none", t.TempDir()); err != nil {
			t.Fatalf("taking down what is not there: %v", err)
		}
	}
}
