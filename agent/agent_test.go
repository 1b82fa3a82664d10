package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/ovsdb"
)

func TestTheIdentityOfAnAgentLasts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "instance")
	first, err := lastingID(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uuid.Parse(first); err != nil {
		t.Fatalf("%q is no UUID", first)
	}
	if again, err := lastingID(path); err != nil || again != first {
		t.Fatalf("after a restart it is %q (%v), was %q", again, err, first)
	}
}

func TestADamagedIdentityIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "instance")
	if err := os.WriteFile(path, []byte("half a UU"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := lastingID(path); err != nil || id == "" {
		t.Fatalf("identity %q, error %v", id, err)
	}
}

func TestTheSwitchDialsAListenerOnEveryAddressByLoopback(t *testing.T) {
	for listen, want := range map[string]string{
		"0.0.0.0:6633": "127.0.0.1:6633", ":6633": "127.0.0.1:6633", "[::]:6633": "127.0.0.1:6633",
		"127.0.0.1:6634": "127.0.0.1:6634", "192.0.2.1:6633": "192.0.2.1:6633",
	} {
		if got := controllerTarget(listen); got != want {
			t.Errorf("%s is dialled at %s, want %s", listen, got, want)
		}
	}
}

func TestABridgeIsFoundByItsDatapathID(t *testing.T) {
	s := ovsdb.State{Bridges: map[string]ovsdb.Bridge{"br-int": {Name: "br-int", DatapathID: "0000aabbccddeeff"}}}
	if got := bridgeOf(s, 0xaabbccddeeff); got != "br-int" {
		t.Errorf("found %q", got)
	}
	if got := bridgeOf(s, 1); got != "" {
		t.Errorf("found %q for an unknown id", got)
	}
}

func TestTwoAgentsCannotShareAStateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Fatalf("error %v does not name %s", err, dir)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDir(dir)
	if err != nil {
		t.Fatalf("after the first one ended: %v", err)
	}
	again.Close()
}
