package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/test/sim/scale"
)

// largeCloud measures a controller with many simulated agents on real streams,
// 50 ports for each of them. The agents share this machine with it.
func (b *bench) largeCloud(ctx context.Context, bin string, agents int) error {
	report, err := scale.Run(ctx, scale.Options{
		Bin: bin, Agents: agents, Ports: 50 * agents, Networks: 2 * max(1, agents/4), Spread: min(25, agents),
		Probes: 11, Weather: 20 * time.Second, TLS: true, Seed: 1, Patience: 10 * time.Minute,
		Log: func(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) },
	})
	name := fmt.Sprintf("%d agents: ", agents)
	for _, r := range report.Rows {
		b.rows = append(b.rows, row{what: name + r.What, figure: r.Figure, limit: "-", target: r.Target, ok: r.OK})
	}
	if len(report.Wrong) > 0 {
		b.add(row{what: name + "what is wrong", figure: strings.Join(report.Wrong, "; "), limit: "-", target: "nothing"})
	}
	return err
}
