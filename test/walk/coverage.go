package walk

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// notWalked are the commands that no chapter types, by the words that they
// begin with, and why.
var notWalked = map[string]string{
	"bgp":            "dynamic routing is a service of its own",
	"bgpvpn":         "VPNs are a service of their own",
	"firewall group": "the firewall of routers is a service of its own",
	"sfc":            "service function chains are a service of their own",
	"vpn":            "VPNs are a service of their own",
}

// clientCommands reads what the installed client can do for networking.
func clientCommands() ([]string, error) {
	var all []string
	for _, group := range []struct{ files, section string }{
		{"python_openstackclient-*/entry_points.txt", "openstack.network.v2"},
		{"python_neutronclient-*/entry_points.txt", "openstack.neutronclient.v2"},
	} {
		paths, err := filepath.Glob("/usr/lib/python3/dist-packages/" + group.files)
		if err != nil || len(paths) != 1 {
			return nil, fmt.Errorf("find the client's %s: %q, %v", group.files, paths, err)
		}
		commands, err := entryPoints(paths[0], group.section)
		if err != nil {
			return nil, err
		}
		all = append(all, commands...)
	}
	return all, nil
}

// entryPoints reads the commands of a section: "port_create = module:Class".
func entryPoints(path, section string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read entry points: %w", err)
	}
	defer f.Close()
	var commands []string
	inside := false
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, _, isPoint := strings.Cut(lines.Text(), "=")
		switch {
		case strings.HasPrefix(lines.Text(), "["):
			inside = lines.Text() == "["+section+"]"
		case inside && isPoint:
			commands = append(commands, strings.ReplaceAll(strings.TrimSpace(name), "_", " "))
		}
	}
	return commands, lines.Err()
}

// beginsWith reports whether a command begins with whole words.
func beginsWith(command, words string) bool { return strings.HasPrefix(command+" ", words+" ") }
