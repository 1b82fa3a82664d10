package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// tempest runs the tests. That some of them fail is part of the report, not an
// error.
func (c *cloud) tempest(ctx context.Context, o options) (report, error) {
	site := filepath.Join(c.Dir, "site")
	if err := os.Mkdir(site, 0o755); err != nil {
		return report{}, fmt.Errorf("prepare tempest: %w", err)
	}
	b, err := files.ReadFile("files/sitecustomize.py")
	if err != nil {
		return report{}, fmt.Errorf("prepare tempest: %w", err)
	}
	if err := os.WriteFile(filepath.Join(site, "sitecustomize.py"), b, 0o644); err != nil {
		return report{}, fmt.Errorf("prepare tempest: %w", err)
	}
	workspace := filepath.Join(c.Dir, "workspace")
	if err := c.children.do(ctx, "tempest", "/usr/bin/tempest", "init", workspace); err != nil {
		return report{}, err
	}
	if err := c.write("tempest.conf"); err != nil {
		return report{}, err
	}
	tests := &children{dir: workspace, env: append(c.children.env, "PYTHONPATH="+site)}
	first, err := c.runTests(ctx, tests, o.tests, o.workers)
	if err != nil {
		return report{}, err
	}
	first = first.excused(known)
	// The tests share a cloud, and some choose what another one, or DHCP, has
	// taken by chance.
	for range tries {
		classes := first.failedClasses()
		if len(classes) == 0 || len(classes) > mostAgain {
			break
		}
		fmt.Println("running again, alone:", strings.Join(classes, " "))
		again, err := c.runTests(ctx, tests, "^("+strings.Join(classes, "|")+`)\.`, 1)
		if err != nil {
			return report{}, err
		}
		first = first.settled(again)
	}
	return first, nil
}

// tries is how often tests that failed are run again.
const tries = 2

// mostAgain is how many classes of tests may be run again.
const mostAgain = 10

// runTests runs the tests that match.
func (c *cloud) runTests(ctx context.Context, tests *children, regex string, workers int) (report, error) {
	ran := tests.do(ctx, "run", "/usr/bin/tempest", "run", "--config-file", filepath.Join(c.Dir, "tempest.conf"),
		"--regex", regex, "--concurrency", strconv.Itoa(workers))
	var failed *exec.ExitError
	if ran != nil && (!errors.As(ran, &failed) || ctx.Err() != nil) {
		return report{}, errors.Join(ran, ctx.Err())
	}
	// JUnit's XML can be read with the standard library. The filter fails when a
	// test did, so what counts is that it wrote results.
	err := tests.do(ctx, "convert", "/bin/sh", "-c", "/usr/bin/stestr last --subunit | /usr/bin/subunit2junitxml -o results.xml")
	r, unread := readResults(filepath.Join(tests.dir, "results.xml"))
	if unread != nil {
		return report{}, fmt.Errorf("%w\ntempest:\n%s", errors.Join(unread, err), tests.tail("run"))
	}
	if ran != nil && len(r.failed) == 0 {
		// It did not come to its end, so the results are not all.
		return report{}, ran
	}
	return r, nil
}
