package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

func main() {
	// Children are killed with the thread that started them; this one lives as
	// long as the program.
	runtime.LockOSThread()
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "`directory` of the built programs")
	flag.StringVar(&o.tests, "tests", `^(tempest\.api\.network|neutron_tempest_plugin\.api)\.`, "regular `expression` of the tests to run; none when empty")
	flag.StringVar(&o.only, "only", "", "`part` to run instead of all: walk, tempest, import, horizon, tls or takeover")
	flag.IntVar(&o.workers, "workers", 2, "`number` of tests to run at a time")
	flag.StringVar(&o.keep, "keep", "", "an empty or new `directory` to work in, to be kept with all logs; without it a temporary one")
	flag.DurationVar(&o.limit, "limit", 40*time.Minute, "`time` after which everything is stopped")
	flag.Parse()
	if err := isolate(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	start := time.Now()
	r, err := run(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // what the programs said of being stopped is noise
		}
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
	r.print(os.Stdout, time.Since(start))
	if len(r.failed) > 0 || len(r.passed) == 0 {
		os.Exit(1)
	}
}

type options struct {
	bin, tests, only, keep string
	workers                int
	limit                  time.Duration
}

// run starts the cloud, runs the tests in it, and takes it down, also when it
// ends early.
func run(ctx context.Context, o options) (report, error) {
	dir, err := workplace(o.keep)
	if err != nil {
		return report{}, err
	}
	if o.keep == "" {
		defer os.RemoveAll(dir)
	}
	c, err := newCloud(dir, o)
	if err != nil {
		return report{}, err
	}
	defer c.stop()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"starting Keystone on " + c.Keystone, c.startKeystone},
		{"standing in for Nova on " + c.Compute, c.startCompute},
		{"filling the catalogue", c.fillCatalogue},
		{"starting lepton-controller on " + c.API, c.startController},
		{"joining the agents of the hosts", c.startHosts},
		{"finding lepton-controller in the catalogue", c.findAsDocumented},
	} {
		if o.only == takeoverPart {
			break // which has a cloud of its own
		}
		fmt.Println(step.what)
		if err := step.do(ctx); err != nil {
			return report{}, err
		}
	}
	var done report
	for _, part := range c.parts(o) {
		if o.only != "" && o.only != part.name || o.tests == "" && part.name == "tempest" {
			continue
		}
		fmt.Println(part.what)
		r, err := part.do(ctx)
		if done = done.with(r); err != nil {
			return done, err
		}
	}
	return done, nil
}

// part is something that is done with the cloud. Tempest comes before those that
// leave things behind.
type part struct {
	name, what string
	do         func(context.Context) (report, error)
}

func (c *cloud) parts(o options) []part {
	return []part{
		{"walk", "walking through the commands of the openstack client", c.walk},
		{"tempest", "running the tests that match " + o.tests, func(ctx context.Context) (report, error) {
			if err := c.prepareNetwork(ctx); err != nil {
				return report{}, err
			}
			return c.tempest(ctx, o)
		}},
		{"import", "importing a Neutron on " + c.Neutron, c.moving},
		{"horizon", "using Horizon on " + c.Horizon, c.horizon},
		{takeoverPart, "moving a cloud with guests from Neutron and back", c.takingOver},
		{"tls", "starting a controller with TLS everywhere", c.secured},
	}
}

// workplace gives an absolute path of an empty directory.
func workplace(keep string) (string, error) {
	if keep == "" {
		return os.MkdirTemp("", "conformance-")
	}
	dir, err := filepath.Abs(keep)
	if err != nil {
		return "", fmt.Errorf("find directory %s: %w", keep, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("look into directory: %w", err)
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("directory %s is not empty", dir)
	}
	return dir, nil
}
