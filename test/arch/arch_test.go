package arch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lepton-sdn/lepton"

// arrows says what each room may import of the module: the whole table of
// allowed arrows. A room is a package with everything below it; the longest
// match counts, and a room may always import itself. Whatever is not here has
// no place yet.
var arrows = map[string][]string{
	// Leaves: each knows its own subject and nothing of its callers.
	"config":    {},
	"flows":     {},
	"linux":     {},
	"model":     {},
	"ovsdb":     {},
	"neutron":   {},
	"pki":       {},
	"store":     {"pki"},
	"telemetry": {},
	"web":       {},

	"program": {"telemetry"},

	"pipeline": {"model", "flows"},
	"rpc":      {"model"},

	// The controller never touches a kernel or a switch.
	"controller": {"config", "flows", "model", "pipeline", "pki", "rpc", "store", "telemetry", "web"},
	// The agent never touches the store.
	"agent": {"config", "flows", "flows/ofp", "linux", "model", "ovsdb", "pipeline", "pki", "rpc", "telemetry"},
	// What an operator looks at on a host.
	"inspect": {"agent", "flows", "flows/ofp", "model", "ovsdb", "pipeline", "rpc"},
	// The lab runs the real programs, so it imports none of their parts.
	"lab": {"config", "model", "pki"},

	"cmd":  {"agent", "config", "controller", "flows", "inspect", "lab", "model", "neutron", "pipeline", "pki", "program", "rpc", "telemetry"},
	"test": {"*"},
}

// exact are rooms inside a room that is a leaf to others: an arrow to flows
// does not reach flows/ofp, which speaks to switches.
var exact = []string{"flows/ofp"}

// onlyForTests are packages that help tests; no program may hold them.
var onlyForTests = []string{"linux/linuxtest", "ovsdb/ovsdbtest", "store/storetest", "test"}

// emptyNames say nothing about what a package is for.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base"}

type pkg struct {
	ImportPath, Name, Doc string
	Imports, GoFiles      []string
}

// packages lists the module's packages.
func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports,GoFiles", module+"/...").Output()
	if err != nil {
		var ee *exec.ExitError
		if errors.As(err, &ee) {
			t.Fatalf("go list: %v: %s", err, ee.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// room gives the room of a package, by its path inside the module; "" when it
// has none.
func room(rel string) string {
	for p := rel; p != "." && p != "/"; p = path.Dir(p) {
		if _, ok := arrows[p]; ok || slices.Contains(exact, p) {
			return p
		}
	}
	return ""
}

// check says what is wrong with an import of the module's own; "" when nothing.
func check(from, to string) string {
	fromRoom, toRoom := room(from), room(to)
	if fromRoom == "" {
		return fmt.Sprintf("%s has no room: write down in the table what it may import", from)
	}
	for _, dir := range onlyForTests {
		if below(to, dir) && !below(from, dir) && !below(from, "test") {
			return fmt.Sprintf("%s imports %s, which is for tests", from, to)
		}
	}
	// A room inside another one, such as flows/ofp, may use what it is part of.
	if fromRoom == toRoom || strings.HasPrefix(fromRoom, toRoom+"/") {
		return ""
	}
	allowed := arrows[fromRoom]
	if slices.Contains(allowed, "*") || slices.Contains(allowed, toRoom) {
		return ""
	}
	return fmt.Sprintf("%s imports %s: no arrow leads from %s to %s", from, to, fromRoom, toRoom)
}

func below(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

func TestImportsPointDownOnly(t *testing.T) {
	all := packages(t)
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	for _, p := range all {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imp := range p.Imports {
			if to, own := strings.CutPrefix(imp, module+"/"); own {
				if wrong := check(from, to); wrong != "" {
					t.Error(wrong)
				}
			}
		}
	}
}

func TestPackagesHaveANameAndAComment(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains(emptyNames, path.Base(p.ImportPath)) || slices.Contains(emptyNames, p.Name) {
			t.Errorf("%s: the name says nothing about what the package is for", p.ImportPath)
		}
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func TestCheckKnowsForbiddenArrows(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		ok       bool
	}{
		{"pipeline", "flows", true},
		{"flows/ofp", "flows", true},
		{"agent/wire", "flows/ofp", true},
		{"controller/api", "controller/records", true},
		{"cmd/leptonctl", "lab", true},
		{"test/e2e", "lab", true},
		{"ovsdb/ovsdbtest", "ovsdb", true},
		{"flows", "pipeline", false},
		{"flows", "flows/ofp", false},
		{"pipeline", "flows/ofp", false},
		{"controller/api", "flows/ofp", false},
		{"controller", "ovsdb", false},
		{"controller", "linux", false},
		{"agent/wire", "store", false},
		{"model", "config", false},
		{"agent", "controller", false},
		{"agent", "ovsdb/ovsdbtest", false},
		{"lab", "agent", false},
		{"cmd/lepton-agent", "test/ovstest", false},
		{"somewhere", "model", false},
	} {
		t.Run(tc.from+" to "+tc.to, func(t *testing.T) {
			if wrong := check(tc.from, tc.to); (wrong == "") != tc.ok {
				t.Fatalf("verdict %q", wrong)
			}
		})
	}
}
