package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// run runs one of the programs to its end and gives its output and exit code.
func run(t testing.TB, program string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(BinDir(), program), args...).CombinedOutput()
	code, ran := lab.ExitCode(err)
	if err != nil && !ran {
		t.Fatal(err)
	}
	return string(out), code
}

// program runs one of the programs with the configuration, which makes it end.
func program(t *testing.T, name, yaml string) (out string, code int, took time.Duration) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	out, code = run(t, "lepton-"+name, "--config", file)
	return strings.ReplaceAll(out, file, "FILE"), code, time.Since(start)
}

func TestProgramsRefuseWhatTheyCannotDo(t *testing.T) {
	for _, tc := range []struct {
		name, program, config string
		code                  int
		says                  []string
	}{
		{
			"unknown keys of the controller", "controller", "api: { listen: \"127.0.0.1:9696\" }\nnetwork:\n  vxlan: { vni_rangers: [\"1:2\"] }\nnetwrok: {}\n", 2,
			[]string{`FILE:3: unknown key "vni_rangers"`, `FILE:4: unknown key "netwrok"`},
		},
		{
			"unknown keys of the agent", "agent", "host: hv9\novs:\n  bridge_mapings: { physnet1: br-phys }\n", 2,
			[]string{`FILE:3: unknown key "bridge_mapings"`},
		},
		{"values of the wrong kind", "agent", "host: hv9\ntunnel:\n  vxlan_port: many\n", 2, []string{"FILE:3: ", "many"}},
		{"no YAML", "controller", "api: [\n", 2, []string{"FILE:", "did not find"}},
		{
			"an API for everybody without authentication", "controller", "api: { listen: \"0.0.0.0:9696\" }\n", 2,
			[]string{"FILE: api.listen:", "0.0.0.0:9696", "auth.mode none", "loopback"},
		},
		{
			"agents elsewhere without TLS", "controller", "rpc: { listen: \"192.0.2.1:9797\" }\n", 2,
			[]string{"FILE: rpc.listen:", "192.0.2.1:9797", "rpc.tls"},
		},
		{
			"several values", "controller", "api: { listen: \"0.0.0.0:9696\" }\nrpc: { listen: \"192.0.2.1:9797\" }\n", 2,
			[]string{"FILE: api.listen:", "FILE: rpc.listen:"},
		},
		{
			"a controller elsewhere without TLS", "agent", "host: hv9\ncontroller: { address: \"192.0.2.1:9797\" }\n", 2,
			[]string{"FILE: controller.tls:", "192.0.2.1:9797"},
		},
		{
			"one bridge for two physical networks", "agent", "host: hv9\novs: { bridge_mappings: { physnet1: br-phys, physnet2: br-phys } }\n", 2,
			[]string{"FILE: ovs.bridge_mappings.physnet2:", "br-phys"},
		},
		{
			"tunnels without an address", "agent", "host: hv9\ntunnel: { types: [vxlan] }\n", 2,
			[]string{"FILE: tunnel.local_ip:", "vxlan"},
		},
		{
			"VNIs that are none", "controller", "network: { vxlan: { vni_ranges: [\"9:1\"] } }\n", 2,
			[]string{"FILE: network:", "9:1"},
		},
		{
			"files that are not there", "agent", "host: hv9\ncontroller: { address: \"192.0.2.1:9797\", tls: { cert: /nonexistent/c, key: /nonexistent/k, ca: /nonexistent/ca } }\nstate_dir: " + t.TempDir() + "\n", 1,
			[]string{"controller.tls", "/nonexistent/c"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, code, took := program(t, tc.program, tc.config)
			if code != tc.code || !hasAll(out, tc.says) {
				t.Errorf("exits %d, want %d, and says:\n%s\nwant %q", code, tc.code, out, tc.says)
			}
			if took > 5*time.Second {
				t.Errorf("only after %s", took)
			}
		})
	}
}

func TestAControllerWithoutItsStoreSaysSo(t *testing.T) {
	closed := make([]string, 2)
	for i := range closed {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		closed[i] = l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	out, code, took := program(t, "controller", fmt.Sprintf("store: { endpoints: [%q, %q] }\n", closed[0], "http://"+closed[1]))
	if code != 1 || !hasAll(out, []string{"open store", closed[0], "http://" + closed[1], "store unavailable", "connection refused"}) {
		t.Errorf("exits %d and says:\n%s", code, out)
	}
	if took > 15*time.Second {
		t.Errorf("only after %s", took)
	}
}

// started is a program that runs until the test stops it.
type started struct {
	cmd *exec.Cmd
	out *lines
}

// startProgram starts a program and waits until it has said the words.
func startProgram(t *testing.T, name, config, words string) started {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	s := started{exec.Command(filepath.Join(BinDir(), "lepton-"+name), "--config", file), &lines{}}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it has ended if the test went well
		_ = s.cmd.Wait()
	})
	for deadline := time.Now().Add(patience); !strings.Contains(s.out.String(), words); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s says no %q but:\n%s", name, words, s.out)
		}
	}
	return s
}

// end asks the program to end, which it must do at once and well.
func (s started) end(t *testing.T) {
	t.Helper()
	asked := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil || time.Since(asked) > 10*time.Second {
		t.Errorf("asked to end, after %s: %v, output:\n%s", time.Since(asked), err, s.out)
	}
}

func TestASecondControllerIsToldWhatTheFirstHolds(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	api := free.Addr().String()
	config := func(dir string) string {
		return fmt.Sprintf("api: { listen: %q }\nrpc: { listen: \"127.0.0.1:0\" }\nmetrics: { listen: \"127.0.0.1:0\" }\nstore: { embedded: { dir: %q } }\n", api, dir)
	}
	dir := t.TempDir()
	if out, code, _ := program(t, "controller", config(dir)); code != 1 || !hasAll(out, []string{"api.listen", api, "address already in use"}) {
		t.Errorf("with its address in use it exits %d and says:\n%s", code, out)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	first := startProgram(t, "controller", config(dir), "ready: API on "+api)
	if out, code, _ := program(t, "controller", config(dir)); code != 1 || !hasAll(out, []string{dir, "another program uses the directory"}) {
		t.Errorf("with its directory in use it exits %d and says:\n%s", code, out)
	}
	first.end(t)
}

func TestAnAgentWithoutOpenVSwitchSaysSoAndWaits(t *testing.T) {
	dir := t.TempDir()
	waiting := startProgram(t, "agent", fmt.Sprintf(`host: hv9
state_dir: %[1]s/state
run_dir: %[1]s/run
ovs: { db: "unix:%[1]s/db.sock", run_dir: %[1]s, openflow_listen: "127.0.0.1:0" }
metrics: { listen: "127.0.0.1:0" }
`, dir), "cannot reach the database")
	if !strings.Contains(waiting.out.String(), dir+"/db.sock") {
		t.Errorf("it does not say which:\n%s", waiting.out)
	}
	waiting.end(t)
}
