// Command lepton-controller serves Neutron's Networking API, keeps the records,
// and drives the agents.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller"
	"github.com/lepton-sdn/lepton/controller/config"
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
	path := flag.String("config", "", "configuration `file` (YAML); without it: embedded store, everything on loopback")
	showVersion := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *showVersion {
		fmt.Println("lepton-controller", version)
		return 0
	}
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "lepton-controller: unexpected argument %q\n", flag.Arg(0))
		return exitBadConfig
	}
	cfg, err := config.Load(*path)
	if err != nil {
		fmt.Fprintf(os.Stderr, "lepton-controller: %v\n", err)
		return exitBadConfig
	}
	log, err := telemetry.Logger(cfg.Log.Level)
	if err != nil {
		fmt.Fprintf(os.Stderr, "lepton-controller: %v\n", err)
		return exitBadConfig
	}
	defer func() { _ = log.Sync() }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ready := func() {
		fmt.Printf("lepton-controller %s ready: API on %s, agents on %s\n", version, cfg.API.Listen, cfg.RPC.Listen)
	}
	if err := controller.Run(ctx, controller.Options{Config: cfg, Version: version, Log: log, Ready: ready}); err != nil {
		log.Error("stopped", zap.Error(err))
		return exitFailure
	}
	log.Info("stopped")
	return 0
}
