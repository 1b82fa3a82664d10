package ovstest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// schema is where Debian's openvswitch-common keeps the database schema.
const schema = "/usr/share/openvswitch/vswitch.ovsschema"

// commandTimeout bounds every command that a Switch runs.
const commandTimeout = 30 * time.Second

// Switch is a running Open vSwitch. Its methods fail the test on an error,
// except those whose name starts with Try.
type Switch struct {
	// Dir holds the sockets, the database and the logs; it is the OVS_RUNDIR.
	Dir string

	t      testing.TB
	netns  *process // holds the network namespace
	ovsdb  *process
	daemon *process // ovs-vswitchd, nil while stopped
	starts int
}

// Start runs an Open vSwitch without bridges until the test ends.
func Start(t testing.TB) *Switch {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("a private Open vSwitch needs root: run the tests as root")
	}
	// Not t.TempDir: its long names break the 108 bytes of a socket's path.
	dir, err := os.MkdirTemp("", "ovs")
	if err != nil {
		t.Fatalf("make a directory for Open vSwitch: %v", err)
	}
	s := &Switch{Dir: dir, t: t}
	t.Cleanup(s.close)

	s.netns = s.start("unshare", "--net", "sleep", "infinity")
	s.waitFor("the network namespace", func() bool {
		own, _ := os.Readlink("/proc/self/ns/net")
		its, err := os.Readlink(s.NetnsPath())
		return err == nil && its != own
	})
	s.Exec("ip", "link", "set", "lo", "up")
	s.run("ovsdb-tool", "create", filepath.Join(dir, "conf.db"), schema)
	s.ovsdb = s.start("ovsdb-server", filepath.Join(dir, "conf.db"),
		"--remote=punix:"+filepath.Join(dir, "db.sock"), "--unixctl="+filepath.Join(dir, "ovsdb.ctl"),
		"-vconsole:off", "-vsyslog:off", "--log-file="+filepath.Join(dir, "ovsdb-server.log"))
	s.waitFor("the database", func() bool { // the socket's file is there a moment before somebody listens
		if !exists(filepath.Join(dir, "db.sock")) {
			return false
		}
		_, err := s.try("ovs-vsctl", "--no-wait", "--db="+s.DB(), "init")
		return err == nil
	})
	s.StartDaemon()
	return s
}

// StartDaemon starts ovs-vswitchd again after StopDaemon.
func (s *Switch) StartDaemon() {
	s.t.Helper()
	s.daemon = s.start("nsenter", "--net="+s.NetnsPath(), "ovs-vswitchd", s.DB(),
		"--unixctl="+s.unixctl(), "-vconsole:off", "-vsyslog:off", "--log-file="+filepath.Join(s.Dir, "ovs-vswitchd.log"))
	s.starts++
	s.waitFor("ovs-vswitchd", func() bool {
		// ovs-vsctl waits for the daemon only if it has changed something.
		_, err := s.try("ovs-vsctl", "--db="+s.DB(), "--timeout=2", "set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:starts=%d", s.starts))
		return err == nil
	})
}

// StopDaemon kills ovs-vswitchd, as a crash does. Bridges stay in the database.
func (s *Switch) StopDaemon() {
	s.daemon.stop()
	s.daemon = nil
	_ = os.Remove(s.unixctl())
}

// AddBridge makes a bridge with the userspace datapath, secure, that speaks
// every version of OpenFlow. More ovs-vsctl words may follow, such as "--",
// "set", "bridge", name, "datapath_id=…".
func (s *Switch) AddBridge(name string, more ...string) {
	s.t.Helper()
	s.Vsctl(append([]string{
		"add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "fail_mode=secure",
		"protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15",
	}, more...)...)
}

// AddPort adds an internal port with this OpenFlow port number and waits until
// it has it.
func (s *Switch) AddPort(bridge, name string, ofport int) {
	s.t.Helper()
	s.Vsctl("add-port", bridge, name, "--", "set", "interface", name, "type=internal", "ofport_request="+strconv.Itoa(ofport))
	if got := strings.TrimSpace(s.Vsctl("get", "interface", name, "ofport")); got != strconv.Itoa(ofport) {
		s.t.Fatalf("add port %s: has OpenFlow port %s, asked for %d", name, got, ofport)
	}
}

