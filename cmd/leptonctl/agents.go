package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/inspect"
	"github.com/lepton-sdn/lepton/lab"
)

func newAgents(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "agents", Short: "Show the agents: alive, in sync, and what they cannot do",
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			agents, err := api.Agents(cmd.Context())
			if err != nil {
				return s.failed("list agents", err)
			}
			slices.SortFunc(agents, func(a, b lab.Agent) int { return cmp.Compare(a.Host, b.Host) })
			if s.forPrograms() {
				return s.print(cmd.OutOrStdout(), agents)
			}
			return printAgents(cmd.OutOrStdout(), agents)
		},
	}
	addOutput(cmd, s)
	return cmd
}

func printAgents(w io.Writer, agents []lab.Agent) error {
	rows := [][]string{{"HOST", "AGENT", "ALIVE", "IN SYNC", "DEVICES", "PROBLEMS"}}
	var problems []string
	for _, a := range agents {
		c := a.Configurations
		inSync := ""
		if c.InSync != nil && a.Alive { // what a silent one said last is no longer known to be so
			inSync = yesNo(*c.InSync)
		}
		rows = append(rows, []string{
			a.Host, a.Type, yesNo(a.Alive), inSync, strconv.Itoa(c.Devices), strconv.Itoa(len(c.Problems)),
		})
		if !a.Alive {
			problems = append(problems, fmt.Sprintf("%s: %s: no heartbeat since %s UTC", a.Host, a.Type, a.HeartbeatAt))
		}
		for _, p := range c.Problems {
			problems = append(problems, a.Host+": "+p)
		}
	}
	if err := table(w, rows); err != nil {
		return err
	}
	for i, p := range problems {
		if i == 0 {
			fmt.Fprintln(w)
		}
		if _, err := fmt.Fprintln(w, inspect.Plain(p)); err != nil {
			return err
		}
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
