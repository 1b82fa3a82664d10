// Package program is what the daemons have in common: flags, the configuration
// file, the log, signals and exit codes.
package program

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/telemetry"
)

// The exit codes of a daemon.
const (
	exitDone      = 0 // stopped by SIGTERM or SIGINT
	exitFailure   = 1 // could not work, or could not go on
	exitBadConfig = 2 // wrong command line or configuration
)

// Daemon is a program that runs until it is told to stop.
type Daemon[C any] struct {
	Name    string
	Version string
	// NoFile says what happens without --config.
	NoFile string
	// Load reads and checks the file; "" means the defaults.
	Load func(path string) (C, error)
	// LogLevel is the configured one.
	LogLevel func(C) string
	// Run works until ctx is done. It calls ready once.
	Run func(ctx context.Context, cfg C, log *zap.Logger, ready func()) error
	// Ready is the rest of the line that is printed when Run is ready.
	Ready func(C) string
}

// Main runs the daemon with the process's arguments and gives its exit code. A
// panic ends the process by SIGABRT: Go's own exit code for it is that of a bad
// configuration, after which a service manager does not start a daemon again.
func (d Daemon[C]) Main() int {
	if os.Getenv("GOTRACEBACK") == "" {
		debug.SetTraceback("crash")
	}
	return d.With(os.Args[1:])
}

// With runs the daemon with arguments, without the program's name.
func (d Daemon[C]) With(args []string) int { return d.main(args, os.Stdout, os.Stderr) }

func (d Daemon[C]) main(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(d.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", "", "configuration `file` (YAML); "+d.NoFile)
	version := flags.Bool("version", false, "print the version and exit")
	check := flags.Bool("check", false, "check the configuration and exit")
	switch err := flags.Parse(args); {
	case err == flag.ErrHelp:
		return exitDone
	case err != nil:
		return exitBadConfig
	case *version:
		fmt.Fprintln(stdout, d.Name, d.Version)
		return exitDone
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "%s: unexpected argument %q\n", d.Name, flags.Arg(0))
		return exitBadConfig
	}
	cfg, err := d.Load(*path)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", d.Name, err)
		return exitBadConfig
	}
	if *check {
		fmt.Fprintf(stdout, "%s: the configuration can be used\n", d.Name)
		return exitDone
	}
	log, err := telemetry.Logger(d.LogLevel(cfg))
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", d.Name, err)
		return exitBadConfig
	}
	defer func() { _ = log.Sync() }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ready := func() {
		line := d.Ready(cfg)
		fmt.Fprintf(stdout, "%s %s ready: %s\n", d.Name, d.Version, line)
		notify(log, systemd.SdNotifyReady+"\nSTATUS="+line)
	}
	context.AfterFunc(ctx, func() { notify(log, systemd.SdNotifyStopping) })
	if err := d.Run(ctx, cfg, log, ready); err != nil {
		log.Error("stopped", zap.Error(err))
		return exitFailure
	}
	log.Info("stopped")
	return exitDone
}

// notify tells the service manager, if one asked for it (sd_notify(3)).
func notify(log *zap.Logger, state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		log.Warn("the service manager is not told", zap.Error(err))
	}
}
