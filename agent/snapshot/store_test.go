package snapshot_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/agent/snapshot"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

var owner = snapshot.Owner{Host: "hv1", Instance: "one"}

func id(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

func network(n int, rev int64) *model.Network {
	return &model.Network{
		Meta: model.Meta{ID: id(n), Revision: rev}, AdminStateUp: true, MTU: 1450,
		Segment: model.Segment{Type: model.VXLAN, ID: uint32(n)},
	}
}

// steps makes updates, the first one full.
func steps(t *rapid.T) []rpc.Update {
	var out []rpc.Update
	for i := range rapid.IntRange(1, 12).Draw(t, "updates") {
		rev := int64(i + 1)
		u := rpc.Update{
			Full: i == 0 || rapid.IntRange(0, 5).Draw(t, "full") == 0, Revision: rev,
			Settings: rpc.Settings{L2Population: true, DNSDomain: "cloud.example"},
		}
		for n := range 6 {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				u.Networks = append(u.Networks, network(n+1, rev))
			case 1:
				if !u.Full {
					u.Delete(rpc.KindNetwork, id(n+1))
				}
			}
		}
		out = append(out, u)
	}
	return out
}

// put writes an update as the agent does.
func put(t interface{ Fatal(...any) }, s *snapshot.Store, u *rpc.Update) {
	var err error
	if u.Full {
		err = s.Replace(u)
	} else {
		err = s.Append(u)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func load(t interface{ Fatal(...any) }, path string) *rpc.Update {
	u, err := snapshot.New(path, owner).Load()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

var withoutTime = cmpopts.IgnoreFields(rpc.Update{}, "Stored")

func TestWhatIsLoadedIsWhatTheUpdatesAddUpTo(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "records")
		s := snapshot.New(path, owner)
		defer s.Close()
		var want rpc.State
		for _, u := range steps(t) {
			put(t, s, &u)
			want.Apply(&u)
		}
		if diff := cmp.Diff(want.Full(), load(t, path), withoutTime); diff != "" {
			t.Fatal(diff)
		}
	})
}

// A machine may stop within a write: whatever is left is the records as they
// were after one of the updates, or refused.
func TestAFileThatIsCutAnywhereGivesAnEarlierState(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "records")
		s := snapshot.New(path, owner)
		defer s.Close()
		var known []*rpc.Update
		var state rpc.State
		for _, u := range steps(t) {
			if u.Full {
				known = nil
			}
			put(t, s, &u)
			state.Apply(&u)
			known = append(known, state.Full())
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.IntRange(0, len(whole)).Draw(t, "cut")
		zeros := rapid.IntRange(0, 20).Draw(t, "zeros")
		if err := os.WriteFile(path, append(whole[:at:at], make([]byte, zeros)...), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := snapshot.New(path, owner).Load()
		if errors.Is(err, snapshot.ErrUnusable) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range known {
			if cmp.Equal(k, got, withoutTime) {
				return
			}
		}
		t.Fatalf("cut at %d of %d: %+v was never the state", at, len(whole), got)
	})
}

func TestADamagedByteMakesTheFileUseless(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	s := snapshot.New(path, owner)
	defer s.Close()
	put(t, s, &rpc.Update{Full: true, Revision: 1, Networks: []*model.Network{network(1, 1)}})
	put(t, s, &rpc.Update{Revision: 2, Networks: []*model.Network{network(2, 2)}})
	put(t, s, &rpc.Update{Revision: 3, Networks: []*model.Network{network(3, 3)}})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := 0
	for at := range whole {
		bad := []byte(string(whole))
		bad[at] ^= 0x40
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		u, err := snapshot.New(path, owner).Load()
		switch {
		case errors.Is(err, snapshot.ErrUnusable):
		case err == nil && u.Revision < 3: // a length that now reaches past the end
			torn++
		default:
			t.Errorf("byte %d: %+v, %v", at, u, err)
		}
	}
	if torn > 16 {
		t.Errorf("%d of %d damaged bytes pass for the end of the file", torn, len(whole))
	}
}

