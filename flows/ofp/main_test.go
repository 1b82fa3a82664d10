package ofp

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/lepton-sdn/lepton/flows"
)

var update = flag.Bool("update", false, "write the golden files and captured messages anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rulesOf reads a file of flows as ovs-ofctl prints or accepts them.
func rulesOf(t testing.TB, path string) []flows.Rule {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := flows.ParseRules(string(text), flows.ParseOptions{})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rules
}

// captured gives messages of a real switch, by name. TestCapture writes them.
func captured(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/messages/*.bin")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captured messages: %v", err)
	}
	all := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = b
	}
	return all
}
