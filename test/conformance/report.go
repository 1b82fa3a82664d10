package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// report is the outcome of a run.
type report struct {
	passed                 []string
	failed, skipped, known []outcome
	alone                  []string // failed beside others, passed alone
}

// with is the report of both runs.
func (r report) with(other report) report {
	return report{
		slices.Concat(r.passed, other.passed), slices.Concat(r.failed, other.failed),
		slices.Concat(r.skipped, other.skipped), slices.Concat(r.known, other.known),
		slices.Concat(r.alone, other.alone),
	}
}

// failedClasses gives the classes of the tests that failed.
func (r report) failedClasses() []string {
	classes := map[string]bool{}
	for _, o := range r.failed {
		class := o.test[:max(0, strings.LastIndexByte(o.test, '.'))]
		if _, of, isSetUp := strings.Cut(o.test, " ("); isSetUp {
			class = strings.TrimSuffix(of, ")")
		}
		classes[class] = true
	}
	return slices.Sorted(maps.Keys(classes))
}

// settled is the report after the classes of the tests that failed ran again:
// those that do not fail any more are told apart.
func (r report) settled(again report) report {
	var failed []outcome
	for _, o := range r.failed {
		class := report{failed: []outcome{o}}.failedClasses()[0]
		ran := func(test string) bool {
			return test == o.test || strings.HasPrefix(test, class+".") && strings.Contains(o.test, " (")
		}
		fails := func(f outcome) bool { return f.test == o.test }
		if slices.ContainsFunc(again.passed, ran) && !slices.ContainsFunc(again.failed, fails) {
			r.alone = append(r.alone, o.test)
			continue
		}
		failed = append(failed, o)
	}
	r.failed = failed
	return r
}

// outcome is a test, or a class of tests, with why it did not pass, in a line.
type outcome struct{ test, reason string }

// results is what subunit2junitxml writes.
type results struct {
	Tests []struct {
		Class    string   `xml:"classname,attr"`
		Name     string   `xml:"name,attr"`
		Failures []string `xml:"failure"`
		Errors   []string `xml:"error"`
		Skipped  *string  `xml:"skipped"`
	} `xml:"testcase"`
}

// readResults reads a file of JUnit XML.
func readResults(path string) (report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return report{}, fmt.Errorf("read results: %w", err)
	}
	var all results
	if err := xml.Unmarshal(b, &all); err != nil {
		return report{}, fmt.Errorf("read results %s: %w", path, err)
	}
	var r report
	for _, t := range all.Tests {
		name := strings.TrimPrefix(t.Class+"."+testName(t.Name), ".")
		switch failures := append(t.Failures, t.Errors...); {
		case len(failures) > 0:
			r.failed = append(r.failed, outcome{name, cause(failures[0])})
		case t.Skipped != nil:
			r.skipped = append(r.skipped, outcome{name, strings.TrimSpace(*t.Skipped)})
		default:
			r.passed = append(r.passed, name)
		}
	}
	for _, list := range [][]outcome{r.failed, r.skipped} {
		slices.SortFunc(list, func(a, b outcome) int { return strings.Compare(a.test, b.test) })
	}
	return r, nil
}

// attributes are what tempest puts behind a test's name: [id-…,smoke].
var attributes = regexp.MustCompile(`\[[^]]*\]`)

func testName(s string) string { return attributes.ReplaceAllString(s, "") }

// most is how long a cause may be, in bytes.
const most = 400

// cause gives the exception at the end of the last Python traceback in the text,
// with all that it says, in one line. Long values are cut in the middle, since
// tempest's own words stand at the end.
func cause(text string) string {
	lines := strings.Split(text, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.HasSuffix(lines[i], "Traceback (most recent call last):") {
			lines = lines[i+1:]
			break
		}
	}
	// The calls that led there are indented.
	if i := slices.IndexFunc(lines, func(l string) bool { return l != "" && l[0] != ' ' }); i >= 0 {
		lines = lines[i:]
	}
	line := strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most/2]+" … "+line[len(line)-most/2:], "")
	}
	return line
}

// print writes the report: what was skipped and what is known to fail by its
// reason, then what failed, then the counts.
func (r report) print(w io.Writer, took time.Duration) {
	printByReason(w, "skipped", r.skipped)
	printByReason(w, "known to fail", r.known)
	for _, test := range r.alone {
		fmt.Fprintf(w, "passed alone, but not beside others: %s\n", test)
	}
	for _, o := range r.failed {
		fmt.Fprintf(w, "FAILED %s: %s\n", o.test, o.reason)
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d known to fail, %d skipped, in %s\n",
		len(r.passed)+len(r.alone), len(r.failed), len(r.known), len(r.skipped), took.Round(time.Second))
}

func printByReason(w io.Writer, what string, list []outcome) {
	byReason := map[string][]string{}
	for _, o := range list {
		byReason[o.reason] = append(byReason[o.reason], o.test)
	}
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		fmt.Fprintf(w, "%s: %s\n", what, reason)
		for _, test := range byReason[reason] {
			fmt.Fprintf(w, "  %s\n", test)
		}
	}
}
