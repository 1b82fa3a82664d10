package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/lab"
)

// newLab is the group of commands about labs. --name and --lab mean the same
// there.
func newLab(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "A cloud on this machine, from network namespaces and Open vSwitch",
		Long: `A lab is a cloud on this machine: per host a network namespace with its own
Open vSwitch and lepton-agent, one lepton-controller, and guests.

  leptonctl lab up                          three nodes in seconds
  leptonctl lab shell net1                  a shell on a host: openstack, ovs-ofctl … just work there
  leptonctl lab plug hv1 PORT               make a guest with that port
  leptonctl lab exec GUEST -- ping 10.0.0.5
  leptonctl lab down                        nothing stays behind`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&s.lab, "name", "", "the lab's name (default: the only lab there is; for up "+lab.DefaultName+")")
	cmd.AddCommand(
		newUp(s), newDown(s), newList(s), newStatus(s), newExec(s), newShell(s),
		newPlug(s), newUnplug(s), newStop(s), newStart(s),
	)
	return cmd
}

// open finds the lab that is meant.
func (s *settings) open() (*lab.Lab, error) {
	name, err := s.labName()
	if err != nil {
		return nil, err
	}
	return lab.Open(name, s.dir)
}

// labName gives the name asked for, or that of the only lab.
func (s *settings) labName() (string, error) {
	if s.lab != "" {
		return s.lab, nil
	}
	names, err := lab.List(s.dir)
	if err != nil {
		return "", err
	}
	if len(names) > 1 {
		return "", usage(fmt.Errorf("there are several labs, choose one with --name: %s", strings.Join(names, ", ")))
	}
	if len(names) == 1 {
		return names[0], nil
	}
	return lab.DefaultName, nil
}

func newUp(s *settings) *cobra.Command {
	var topology string
	var o lab.Options
	cmd := &cobra.Command{
		Use: "up", Short: "Build a lab and start everything in it", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := lab.LoadTopology(topology)
			if err != nil {
				return err
			}
			o.Name, o.Dir = s.lab, s.dir
			out := cmd.OutOrStdout()
			o.Progress = func(step string, took time.Duration) {
				fmt.Fprintf(out, "  %-55s %6.2f s\n", step, took.Seconds())
			}
			start := time.Now()
			l, err := lab.Up(cmd.Context(), t, o)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "lab %s with %d hosts is up after %.1f s: leptonctl lab status --name %s\n",
				l.Name(), len(l.Plan().Hosts), time.Since(start).Seconds(), l.Name())
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&topology, "topology", "t", "three-node", "a YAML file, or one of "+strings.Join(lab.Topologies(), ", "))
	f.BoolVar(&o.Bare, "bare", false, "only links and Open vSwitch, nothing of Lepton")
	f.StringVar(&o.BinDir, "bin", "", "directory of lepton-controller and lepton-agent (default: beside leptonctl, else the PATH)")
	return cmd
}

func newDown(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Take a lab down, with all that belongs to it", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := s.labName()
			if err != nil {
				return err
			}
			if err := lab.Down(cmd.Context(), name, s.dir); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "lab %s is down\n", name)
			return nil
		},
	}
}

func newList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the labs", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			names, err := lab.List(s.dir)
			for _, n := range names {
				fmt.Fprintln(cmd.OutOrStdout(), n)
			}
			return err
		},
	}
}

func newExec(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "exec HOST|GUEST -- COMMAND…", Short: "Run a command on a host or in a guest",
		Args: args(cobra.MinimumNArgs(2)),
		RunE: func(_ *cobra.Command, a []string) error {
			p, err := s.place(a[0])
			if err != nil {
				return err
			}
			return p.Become(a[1:], nil, false)
		},
	}
}

func newShell(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "shell HOST|GUEST", Short: "Open a shell on a host or in a guest", Args: args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, a []string) error {
			p, err := s.place(a[0])
			if err != nil {
				return err
			}
			// The prompt must come after the operator's own start-up file.
			rc, err := os.CreateTemp("", "leptonctl-shell-")
			if err != nil {
				return fmt.Errorf("make start-up file of the shell: %w", err)
			}
			_, err = fmt.Fprintf(rc, "rm -f %s\n[ -f ~/.bashrc ] && . ~/.bashrc\nPS1='[%s] \\w# '\n", rc.Name(), p.Name)
			if err := firstOf(err, rc.Close()); err != nil {
				return fmt.Errorf("make start-up file of the shell: %w", err)
			}
			return p.Become([]string{"bash", "--rcfile", rc.Name(), "-i"}, nil, true)
		},
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *settings) place(name string) (*lab.Place, error) {
	l, err := s.open()
	if err != nil {
		return nil, err
	}
	return l.Place(name)
}

func newPlug(s *settings) *cobra.Command {
	var r lab.PlugRequest
	var noWait bool
	cmd := &cobra.Command{
		Use: "plug HOST PORT", Short: "Give a guest on a host a NIC for a port",
		Long: `Plug gives a guest a NIC for a port, as Nova and libvirt plug a tap: the port is
bound to the host, and a link on br-int carries the port's id and MAC. The guest
is a network namespace, made when it is not there, with the port's addresses and
routes and the network's MTU. PORT is an id, or a name that no other port has.`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			l, err := s.open()
			if err != nil {
				return err
			}
			r.Host, r.Port, r.Wait = a[0], a[1], !noWait
			g, err := l.Plug(cmd.Context(), r)
			if err != nil {
				return err
			}
			n := g.NICs[len(g.NICs)-1] // the newest
			fmt.Fprintf(cmd.OutOrStdout(), "guest %s on %s: %s is %s, %s\n", g.Name, g.Host, n.Link, n.MAC, addresses(n))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Guest, "guest", "", "the guest's name (default: the port's name, else vm- and the id's beginning)")
	f.BoolVar(&r.NoAddress, "no-address", false, "leave the NIC without addresses and routes")
	f.BoolVar(&noWait, "no-wait", false, "do not wait until the port is ACTIVE")
	return cmd
}

func newUnplug(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "unplug PORT_ID|GUEST", Short: "Take a port out of its guest; a guest without ports goes",
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			l, err := s.open()
			if err != nil {
				return err
			}
			return l.Unplug(cmd.Context(), a[0])
		},
	}
}

func newStop(s *settings) *cobra.Command {
	var hard bool
	cmd := &cobra.Command{
		Use: "stop HOST PROGRAM", Short: "Stop a program of a host: " + strings.Join(lab.Programs(), ", "),
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			l, err := s.open()
			if err != nil {
				return err
			}
			return l.Stop(cmd.Context(), a[0], a[1], hard)
		},
	}
	cmd.Flags().BoolVar(&hard, "kill", false, "kill it instead of asking it to end")
	return cmd
}

func newStart(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "start HOST PROGRAM", Short: "Start a stopped program again; it reads its configuration file anew",
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			l, err := s.open()
			if err != nil {
				return err
			}
			return l.Start(cmd.Context(), a[0], a[1])
		},
	}
}

func addresses(n lab.NIC) string {
	if len(n.Addresses) == 0 {
		return "without address"
	}
	var out []string
	for _, a := range n.Addresses {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

// shorten gives a path as an operator would type it in the lab's directory.
func shorten(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}
