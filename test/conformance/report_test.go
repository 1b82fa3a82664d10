package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestTheReportNamesWhatFailedAndWhy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.xml")
	if err := os.WriteFile(path, []byte(`<testsuite errors="0" failures="1" name="" tests="4" time="28.415">
<testcase classname="" name="setUpClass (tempest.api.network.M)" time="0.000">
<skipped>metering extension not enabled.</skipped>
</testcase>
<testcase classname="tempest.api.network.N" name="test_b[id-1,negative]" time="0.003">
<failure type="x">x: pythonlogging:'': {{{INFO POST http://127.0.0.1/}}}

Traceback (most recent call last):
  File "n.py", line 42, in test_b
    body = make()
           ^^^^^^
tempest.lib.exceptions.NotFound: Object not found
Details: {'type': 'HTTPNotFound'}

</failure>
</testcase>
<testcase classname="tempest.api.network.N" name="test_a[id-2]" time="0.005"/>
<testcase classname="tempest.api.network.N" name="test_c" time="0.005">
<skipped>metering extension not enabled.</skipped>
</testcase>
</testsuite>`), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := readResults(path)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	r.print(&got, 90*time.Second)
	want := `skipped: metering extension not enabled.
  setUpClass (tempest.api.network.M)
  tempest.api.network.N.test_c
FAILED tempest.api.network.N.test_b: tempest.lib.exceptions.NotFound: Object not found Details: {'type': 'HTTPNotFound'}
1 passed, 1 failed, 0 known to fail, 2 skipped, in 1m30s
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestKnownFailuresAreToldApart(t *testing.T) {
	r := report{passed: []string{"a", "b"}, failed: []outcome{{"c", "x"}, {"d", "y"}}}
	got := r.excused(map[string]string{"a": "is broken", "c": "is not there yet", "e": "did not run"})
	want := report{
		passed: []string{"a", "b"},
		failed: []outcome{{"d", "y"}, {"a", "passes: take it out of the table of known failures"}},
		known:  []outcome{{"c", "is not there yet"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(report{}, outcome{})); diff != "" {
		t.Error(diff)
	}
}

func TestWhatPassesAloneIsToldApart(t *testing.T) {
	r := report{failed: []outcome{{"m.A.one", "x"}, {"m.A.two", "y"}, {"setUpClass (m.B)", "z"}, {"setUpClass (m.C)", "z"}}}
	if diff := cmp.Diff([]string{"m.A", "m.B", "m.C"}, r.failedClasses()); diff != "" {
		t.Error(diff)
	}
	got := r.settled(report{passed: []string{"m.A.one", "m.A.three", "m.B.four"}, failed: []outcome{{"m.A.two", "y"}, {"setUpClass (m.C)", "z"}}})
	want := report{alone: []string{"m.A.one", "setUpClass (m.B)"}, failed: []outcome{{"m.A.two", "y"}, {"setUpClass (m.C)", "z"}}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(report{}, outcome{})); diff != "" {
		t.Error(diff)
	}
}

func TestResultsThatCannotBeReadAreAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.xml")
	if _, err := readResults(path); err == nil {
		t.Error("a file that is not there was read")
	}
	if err := os.WriteFile(path, []byte("<testsuite><testcase"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readResults(path); err == nil {
		t.Error("half a file was read")
	}
}

func TestTheCauseIsTheLastException(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"of two tracebacks the last counts":  {"Traceback (most recent call last):\n  f()\nA: one\n\nTraceback (most recent call last):\n  g()\nB: two\n", "B: two"},
		"it may begin behind other words":    {"x: Traceback (most recent call last):\n  f()\nA: one\n", "A: one"},
		"a text without a traceback is told": {"timed out\nafter 10 s", "timed out after 10 s"},
		"nothing stays nothing":              {"", ""},
		"a long value is cut in the middle":  {"E: " + strings.Repeat("x", 1000) + " is not empty", "E: " + strings.Repeat("x", 197) + " … " + strings.Repeat("x", 187) + " is not empty"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, cause(c.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzCauseIsOneShortLine(f *testing.F) {
	f.Add("Traceback (most recent call last):\n  f()\nA: one\n")
	f.Add("Traceback (most recent call last):")
	f.Add(strings.Repeat("ä", 500))
	f.Fuzz(func(t *testing.T, text string) {
		got := cause(text)
		if strings.ContainsAny(got, "\n\r") || len(got) > most+len(" … ") {
			t.Errorf("%q", got)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q is no longer UTF-8", got)
		}
	})
}

func TestTheDocumentNamesWhatIsKnownToFail(t *testing.T) {
	b, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	for test, reason := range known {
		if !strings.Contains(string(b), "`"+test+"`") || !strings.Contains(string(b), reason) {
			t.Errorf("docs/conformance.md does not say that %s is known to fail: %s", test, reason)
		}
	}
}