// Vsctl runs ovs-vsctl and gives its output.
func (s *Switch) Vsctl(args ...string) string {
	s.t.Helper()
	return s.run("ovs-vsctl", append([]string{"--db=" + s.DB(), "--timeout=20"}, args...)...)
}

// Ofctl runs ovs-ofctl and gives its output.
func (s *Switch) Ofctl(args ...string) string {
	s.t.Helper()
	return s.run("ovs-ofctl", args...)
}

// TryOfctl is Ofctl for a command that may fail; the error holds what it wrote.
func (s *Switch) TryOfctl(args ...string) (string, error) { return s.try("ovs-ofctl", args...) }

// AddFlows installs flows, one per line as for ovs-ofctl add-flows, in one
// bundle. It wants all of OpenFlow, so that no form is refused for its version.
func (s *Switch) AddFlows(bridge, flows string) {
	s.t.Helper()
	path := filepath.Join(s.Dir, "flows.txt")
	if err := os.WriteFile(path, []byte(flows), 0o600); err != nil {
		s.t.Fatalf("write flows for %s: %v", bridge, err)
	}
	s.Ofctl("-O", "OpenFlow15", "--bundle", "add-flows", bridge, path)
}

// Appctl runs ovs-appctl against ovs-vswitchd and gives its output.
func (s *Switch) Appctl(args ...string) string {
	s.t.Helper()
	return s.run("ovs-appctl", append([]string{"-t", s.unixctl()}, args...)...)
}

// Exec runs a command in the switch's network namespace and gives its output.
func (s *Switch) Exec(args ...string) string {
	s.t.Helper()
	return s.run("nsenter", append([]string{"--net=" + s.NetnsPath()}, args...)...)
}

// DB is the OVSDB remote, such as unix:/tmp/ovs123/db.sock.
func (s *Switch) DB() string { return "unix:" + filepath.Join(s.Dir, "db.sock") }

// Mgmt is the path of a bridge's OpenFlow management socket.
func (s *Switch) Mgmt(bridge string) string { return filepath.Join(s.Dir, bridge+".mgmt") }

// NetnsPath is a path of the network namespace that the switch runs in.
func (s *Switch) NetnsPath() string { return fmt.Sprintf("/proc/%d/ns/net", s.netns.pid) }

// Env is the environment in which Open vSwitch's tools find this switch.
func (s *Switch) Env() []string {
	return append(os.Environ(), "OVS_RUNDIR="+s.Dir, "OVS_DBDIR="+s.Dir, "OVS_LOGDIR="+s.Dir)
}

func (s *Switch) unixctl() string { return filepath.Join(s.Dir, "ovs-vswitchd.ctl") }

func (s *Switch) run(name string, args ...string) string {
	s.t.Helper()
	out, err := s.try(name, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *Switch) try(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = s.Env()
	cmd.WaitDelay = time.Second
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

func (s *Switch) waitFor(what string, ready func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(commandTimeout); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ready() {
			return
		}
	}
	s.t.Fatalf("wait for %s: not there after %s", what, commandTimeout)
}

// close ends the processes, last started first, and shows the daemon's log if
// the test failed.
func (s *Switch) close() {
	for _, p := range []*process{s.daemon, s.ovsdb, s.netns} {
		if p != nil {
			p.stop()
		}
	}
	if s.t.Failed() {
		s.t.Logf("end of the log of ovs-vswitchd:\n%s", tail(filepath.Join(s.Dir, "ovs-vswitchd.log"), 30))
	}
	_ = os.RemoveAll(s.Dir)
}

func tail(path string, lines int) string {
	b, _ := os.ReadFile(path)
	all := slices.Collect(strings.Lines(string(b)))
	return strings.Join(all[max(0, len(all)-lines):], "")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
