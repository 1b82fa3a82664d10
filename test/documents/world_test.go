package documents

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/test/machine"
)

// world is a machine of its own, on which the lab has the name and the place
// that the documents give it.
type world struct {
	*testing.T
	m   *machine.Machine
	top string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	top, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"leptonctl", "lepton-controller", "lepton-agent"} {
		if _, err := os.Stat(filepath.Join(top, "bin", program)); err != nil {
			t.Fatalf("%v: make build", err)
		}
	}
	w := &world{t, machine.Boot(t, machine.Options{Name: "desk", Shares: map[string]string{top: top}}), top}
	// Who tells this machine that it has the kernel's datapath is not right here.
	w.m.Run("! mountpoint -q /sys/module || umount /sys/module")
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := w.here("bin/leptonctl lab status; grep -h ERROR /run/lepton/labs/*/*/*.log")
			t.Log(out)
		}
	})
	return w
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// here types commands into a shell in the top directory of the repository.
func (w *world) here(commands string) (string, error) {
	return w.m.Try(fmt.Sprintf("cd %s && export PYTHONWARNINGS=ignore PATH=$PWD/bin:$PATH && set -e\n%s", quoted(w.top), commands))
}

// at types commands on a host or in a guest.
func (w *world) at(place, commands string) (string, error) {
	return w.here("leptonctl lab exec " + place + " -- bash -c " + quoted("cd; set -e -o pipefail\n"+commands))
}

// shell types commands into a lab's shell, whose prompt the documents show.
func (w *world) shell(place, commands string) (string, error) {
	return w.here("bin/leptonctl lab shell " + place + " <<'END' 2>&1\nset -e\n" + commands + "\nEND\n")
}

func (w *world) must(out string, err error) string {
	w.Helper()
	if err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	return out
}

// get reads a resource of the lab's API.
func (w *world) get(path string, into any) {
	w.Helper()
	out := w.must(w.at("net1", "curl -sSf "+quoted("http://127.0.0.1:9696"+path)))
	if err := json.Unmarshal([]byte(out), into); err != nil {
		w.Fatalf("%s: %v\n%s", path, err, out)
	}
}

// id is that of the only object of a name.
func (w *world) id(collection, name string) string {
	w.Helper()
	var answer map[string][]struct{ ID string }
	w.get("/v2.0/"+collection+"?fields=id&name="+name, &answer)
	if found := answer[strings.ReplaceAll(collection, "-", "_")]; len(found) == 1 {
		return found[0].ID
	}
	w.Fatalf("%s %s: %v", collection, name, answer)
	return ""
}
