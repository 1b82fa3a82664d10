// Command lepton-agent runs beside Open vSwitch on a hypervisor or network node
// and makes there what the controller's records say. As `lepton-agent
// metadata-proxy`, which it starts itself, it answers guests' requests for
// metadata.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent"
	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/agent/metadata/proxy"
	"github.com/lepton-sdn/lepton/program"
)

// version is set when the program is built.
var version = "unknown"

// gcPercent lets the heap grow by a quarter between collections, instead of by all of
// it: on a hypervisor memory is the guests', and the agent mostly waits.
const gcPercent = 25

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if len(os.Args) > 1 && os.Args[1] == "metadata-proxy" {
		os.Exit(metadataProxy().With(os.Args[2:]))
	}
	d := program.Daemon[*config.Config]{
		Name: "lepton-agent", Version: version,
		NoFile:   "without it: the machine's own Open vSwitch, a controller on loopback",
		Load:     config.Load,
		LogLevel: func(c *config.Config) string { return c.Log.Level },
		Run: func(ctx context.Context, c *config.Config, log *zap.Logger, ready func()) error {
			return agent.Run(ctx, agent.Options{Config: c, Version: version, Log: log, Ready: ready})
		},
		Ready: func(c *config.Config) string {
			return fmt.Sprintf("host %s, database %s, controller %v", c.Host, c.OVS.DB, c.Controller.All())
		},
	}
	os.Exit(d.Main())
}

func metadataProxy() program.Daemon[*proxy.Files] {
	return program.Daemon[*proxy.Files]{
		Name: "lepton-agent metadata-proxy", Version: version,
		NoFile:   "the agent writes it",
		Load:     proxy.Load,
		LogLevel: func(f *proxy.Files) string { return f.Settings.LogLevel },
		Run: func(ctx context.Context, f *proxy.Files, log *zap.Logger, ready func()) error {
			p, err := proxy.New(f, log)
			if err != nil {
				return err
			}
			ready()
			return p.Run(ctx)
		},
		Ready: func(f *proxy.Files) string { return "files in " + f.Dir },
	}
}
