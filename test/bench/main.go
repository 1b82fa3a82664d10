// Command bench measures Lepton against what the tools alone can do on the
// same machine, in the same run, and prints figures and ratios. It needs root
// and the built programs; it builds a lab of its own and takes it down again.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

func main() {
	bin := flag.String("bin", "bin", "`directory` of the built programs")
	sizes := flag.String("ports", "50,200,500", "numbers of ports to plug at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *sizes); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run: a lab and the rows of the report.
type bench struct {
	lab  *lab.Lab
	hv1  *lab.Place
	hv2  *lab.Place
	rows []row
}

// row is one figure of the report.
type row struct {
	what, figure, limit, target string
	ok                          bool
}

func run(ctx context.Context, bin, sizes string) error {
	t, err := lab.LoadTopology("three-node")
	if err != nil {
		return err
	}
	name := "bench" + strconv.Itoa(os.Getpid()%1000)
	fmt.Printf("building lab %s\n", name)
	l, err := lab.Up(ctx, t, lab.Options{Name: name, BinDir: bin})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := l.Down(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench: take the lab down:", err)
		}
	}()
	b := &bench{lab: l}
	if b.hv1, err = l.Place("hv1"); err != nil {
		return err
	}
	if b.hv2, err = l.Place("hv2"); err != nil {
		return err
	}
	if err := b.unlimited(ctx); err != nil {
		return err
	}
	steps := []func(context.Context) error{b.compile, b.onePort, b.createRate}
	for _, s := range strings.Split(sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return fmt.Errorf("-ports: %q is not a number of ports", s)
		}
		steps = append(steps, func(ctx context.Context) error { return b.manyPorts(ctx, n) })
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.print()
	return nil
}

func (b *bench) add(r row) {
	b.rows = append(b.rows, r)
	fmt.Printf("  %s: %s\n", r.what, r.figure)
}

func (b *bench) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nWHAT\tFIGURE\tLIMIT\tTARGET\tREACHED")
	for _, r := range b.rows {
		reached := "yes"
		if !r.ok {
			reached = "NO"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.what, r.figure, r.limit, r.target, reached)
	}
	w.Flush()
}

// ms prints a duration in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d.Microseconds())/1000) }

// unlimited lifts the quotas of the project that the figures use.
func (b *bench) unlimited(ctx context.Context) error {
	body := map[string]any{"quota": map[string]int{"port": -1, "network": -1, "subnet": -1}}
	return b.lab.API().Call(ctx, "PUT", "/v2.0/quotas/"+project, body, nil)
}
