// Command sim runs a large cloud of simulated agents with real streams against a
// real lepton-controller and a real etcd on this machine, measures it, and
// compares what every host knows with what it should. It needs the built
// programs, Debian's etcd, and no root.
//
//	go run ./test/sim -agents 1000 -ports 50000
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/lepton-sdn/lepton/test/sim/scale"
)

func main() {
	o := scale.Options{Log: func(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }}
	flag.StringVar(&o.Bin, "bin", "bin", "`directory` of the built programs")
	flag.IntVar(&o.Agents, "agents", 1000, "`number` of hosts")
	flag.IntVar(&o.Ports, "ports", 50000, "`number` of ports, one of each host among them on a network that every host is on")
	flag.IntVar(&o.Networks, "networks", 500, "`number` of tenant networks, two of each project")
	flag.IntVar(&o.Spread, "spread", 25, "on how many `hosts` a network's ports are")
	flag.IntVar(&o.Probes, "probes", 11, "how `often` each kind of change is measured")
	flag.DurationVar(&o.Weather, "weather", 20*time.Second, "how long connections break and agents are slow while records change")
	flag.DurationVar(&o.Patience, "patience", 5*time.Minute, "how long to wait for anything")
	flag.StringVar(&o.Profiles, "profiles", "", "`directory` for profiles of the controller")
	flag.BoolVar(&o.TLS, "tls", true, "mutual TLS between agents and controller")
	flag.Uint64Var(&o.Seed, "seed", 1, "`seed` of all random choices")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	report, err := scale.Run(ctx, o)
	if !show(report) || err != nil {
		if err != nil {
			fmt.Fprintln(os.Stderr, "sim:", err)
		}
		os.Exit(1)
	}
}

// show prints the report and tells whether all is well.
func show(report *scale.Report) bool {
	well := len(report.Wrong) == 0
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nWHAT\tFIGURE\tTARGET\tREACHED")
	for _, r := range report.Rows {
		reached := "yes"
		if !r.OK {
			reached, well = "NO", false
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.What, r.Figure, r.Target, reached)
	}
	w.Flush()
	for _, line := range report.Wrong {
		fmt.Println("WRONG:", line)
	}
	return well
}