func TestRecordsOfOthersAndOfOtherVersionsAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	s := snapshot.New(path, owner)
	defer s.Close()
	put(t, s, &rpc.Update{Full: true, Revision: 1})
	for _, tc := range []struct {
		name    string
		owner   snapshot.Owner
		content string // "": as it is
		want    string
	}{
		{"another host", snapshot.Owner{Host: "hv2", Instance: "one"}, "", `are of host "hv1", instance "one"; this is host "hv2"`},
		{"another instance", snapshot.Owner{Host: "hv1", Instance: "two"}, "", `instance "one"; this is host "hv1", instance "two"`},
		{"a later version", owner, "lepton-records 2\nsomething", `begins with "lepton-records 2\n" instead of "lepton-records 1\n"`},
		{"something else", owner, "#!/bin/sh", `begins with "#!/bin/sh"`},
		{"nothing in it", owner, "\x00", "begins with"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := path
			if tc.content != "" {
				file = filepath.Join(t.TempDir(), "records")
				if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := snapshot.New(file, tc.owner).Load()
			if !errors.Is(err, snapshot.ErrUnusable) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), file) {
				t.Fatalf("error %v, want %q and the path", err, tc.want)
			}
		})
	}
	if _, err := snapshot.New(path+"x", owner).Load(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestWhatIsWrittenIsInProportionToTheChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	s := snapshot.New(path, owner)
	defer s.Close()
	if !s.Due() {
		t.Error("a store without a full update does not ask for one")
	}
	full := &rpc.Update{Full: true, Revision: 1}
	for n := range 20000 {
		full.Networks = append(full.Networks, network(n+1, 1))
	}
	put(t, s, full)
	base := s.Size()
	put(t, s, &rpc.Update{Revision: 2, Networks: []*model.Network{network(1, 2)}})
	if grown := s.Size() - base; grown < 20 || grown > 300 {
		t.Errorf("one record of 20000 changed: %d bytes of %d written", grown, base)
	}
	rev := int64(2)
	for !s.Due() {
		rev++
		put(t, s, &rpc.Update{Revision: rev, Networks: full.Networks[:1000]})
		if rev > 100 {
			t.Fatalf("%d bytes of differences to %d bytes, and no full update is due", s.Size()-base, base)
		}
	}
	if s.Size() < 2*base {
		t.Errorf("a full update of %d bytes is due after %d bytes of differences", base, s.Size()-base)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != s.Size() {
		t.Errorf("the file has %v bytes (%v), the store says %d", info.Size(), err, s.Size())
	}
}

func TestTheTimeIsWhenTheRecordsWereLastConfirmed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	s := snapshot.New(path, owner)
	defer s.Close()
	put(t, s, &rpc.Update{Full: true, Revision: 1})
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	if err := s.Confirm(at); err != nil {
		t.Fatal(err)
	}
	if got := load(t, path).Stored; !got.Equal(at) {
		t.Errorf("stored at %s, confirmed at %s", got, at)
	}
}

func FuzzLoad(f *testing.F) {
	path := filepath.Join(f.TempDir(), "records")
	s := snapshot.New(path, owner)
	put(f, s, &rpc.Update{Full: true, Revision: 1, Networks: []*model.Network{network(1, 1)}})
	put(f, s, &rpc.Update{Revision: 2, Deleted: rpc.Refs{Networks: []string{id(1)}}})
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte("lepton-records 1\n\x00\x00\x00\x02\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := filepath.Join(t.TempDir(), "records")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		u, err := snapshot.New(file, owner).Load()
		if err != nil && !errors.Is(err, snapshot.ErrUnusable) || err == nil && (!u.Full || u.Stored.IsZero()) {
			t.Fatalf("%+v, %v", u, err)
		}
	})
}
