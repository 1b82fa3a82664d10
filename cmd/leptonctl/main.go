// Command leptonctl is the operator's tool: agents, flows, certificates, labs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/lab"
)

// version is set by the linker.
var version = "development"

// The exit codes, in the order of lab's kinds of failure.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
	exitExists   = 4
	exitBusy     = 5
	exitRoot     = 6
	// exitIncomplete is that of an import which could not take everything.
	exitIncomplete  = 7
	exitUnwell      = 8
	exitDenied      = 9
	exitUnreachable = 10
)

// settings are the flags that every command has.
type settings struct {
	api    string // URL of the Networking API
	lab    string // talk to this lab's API instead
	dir    string // where labs live
	output string // table, json or yaml
	token  string // file with a token for the API
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes the command line and gives the exit code.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := known(root.ExecuteContext(ctx))
	if err == nil {
		return 0
	}
	var quiet exitError
	if errors.As(err, &quiet) {
		return int(quiet)
	}
	fmt.Fprintln(os.Stderr, "leptonctl:", err)
	return exitCode(err)
}

// known gives failures that any command may meet a kind and advice, where the command
// has not done so.
func known(err error) error {
	var unanswered *url.Error
	switch {
	case err == nil || exitCode(err) != exitFailed || errors.As(err, new(exitError)):
	case errors.Is(err, fs.ErrPermission):
		return advise(lab.ErrRoot, err, "try again as root")
	case errors.As(err, &unanswered):
		return advise(errUnreachable, err, "is it running?")
	}
	return err
}

// exitError ends the program with a code and no words: they have been said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func exitCode(err error) int {
	for _, k := range []struct {
		kind error
		code int
	}{
		{lab.ErrUsage, exitUsage},
		{lab.ErrNotFound, exitNotFound},
		{lab.ErrExists, exitExists},
		{lab.ErrBusy, exitBusy},
		{lab.ErrRoot, exitRoot},
		{errDenied, exitDenied},
		{errUnreachable, exitUnreachable},
	} {
		if errors.Is(err, k.kind) {
			return k.code
		}
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	s := &settings{}
	root := &cobra.Command{
		Use:   "leptonctl",
		Short: "Operate Lepton: agents, flows, certificates, labs",
		Long: `leptonctl operates Lepton.

Where the API asks for a token it is that of the file of --token-file, or of
the environment: OS_TOKEN, or what Keystone gives to who logs in by OS_CLOUD, or
by OS_AUTH_URL and the other OS_ variables, as the openstack client does.

Exit codes: 0 done, 1 failed, 2 bad command line or file, 3 not found,
4 exists already, 5 somebody else is changing it, 6 root is needed, 8 something
is not as it should be, 9 not allowed, 10 no answer.
"lab exec" exits as the command does that it ran.`,
		Args:          args(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	f := root.PersistentFlags()
	f.StringVar(&s.api, "api", "http://127.0.0.1:9696", "URL of the Networking API")
	f.StringVar(&s.token, "token-file", "", "`file` with a token for the API")
	f.StringVar(&s.lab, "lab", "", "use the API of the lab of this name")
	f.StringVar(&s.dir, "dir", lab.DefaultDir, "directory in which labs live")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(newLab(s), newAgents(s), newAudit(s), newRelease(s), newFlows(s), newEvents(s), newTrace(s), newCerts(s), newImport(s), newVersion(), newManual())
	root.AddCommand(newCloudStatus(s), newPorts(s), newExplain(s))
	refuseNonsense(root)
	complete(root, s)
	return root
}

// refuseNonsense has the commands that cobra makes refuse what they do not know.
func refuseNonsense(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Run = nil
			c.RunE = func(_ *cobra.Command, a []string) error {
				about, rest, err := root.Find(a)
				if err == nil && len(rest) > 0 {
					err = fmt.Errorf("unknown command %q", strings.Join(a, " "))
				}
				if err != nil {
					return usage(err)
				}
				return about.Help()
			}
		case "completion":
			c.Args = args(cobra.NoArgs)
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func (usageError) Unwrap() error { return lab.ErrUsage }

func usage(err error) error { return usageError{fmt.Errorf("%w: see --help", err)} }

// advised is an error of a kind, with what to do about it.
type advised struct {
	kind, err error
	advice    string
}

func advise(kind, err error, advice string) error { return advised{kind, err, advice} }

func (a advised) Error() string   { return a.err.Error() + "; " + a.advice }
func (a advised) Unwrap() []error { return []error{a.kind, a.err} }

// args wraps a check of arguments so that its failure is one of usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return usage(err)
		}
		return nil
	}
}

// addOutput gives a command the choice between tables, JSON and YAML.
func addOutput(cmd *cobra.Command, s *settings) {
	cmd.Flags().StringVarP(&s.output, "output", "o", "table", "table, json or yaml")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if s.output != "table" && s.output != "json" && s.output != "yaml" {
			return usage(fmt.Errorf("output %q is not table, json or yaml", s.output))
		}
		return nil
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			goVersion := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				goVersion = info.GoVersion
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "leptonctl %s, %s\n", version, goVersion)
			return err
		},
	}
}
