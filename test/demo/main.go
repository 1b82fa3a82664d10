// Command demo is a guided tour of Lepton: a lab of three nodes, networks made
// with the stock openstack client, guests on two compute nodes, live pings, and
// the flows that carry them. It types the commands that an operator would type
// and shows what they print, checks what it claims, and exits 0 only if all of
// it held.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx))
}

// run goes on the tour and takes everything down, also when it ends early.
func run(ctx context.Context) int {
	start := time.Now()
	s := newScreen(os.Stdout)
	bin, err := filepath.Abs("bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	t := &tour{
		screen: s,
		shell:  shell{screen: s, bin: bin},
		name:   freeName(),
	}
	err = t.visit(ctx)
	if err != nil {
		s.fail("the tour ended early: %v", err)
	}
	// Also after an interrupt, which has ended ctx.
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	t.leave(cleanup)
	if s.failures > 0 {
		s.say("%d of %d claims did not hold.", s.failures, s.claims)
		return 1
	}
	s.say("All %d claims held, in %.0f seconds.", s.claims, time.Since(start).Seconds())
	return 0
}

// freeName is demo, unless somebody has a lab of that name.
func freeName() string {
	const name = "demo"
	if left, err := leftBehind(name); err == nil && len(left) == 0 {
		return name
	}
	return fmt.Sprintf("%s%d", name, os.Getpid())
}
