package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/agent/snapshot"
	"github.com/lepton-sdn/lepton/inspect"
	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/pipeline"
)

// installedConfig is the file of the agent's service.
const installedConfig = "/etc/lepton/agent.yaml"

// lookTime bounds how long a switch may take to answer.
const lookTime = 30 * time.Second

// host is what commands need to know of the host that they run on.
type host struct {
	config *config.Config
	sw     inspect.Switch
}

// here reads the agent's configuration: the file that is named, that of the
// service, or the defaults.
func here(path string) (*host, error) {
	if path == "" {
		path = os.Getenv("LEPTON_AGENT_CONFIG") // as lab shells have it
	}
	if path == "" {
		if _, err := os.Stat(installedConfig); err == nil {
			path = installedConfig
		}
	}
	c, err := config.Load(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, advise(lab.ErrRoot, err, "try again as root")
	case err != nil:
		return nil, usage(err)
	}
	kinds := map[string]pipeline.Kind{c.OVS.IntegrationBridge: pipeline.Integration, c.OVS.TunnelBridge: pipeline.Tunnel}
	for _, bridge := range c.OVS.BridgeMappings {
		kinds[bridge] = pipeline.Provider
	}
	return &host{config: c, sw: inspect.Switch{RunDir: c.OVS.RunDir, Kinds: kinds}}, nil
}

// objects reads what the agent has stored; without it flows have no names.
func (h *host) objects(cmd *cobra.Command) *inspect.Objects {
	o, err := inspect.ReadObjects(filepath.Join(h.config.StateDir, "records"))
	if err != nil {
		why := "the agent has stored no records yet"
		if !errors.Is(err, os.ErrNotExist) || errors.Is(err, snapshot.ErrUnusable) {
			why = err.Error()
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "leptonctl: objects have no names: %s\n", why)
		return inspect.NoObjects()
	}
	return o
}

// explain adds what can be done about an error.
func (h *host) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return advise(lab.ErrRoot, err, "try again as root")
	case errors.Is(err, inspect.ErrNoSwitch), errors.Is(err, context.DeadlineExceeded):
		return advise(errUnreachable, err, "does ovs-vswitchd run? systemctl status openvswitch-switch; ovs.run_dir of the agent's configuration says where it is looked for")
	case errors.Is(err, inspect.ErrNoBridge):
		return advise(lab.ErrNotFound, err, "the agent's bridges are "+strings.Join(slices.Sorted(maps.Keys(h.sw.Kinds)), ", "))
	case errors.Is(err, inspect.ErrPacket):
		return usage(err)
	}
	return err
}

func newFlows(s *settings) *cobra.Command {
	var f hostFlags
	var table int
	var choice inspect.Choice
	cmd := &cobra.Command{
		Use: "flows [BRIDGE]", Short: "Show a bridge's flows on this host, with the API object behind each",
		Long: `flows shows the flows of a bridge of this host, br-int unless another is named,
by table, each with its packets and with the API object that it is there for.
It asks the switch itself: neither agent nor controller has to run.`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			h, err := f.host(s)
			if err != nil {
				return err
			}
			bridge := h.config.OVS.IntegrationBridge
			if len(a) == 1 {
				bridge = a[0]
			}
			if cmd.Flags().Changed("table") {
				if table < 0 || table > 254 {
					return usage(fmt.Errorf("--table %d is not between 0 and 254", table))
				}
				n := uint8(table)
				choice.Table = &n
			}
			if d := strings.ReplaceAll(choice.Object, "-", ""); d != "" && len(d) < 12 {
				return usage(fmt.Errorf("--object %q is neither a UUID nor the first 12 digits of one", choice.Object))
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), lookTime)
			defer cancel()
			list, err := h.sw.Flows(ctx, bridge, h.objects(cmd), choice)
			if err != nil {
				return h.explain(err)
			}
			if s.forPrograms() {
				return s.print(cmd.OutOrStdout(), list)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "no such flows on %s\n", bridge)
				return err
			}
			return inspect.Print(cmd.OutOrStdout(), list)
		},
	}
	cmd.Flags().IntVar(&table, "table", 0, "only this table")
	cmd.Flags().StringVar(&choice.Object, "object", "", "only flows of the object with this `ID`")
	cmd.Flags().BoolVar(&choice.Hit, "hit", false, "only flows that saw packets")
	f.add(cmd)
	addOutput(cmd, s)
	return cmd
}

func newTrace(s *settings) *cobra.Command {
	var f hostFlags
	var raw bool
	cmd := &cobra.Command{
		Use: "trace BRIDGE PACKET [OPTION...]", Short: "Show what the flows of this host do with a packet, and whose they are",
		Long: `trace runs ofproto/trace in the switch, and names the API object of each flow
that the packet meets. The packet is described as ovs-vswitchd(8) says:

  leptonctl trace br-int in_port=tap4f1d2a7b-93,dl_src=…,dl_dst=…,tcp,nw_src=10.0.0.5,nw_dst=10.0.0.9,tp_dst=22

A packet that does not say of which connection it is (ct_state, ct_nw_src, …)
counts as the first of its own: ofproto/trace does not ask the connection
tracker, and security group rules judge connections. With --raw nothing is
added to the packet.`,
		Args: args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			h, err := f.host(s)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), lookTime)
			defer cancel()
			if !raw {
				a[1] = inspect.Tracked(a[1])
			}
			text, err := h.sw.Trace(ctx, a[0], h.objects(cmd), a[1:]...)
			if err != nil {
				return h.explain(err)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "take the packet as it is described")
	f.add(cmd)
	return cmd
}

// hostFlags choose the host whose switch is asked: this machine, or one of a lab.
type hostFlags struct{ config, name string }

func (f *hostFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.config, "config", "", "the agent's configuration `file` (default: the service's, "+installedConfig+")")
	cmd.Flags().StringVar(&f.name, "host", "", "with --lab: the `host` of the lab")
}

func (f *hostFlags) host(s *settings) (*host, error) {
	switch {
	case s.lab == "" && f.name != "":
		return nil, usage(errors.New("--host names a host of a lab, and no --lab is given"))
	case s.lab == "":
		return here(f.config)
	case f.config != "":
		return nil, usage(errors.New("--config is for this machine, and --lab for another"))
	}
	dir, err := s.agentDir(f.name)
	if err != nil {
		return nil, err
	}
	return here(filepath.Join(dir, "agent.yaml"))
}
