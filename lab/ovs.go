package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The names of Open vSwitch's two programs, in the order they start.
const (
	ovsdbServer = "ovsdb-server"
	ovsVswitchd = "ovs-vswitchd"
)

const ovsSchema = "/usr/share/openvswitch/vswitch.ovsschema"

// maxSocketPath is what a Unix socket's address holds (unix(7): sun_path of
// 108 bytes with its final zero).
const maxSocketPath = 107

// pickDatapath decides what "auto" means on this machine.
func pickDatapath(ctx context.Context, wish string) string {
	if wish != "auto" {
		return wish
	}
	if _, err := os.Stat("/sys/module/openvswitch"); err == nil {
		return "system"
	}
	if exec.CommandContext(ctx, "modprobe", "-q", "openvswitch").Run() == nil {
		return "system"
	}
	return "netdev"
}

// datapathType gives the value for Bridge.datapath_type.
func (p *Plan) datapathType() string {
	if p.Datapath == "netdev" {
		return "netdev"
	}
	return ""
}

// environment is that of everything that runs on a host: Open vSwitch's tools
// find the host's own switch, and stock OpenStack clients the lab's API, which
// answers on the controller's loopback.
func (h HostPlan) environment() []string {
	return append(withoutVariables(os.Environ(), "OVS_", "OS_", markVariable+"="),
		"OVS_RUNDIR="+h.ovsDir(), "OVS_DBDIR="+h.ovsDir(), "OVS_LOGDIR="+h.ovsDir(),
		"OS_AUTH_TYPE=none", "OS_ENDPOINT=http://"+apiListen,
		"LEPTON_HOST="+h.Name, "LEPTON_AGENT_CONFIG="+h.configFile(agentProgram))
}

func withoutVariables(env []string, prefixes ...string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(v, p) })
	})
}

// createDatabase makes the empty Open_vSwitch database that every host gets a
// copy of.
func (b *builder) createDatabase(ctx context.Context) ([]byte, error) {
	dir := filepath.Join(b.plan.Dir, "template") // ovsdb-tool leaves a lock file beside the database
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create Open vSwitch database: %w", err)
	}
	path := filepath.Join(dir, "empty.db")
	out, err := b.lab.command(ctx, "ovsdb-tool", "create", path, ovsSchema).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("create Open vSwitch database: ovsdb-tool is missing: install the package openvswitch-switch")
	}
	if err != nil {
		return nil, fmt.Errorf("create Open vSwitch database: %w: %s", err, bytes.TrimSpace(out))
	}
	return os.ReadFile(path)
}

// startOVS starts a host's Open vSwitch on a copy of the empty database, and
// cables it: the underlay's bridge with the tunnel address, and the provider
// bridges. It returns when ovs-vswitchd has done it all.
func (b *builder) startOVS(ctx context.Context, h HostPlan, emptyDB []byte) error {
	if err := os.WriteFile(filepath.Join(h.ovsDir(), "conf.db"), emptyDB, 0o644); err != nil {
		return fmt.Errorf("host %s: write Open vSwitch database: %w", h.Name, err)
	}
	for _, name := range []string{ovsdbServer, ovsVswitchd} {
		if err := b.lab.launch(ctx, h, name); err != nil {
			return err
		}
	}
	args := []string{
		"--", "set", "Open_vSwitch", ".", "external_ids:system-id=" + h.Name, "external_ids:hostname=" + h.Name,
	}
	for _, c := range h.Cables {
		if c.Bridge == "" {
			continue
		}
		args = append(args, "--", "add-br", c.Bridge)
		if t := b.plan.datapathType(); t != "" {
			args = append(args, "--", "set", "Bridge", c.Bridge, "datapath_type="+t)
		}
		args = append(args, "--", "add-port", c.Bridge, c.Link)
		if c.Bridge == underlayBridge {
			args = append(args, "--", "set", "Bridge", c.Bridge, `other_config:hwaddr="`+h.underlayMAC()+`"`)
		}
	}
	args = append(args, b.plan.joinArgs(h)...)
	if _, err := b.lab.vsctl(ctx, h, args...); err != nil {
		return err
	}
	return h.addressBridges(ctx)
}

// addressBridges puts the host's addresses on its bridges.
func (h HostPlan) addressBridges(ctx context.Context) error {
	if err := addressUnderlay(ctx, h); err != nil {
		return err
	}
	return addressJoin(ctx, h)
}

// addressUnderlay puts the tunnel address on the underlay's bridge. The link
// is made anew each time ovs-vswitchd starts, so this is done then too.
func addressUnderlay(ctx context.Context, h HostPlan) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("ovs-vswitchd has not made it after 20 s"))
	defer cancel()
	err := withLinks(h.Namespace, func(l *links) error {
		err := poll(ctx, 5*time.Millisecond, func() (bool, error) { return l.exists(underlayBridge) })
		if err != nil {
			return fmt.Errorf("wait for link %s: %w", underlayBridge, context.Cause(ctx))
		}
		if h.Tunnel.Addr().Is6() {
			enable := sysctl{"ipv6/conf/" + underlayBridge + "/disable_ipv6", "0"}
			if err := inside(h.Namespace, enable.set); err != nil {
				return err
			}
		}
		return l.addAddress(underlayBridge, h.Tunnel)
	})
	if err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	return nil
}

// command is a tool that the lab runs in passing. It carries the mark too: it
// may outlive a program that is killed.
func (l *Lab) command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(withoutVariables(os.Environ(), "OVS_", markVariable+"="), markVariable+"="+l.mark)
	return cmd
}

// vsctl runs ovs-vsctl as one transaction on the host and waits until
// ovs-vswitchd has followed it.
func (l *Lab) vsctl(ctx context.Context, h HostPlan, args ...string) (string, error) {
	argv := append([]string{"ovs-vsctl", "--db=unix:" + h.dbSocket(), "--timeout=30"}, args...)
	out, err := l.command(ctx, argv...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("host %s: %s: %w: %s; the end of ovs-vswitchd's log:\n%s", h.Name, strings.Join(argv, " "), err,
			bytes.TrimSpace(out), tail(filepath.Join(h.ovsDir(), ovsVswitchd+".log"), 10))
	}
	return string(out), nil
}

// ovsArgv gives the command lines of Open vSwitch's programs, and how to tell
// that they are ready.
func ovsArgv(h HostPlan, name string) []string {
	common := []string{"--pidfile", "-vconsole:off", "-vsyslog:off", "--log-file=" + filepath.Join(h.ovsDir(), name+".log")}
	if name == ovsdbServer {
		return append([]string{ovsdbServer, filepath.Join(h.ovsDir(), "conf.db"), "--remote=punix:" + h.dbSocket()}, common...)
	}
	return append([]string{ovsVswitchd, "unix:" + h.dbSocket()}, common...)
}

// reachable reports whether something accepts connections on the socket.
func reachable(network, address string) bool {
	c, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// poll asks again and again, with a pause that grows to 16 times the first
// one, until the answer is yes, an error, or the context is done.
func poll(ctx context.Context, pause time.Duration, done func() (bool, error)) error {
	limit := 16 * pause
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(pause*3/2, limit)
	}
}
