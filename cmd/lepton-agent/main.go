// Command lepton-agent runs beside Open vSwitch on a hypervisor or network node
// and makes there what the controller's records say.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent"
	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/telemetry"
)

// version is set when the program is built.
var version = "unknown"

// Exit codes.
const (
	exitFailure   = 1
	exitBadConfig = 2
)

func main() { os.Exit(run()) }

func run() int {
	path := flag.String("config", "", "configuration `file` (YAML)")
	showVersion := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *showVersion {
		fmt.Println("lepton-agent", version)
		return 0
	}
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "lepton-agent: unexpected argument %q\n", flag.Arg(0))
		return exitBadConfig
	}
	cfg, err := config.Load(*path)
	if err != nil {
		fmt.Fprintf(os.Stderr, "lepton-agent: %v\n", err)
		return exitBadConfig
	}
	log, err := telemetry.Logger(cfg.Log.Level)
	if err != nil {
		fmt.Fprintf(os.Stderr, "lepton-agent: %v\n", err)
		return exitBadConfig
	}
	defer func() { _ = log.Sync() }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ready := func() {
		fmt.Printf("lepton-agent %s ready: host %s, database %s, controller %v\n", version, cfg.Host, cfg.OVS.DB, cfg.Controller.All())
	}
	if err := agent.Run(ctx, agent.Options{Config: cfg, Version: version, Log: log, Ready: ready}); err != nil {
		log.Error("stopped", zap.Error(err))
		return exitFailure
	}
	log.Info("stopped; the flows stay")
	return 0
}
