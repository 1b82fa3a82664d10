package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/lab"
)

// This file: stock DHCP clients in guests. Their scripts write down what they
// were told and change nothing: guests share the machine's files.

// tellScript prints the reason and what came with it, a variable a line.
const tellScript = "#!/bin/sh\n[ -n \"$reason\" ] || reason=$1\necho told reason=$reason\nenv | sed 's/^/told /' | grep -v -e PATH= -e PWD= -e SHLVL= -e LEPTON_\n"

// Told is what a client was told, by the client's own names.
type Told map[string]string

// readTold reads what the script printed for the last of the reasons.
func readTold(out string, reasons ...string) Told {
	var t Told
	for line := range strings.Lines(out) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "told ")
		key, value, pair := strings.Cut(line, "=")
		if !ok || !pair {
			continue
		}
		if key == "reason" && !slices.Contains(reasons, t["reason"]) {
			t = Told{}
		}
		if t != nil && t[key] == "" {
			t[key] = value
		}
	}
	if !slices.Contains(reasons, t["reason"]) {
		return nil
	}
	return t
}

// Bare plugs a guest whose NIC has no address: it must ask for one.
func (c *Cloud) Bare(host, name string, p Port) Guest {
	c.Helper()
	g, err := c.Lab.Plug(c.Context(), lab.PlugRequest{Host: host, Port: p.ID, Guest: name, NoAddress: true, Wait: true})
	c.Must(err)
	return c.guest(g, p)
}

// script puts the script into a directory of its own, and a client's files.
func (c *Cloud) script() (dir, path string) {
	c.Helper()
	dir = shortDir(c)
	path = filepath.Join(dir, "tell")
	c.Must(os.WriteFile(path, []byte(tellScript), 0o755))
	return dir, path
}

// client runs a client in the guest and gives what it printed, also when it has
// failed: then it was told nothing.
func (c *Cloud) client(g Guest, argv ...string) string {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	out, err := g.Exec(ctx, argv...)
	if err != nil {
		return fmt.Sprint(out, err)
	}
	return out
}

// Udhcpc gives what busybox's client is told, nil when nobody answers for two
// seconds. more are further arguments.
func (c *Cloud) Udhcpc(g Guest, more ...string) Told {
	c.Helper()
	_, script := c.script()
	argv := append([]string{"udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "2", "-T", "1", "-s", script}, more...)
	return readTold(c.client(g, argv...), "bound")
}

// Dhclient gives what ISC's client is told; family is 4, 6, or 60 for options of
// IPv6 alone.
func (c *Cloud) Dhclient(g Guest, family int) Told {
	c.Helper()
	dir, script := c.script()
	in := func(name string) string { return filepath.Join(dir, name) }
	c.Must(os.WriteFile(in("conf"), []byte(`timeout 5;
option classless code 121 = array of unsigned integer 8;
request subnet-mask, broadcast-address, routers, domain-name, domain-name-servers, host-name, interface-mtu, classless, dhcp6.name-servers, dhcp6.domain-search;
`), 0o644))
	how, reasons := []string{"-4"}, []string{"BOUND"}
	switch family {
	case 6:
		how, reasons = []string{"-6", "-N"}, []string{"BOUND6"}
	case 60:
		how, reasons = []string{"-6", "-S"}, []string{"RENEW6"}
	}
	// Once it has an address it stays in the background.
	argv := append([]string{
		"sh", "-c", `"$@"; [ ! -e ` + in("pid") + ` ] || kill $(cat ` + in("pid") + `)`, "sh",
		"dhclient", "-1", "-v", "-cf", in("conf"), "-lf", in("leases"), "-pf", in("pid"), "-sf", script,
	}, how...)
	out := c.client(g, append(argv, "eth0")...)
	t := readTold(out, reasons...)
	if t == nil {
		c.Logf("dhclient: %s", out)
	}
	return t
}
