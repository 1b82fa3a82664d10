package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/lepton-sdn/lepton/inspect"
	"github.com/lepton-sdn/lepton/lab"
)

func newStatus(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Show a lab's hosts, programs and guests; exits 1 if something is not as it should be",
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := s.open()
			if err != nil {
				return err
			}
			st, err := l.Status(cmd.Context())
			if err != nil {
				return err
			}
			if s.forPrograms() {
				err = s.print(cmd.OutOrStdout(), st)
			} else {
				err = printStatus(cmd.OutOrStdout(), st)
			}
			if err == nil && !st.Healthy() {
				return exitError(exitFailed)
			}
			return err
		},
	}
	addOutput(cmd, s)
	return cmd
}

// print writes a value for programs: as JSON, or as YAML with the same keys.
func (s *settings) print(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if s.output == "yaml" {
		var plain any
		if err := json.Unmarshal(b, &plain); err != nil {
			return err
		}
		e := yaml.NewEncoder(w)
		e.SetIndent(2)
		return errors.Join(e.Encode(plain), e.Close())
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}

// forPrograms reports whether the output is not for people.
func (s *settings) forPrograms() bool { return s.output != "table" }

// table writes rows in columns; the first row is the heading. Cells may be what
// others wrote.
func table(w io.Writer, rows [][]string) error {
	var text strings.Builder
	tw := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		for i, cell := range r {
			r[i] = inspect.Plain(cmp.Or(cell, "-"))
		}
		fmt.Fprintln(tw, strings.Join(r, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

func printStatus(w io.Writer, st lab.Status) error {
	fmt.Fprintf(w, "lab %s in %s, datapath %s%s\n\n", st.Name, st.Dir, st.Datapath, remarks(st))
	hosts := [][]string{{"HOST", "ROLES", "NAMESPACE", "MANAGEMENT", "TUNNEL", "BRIDGES", "AGENT"}}
	programs := [][]string{{"HOST", "PROGRAM", "PROCESS", "STATE", "LOG"}}
	for _, h := range st.Hosts {
		hosts = append(hosts, []string{
			h.Name, strings.Join(h.Roles, ","), h.Namespace,
			h.Management.String(), h.Tunnel.String(), mappings(h.Mappings), h.Agent,
		})
		for _, p := range h.Processes {
			state := "running"
			if !p.Alive {
				state = "ended"
			}
			programs = append(programs, []string{h.Name, p.Name, strconv.Itoa(p.PID), state, shorten(st.Dir, p.Log)})
		}
	}
	guests := [][]string{{"GUEST", "HOST", "NIC", "PORT", "TAP", "MAC", "MTU", "ADDRESSES", "STATUS"}}
	for _, g := range st.Guests {
		for _, n := range g.NICs {
			guests = append(guests, []string{
				g.Name, g.Host, n.Link, n.Port, n.Tap, n.MAC, strconv.Itoa(n.MTU), addresses(n), g.Status[n.Port],
			})
		}
	}
	err := firstOf(table(w, hosts), blank(w), table(w, programs))
	if err == nil && len(st.Guests) > 0 {
		err = firstOf(blank(w), table(w, guests))
	}
	if err == nil && st.Problem != "" {
		_, err = fmt.Fprintf(w, "\nthe controller does not answer: %s\n", inspect.Plain(st.Problem))
	}
	return err
}

func blank(w io.Writer) error {
	_, err := fmt.Fprintln(w)
	return err
}

func remarks(st lab.Status) string {
	switch {
	case !st.Ready:
		return " (not ready: it is being built, or building it was interrupted)"
	case st.Bare:
		return " (bare: nothing of Lepton runs)"
	}
	return ""
}

func mappings(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+":"+m[k])
	}
	return strings.Join(out, ",")
}
