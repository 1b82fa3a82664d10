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
	stored := flag.String("stored", "10000,100000", "numbers of `ports` stored while the API is under load; empty: none")
	routers := flag.Int("routers", 200, "`number` of routers on one host; 0: none")
	long := flag.Duration("load", 2*time.Second, "how long each kind of request is sent by so many clients")
	spaces := flag.String("metadata", "1,200", "numbers of `namespaces` in which guests ask for metadata; empty: none")
	agents := flag.Int("agents", 1000, "`number` of simulated agents, with 50 ports each; 0: none")
	networks := flag.Int("networks", 200, "`number` of networks with DHCP, with five ports each; 0: none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, options{*bin, *sizes, *stored, *spaces, *routers, *networks, *agents, *long}); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the program's flags.
type options struct {
	bin, sizes, stored, spaces string
	routers, networks, agents  int
	long                       time.Duration
}

// numbers reads a list of numbers.
func numbers(flag, list string) ([]int, error) {
	var out []int
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-%s: %q is not a number of ports", flag, s)
		}
		out = append(out, n)
	}
	return out, nil
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

func run(ctx context.Context, o options) error {
	sizes, err := numbers("ports", o.sizes)
	if err != nil {
		return err
	}
	stored, err := numbers("stored", o.stored)
	if err != nil {
		return err
	}
	spaces, err := numbers("metadata", o.spaces)
	if err != nil {
		return err
	}
	b := &bench{}
	defer b.print()
	if len(sizes) > 0 {
		if err := b.inLab(ctx, o.bin, nil, b.withPorts(sizes)...); err != nil {
			return err
		}
	}
	if o.routers > 1 {
		if err := b.inLab(ctx, o.bin, nil, b.routersOn(o.routers)); err != nil {
			return err
		}
	}
	if o.networks > 0 {
		if err := b.withLeases(ctx, o); err != nil {
			return err
		}
	}
	if err := b.withMetadata(ctx, o, spaces); err != nil {
		return err
	}
	if o.agents > 0 {
		if err := b.largeCloud(ctx, o.bin, o.agents); err != nil {
			return err
		}
	}
	if len(stored) > 0 {
		return b.underLoad(ctx, o.bin, stored, o.long)
	}
	return nil
}

// withLeases are the figures of DHCP, with servers and without.
func (b *bench) withLeases(ctx context.Context, o options) error {
	err := b.inLab(ctx, o.bin, func(t *lab.Topology) {
		t.Hosts[0].Agent = map[string]any{"roles": []string{"l2", "dhcp"}}
	}, func(ctx context.Context) error { return b.leases(ctx, o.networks, b.serverMemory) })
	if err != nil {
		return err
	}
	return b.inLab(ctx, o.bin, func(t *lab.Topology) {
		t.Controller = map[string]any{"dhcp": map[string]any{"mode": "local"}}
	}, func(ctx context.Context) error { return b.leases(ctx, o.networks, nil) })
}

// withMetadata are the figures of metadata, of Nova and of the controller.
func (b *bench) withMetadata(ctx context.Context, o options, spaces []int) error {
	var steps []func(context.Context) error
	for _, n := range spaces {
		if err := b.metadata(ctx, o.bin, n, o.long); err != nil {
			return err
		}
		steps = append(steps, func(ctx context.Context) error { return b.instances(ctx, n, o.long) })
	}
	if len(steps) == 0 {
		return nil
	}
	return b.inLab(ctx, o.bin, func(t *lab.Topology) {
		t.Hosts[0].Agent = map[string]any{
			"roles": []string{"l2", "dhcp", "metadata"}, "metadata": map[string]any{"rate_limit": 100000, "burst_limit": 100000},
		}
	}, steps...)
}

// inLab measures what needs hosts. change, if it is not nil, makes them other than
// the lab's own.
func (b *bench) inLab(ctx context.Context, bin string, change func(*lab.Topology), steps ...func(context.Context) error) error {
	t, err := lab.LoadTopology("three-node")
	if err != nil {
		return err
	}
	if change != nil {
		change(&t)
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
	b.lab = l
	if b.hv1, err = l.Place("hv1"); err != nil {
		return err
	}
	if b.hv2, err = l.Place("hv2"); err != nil {
		return err
	}
	if err := b.unlimited(ctx); err != nil {
		return err
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// withPorts are the steps that need guests' ports.
func (b *bench) withPorts(sizes []int) []func(context.Context) error {
	steps := []func(context.Context) error{
		b.compile, b.compileGroups, b.onePort, b.packetRate, b.createRate,
		func(ctx context.Context) error { return b.ruleForMany(ctx, 500, 5000) },
	}
	for _, n := range sizes {
		steps = append(steps, func(ctx context.Context) error { return b.manyPorts(ctx, n) })
	}
	return steps
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
	body := map[string]any{"quota": map[string]int{"port": -1, "network": -1, "subnet": -1, "security_group": -1, "security_group_rule": -1, "router": -1, "floatingip": -1}}
	return b.lab.API().Call(ctx, "PUT", "/v2.0/quotas/"+project, body, nil)
}
