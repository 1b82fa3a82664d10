package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/pki"
)

// This file: what a shell offers behind a tab. It asks files only, as a shell waits
// for it; what cannot be read offers nothing.

const nothingElse = cobra.ShellCompDirectiveNoFileComp

// offer has a flag's values completed, where the command has the flag.
func offer(cmd *cobra.Command, flag string, values func(args []string) []string) {
	register(cmd, flag, nothingElse, values)
}

// files has a flag completed with files, or with values beside them.
func files(cmd *cobra.Command, flag string, values ...string) {
	register(cmd, flag, cobra.ShellCompDirectiveDefault, fixed(values...))
}

func register(cmd *cobra.Command, flag string, directive cobra.ShellCompDirective, values func(args []string) []string) {
	if cmd.Flags().Lookup(flag) == nil && cmd.PersistentFlags().Lookup(flag) == nil {
		return
	}
	err := cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, a []string, _ string) ([]string, cobra.ShellCompDirective) {
		return values(a), directive
	})
	if err != nil {
		panic(err) // the flag was registered twice
	}
}

func fixed(values ...string) func([]string) []string {
	return func([]string) []string { return values }
}

// complete has the whole tree of commands completed.
func complete(root *cobra.Command, s *settings) {
	root.CompletionOptions.SetDefaultShellCompDirective(nothingElse)
	labs := func([]string) []string {
		names, _ := lab.List(s.dir)
		return names
	}
	offer(root, "lab", labs)
	_ = root.MarkPersistentFlagDirname("dir") // it is there
	for _, cmd := range every(root) {
		offer(cmd, "output", fixed("table", "json", "yaml"))
		for _, flag := range []string{"config", "socket", "token-file", "from-token-file"} {
			files(cmd, flag)
		}
		values := map[string]func([]string) []string{}
		switch cmd.CommandPath() {
		case "leptonctl lab":
			values["name"] = labs
		case "leptonctl lab up":
			files(cmd, "topology", lab.Topologies()...)
			_ = cmd.MarkFlagDirname("bin")
		case "leptonctl audit", "leptonctl release", "leptonctl flows", "leptonctl trace":
			values["host"] = s.labPlaces(lab.HostPlan.RunsAgent, false)
		case "leptonctl certs issue", "leptonctl certs renew":
			values["role"] = fixed(config.Roles()...)
		case "leptonctl explain":
			values["proto"] = fixed("icmp", "tcp", "udp", "sctp")
		case "leptonctl events":
			values["kind"] = fixed("change", "state", "applied", "agent")
		}
		for flag, of := range values {
			offer(cmd, flag, of)
		}
		if of := s.arguments(cmd); of != nil {
			cmd.ValidArgsFunction = func(_ *cobra.Command, a []string, _ string) ([]string, cobra.ShellCompDirective) {
				return of(a), nothingElse
			}
		}
	}
}

// arguments gives what completes a command's arguments, given those before; nil where
// nothing does.
func (s *settings) arguments(cmd *cobra.Command) func([]string) []string {
	first := func(of func([]string) []string) func([]string) []string {
		return func(a []string) []string {
			if len(a) > 0 {
				return nil
			}
			return of(a)
		}
	}
	switch cmd.CommandPath() {
	case "leptonctl flows", "leptonctl trace":
		return first(func([]string) []string {
			if s.lab != "" {
				return []string{"br-int", "br-tun"}
			}
			h, err := here("")
			if err != nil {
				return nil
			}
			return slices.Sorted(maps.Keys(h.sw.Kinds))
		})
	case "leptonctl lab exec", "leptonctl lab shell":
		return first(s.labPlaces(anyHost, true))
	case "leptonctl lab plug":
		return first(s.labPlaces(anyHost, false))
	case "leptonctl lab unplug":
		return first(s.labPlaces(nil, true))
	case "leptonctl lab stop", "leptonctl lab start":
		return func(a []string) []string {
			switch len(a) {
			case 0:
				return s.labPlaces(anyHost, false)(a)
			case 1:
				return lab.Programs()
			}
			return nil
		}
	case "leptonctl certs renew", "leptonctl certs revoke", "leptonctl certs show":
		return func([]string) []string { return holders(cmd.Flag("dir").Value.String()) }
	}
	return nil
}

func anyHost(lab.HostPlan) bool { return true }

// labPlaces gives the names of a lab's hosts, nil for none of them, and guests.
func (s *settings) labPlaces(hosts func(lab.HostPlan) bool, guests bool) func([]string) []string {
	return func([]string) []string {
		l, err := s.open()
		if err != nil {
			return nil
		}
		var out []string
		for _, h := range l.Plan().Hosts {
			if hosts != nil && hosts(h) {
				out = append(out, h.Name)
			}
		}
		if guests {
			list, _ := l.Guests()
			for _, g := range list {
				out = append(out, g.Name)
			}
		}
		return out
	}
}

func holders(dir string) []string {
	d, err := pki.OpenDirectory(dir)
	if err != nil {
		return nil
	}
	list, _ := d.Holders()
	var out []string
	for _, h := range list {
		out = append(out, h.Host)
	}
	return out
}

func every(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		out = append(out, every(c)...)
	}
	return out
}
