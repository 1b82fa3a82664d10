package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/agent/control"
	"github.com/lepton-sdn/lepton/inspect"
	"github.com/lepton-sdn/lepton/lab"
)

// agentFlags choose the agent on this machine that a command talks to.
type agentFlags struct {
	socket, host string
}

func (f *agentFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.socket, "socket", "", "control socket of the agent (default: the one of its configuration)")
	cmd.Flags().StringVar(&f.host, "host", "", "with --lab: the host of the lab")
}

// path gives the socket that the flags choose.
func (f *agentFlags) path(s *settings) (string, error) {
	if s.lab == "" {
		if f.host != "" {
			return "", usage(fmt.Errorf("--host names a host of a lab, and no --lab is given"))
		}
		if f.socket != "" {
			return f.socket, nil
		}
		h, err := here("")
		if err != nil {
			return "", err
		}
		return filepath.Join(h.config.RunDir, "agent.sock"), nil
	}
	dir, err := s.agentDir(f.host)
	return filepath.Join(dir, "run", "agent.sock"), err
}

// agentDir gives the directory of a host of the lab that has an agent.
func (s *settings) agentDir(host string) (string, error) {
	l, err := lab.Open(s.lab, s.dir)
	if err != nil {
		return "", err
	}
	var have []string
	for _, h := range l.Plan().Hosts {
		switch {
		case !h.RunsAgent():
		case h.Name == host:
			return h.Dir, nil
		default:
			have = append(have, h.Name)
		}
	}
	if host == "" {
		return "", usage(fmt.Errorf("--lab needs --host, one of %s", strings.Join(have, ", ")))
	}
	return "", advise(lab.ErrNotFound, fmt.Errorf("lab %s has no host %q with an agent", s.lab, host), "--host is one of "+strings.Join(have, ", "))
}

func newAudit(s *settings) *cobra.Command {
	var f agentFlags
	var now bool
	cmd := &cobra.Command{
		Use: "audit", Short: "Show what was found changed on this host, and what the brake keeps",
		Long: `audit asks the agent of this machine what it found on the host that is not as
it made it: flows, tags, settings of bridges, namespaces. With --now it has the
agent look at everything first. What the brake keeps is what a controller's
snapshot lacks without having deleted it: see leptonctl release.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			method := http.MethodGet
			if now {
				method = http.MethodPost
			}
			var st control.Status
			if err := askAgent(cmd.Context(), s, &f, method, "/audit", &st); err != nil {
				return err
			}
			if s.forPrograms() {
				return s.print(cmd.OutOrStdout(), st)
			}
			return printAudit(cmd.OutOrStdout(), st)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&now, "now", false, "look at everything first")
	addOutput(cmd, s)
	return cmd
}

func newRelease(s *settings) *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use: "release", Short: "Let this host's agent remove what its brake keeps",
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r control.Released
			if err := askAgent(cmd.Context(), s, &f, http.MethodPost, "/release", &r); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d records released\n", r.Records)
			return err
		},
	}
	f.add(cmd)
	return cmd
}

func askAgent(ctx context.Context, s *settings, f *agentFlags, method, what string, out any) error {
	path, err := f.path(s)
	if err != nil {
		return err
	}
	return agentFailed(s, path, control.Call(ctx, path, method, what, out))
}

// agentFailed adds to an error of the agent's socket what can be done about it, and
// the kind that chooses the exit code.
func agentFailed(s *settings, path string, err error) error {
	advice := "does lepton-agent run? systemctl status lepton-agent; --socket names another socket"
	if s.lab != "" {
		advice = "see: leptonctl lab status --name " + s.lab
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return advise(lab.ErrRoot, fmt.Errorf("ask the agent at %s: %w", path, fs.ErrPermission), "try again as root")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return advise(errUnreachable, fmt.Errorf("ask the agent: nothing listens at %s", path), advice)
	case errors.Is(err, context.DeadlineExceeded):
		return advise(errUnreachable, fmt.Errorf("ask the agent: it is there, at %s, and does not answer", path), advice)
	}
	return err
}

func printAudit(w io.Writer, st control.Status) error {
	fmt.Fprintf(w, "host %s, mode %s, an audit every %s, %d findings since the agent started\n",
		st.Host, st.Mode, time.Duration(st.Interval*float64(time.Second)), st.Total)
	if st.Brake != nil {
		fmt.Fprintf(w, "brake: since %s: %s\n", st.Brake.Since.Format(time.RFC3339), inspect.Plain(st.Brake.Text))
	}
	if len(st.Findings) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	rows := [][]string{{"AT", "KIND", "PLACE", "OBJECT", "REPAIRED", "FOUND"}}
	for _, f := range st.Findings {
		rows = append(rows, []string{f.At.Format("2006-01-02T15:04:05.000Z"), f.Kind, f.Place, f.Object, yesNo(f.Repaired), f.Text})
	}
	return table(w, rows)
}
