package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

func TestExitCodesTellWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("hosts: []\nhots: []\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		args string
		want int
	}{
		{"help is fine", "lab --help", 0},
		{"an unknown command", "frob", exitUsage},
		{"an unknown lab command", "lab frob", exitUsage},
		{"an unknown flag", "lab up --frob", exitUsage},
		{"too few arguments", "lab plug hv1", exitUsage},
		{"an unknown output", "lab status -o xml", exitUsage},
		{"an unknown topology", "lab up -t nine-node", exitUsage},
		{"a topology with an unknown key", "lab up -t " + bad, exitUsage},
		{"a lab that is not there", "lab status --name none", exitNotFound},
		{"the API of a lab that is not there", "agents --lab none", exitNotFound},
		{"an API that does not answer", "agents --api http://127.0.0.1:1", exitUnreachable},
		{"status of an API that does not answer", "status --api http://127.0.0.1:1", exitUnreachable},
		{"an address that is no URL", "ports --api 127.0.0.1:9696", exitUsage},
		{"a token file that is not there", "ports --token-file /nonexistent", exitUsage},
		{"a question without ends", "explain --from a", exitUsage},
		{"a size that is no number", "explain --from a --to b --size large", exitUsage},
		{"a question without ends to a port that is not DHCP's", "explain --from a --proto udp --port 66", exitUsage},
		{"a question with an argument", "explain a b", exitUsage},
		{"help about nonsense", "help nonsense", exitUsage},
		{"help about a command's nonsense", "help lab nonsense", exitUsage},
		{"help about a command", "help lab up", 0},
		{"completion for nonsense", "completion nonsense", exitUsage},
		{"completion", "completion bash", 0},
		{"a time that ends before it begins", "events --since 1h --until 2h", exitUsage},
		{"an import from no URL", "import --from neutron", exitUsage},
		{"an import from nobody", "import --from http://127.0.0.1:1", exitUnreachable},
		{"certificates that expire in the past", "certs show --expiring -5", exitUsage},
		{"a host of no lab", "flows --host hv1", exitUsage},
		{"a host of a lab that is not there", "trace --lab none --host hv1 br-int in_port=1", exitNotFound},
		{"two machines at once", "flows --lab none --config /etc/lepton/agent.yaml", exitUsage},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append([]string{"--dir", dir}, strings.Fields(tc.args)...)
			if got := run(t.Context(), args); got != tc.want {
				t.Fatalf("exit code %d, want %d", got, tc.want)
			}
		})
	}
}

func TestCertsMakeAndKeepAnAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	for _, step := range []struct {
		args string
		want int
	}{
		{"show", exitNotFound},
		{"issue hv1", exitNotFound},
		{"init --cloud test", 0},
		{"init", exitExists},
		{"issue ctl1 --address 192.0.2.10 --name api.cloud.example", 0},
		{"issue hv1 --days 20 --role l2,metadata", 0},
		{"issue hv2 --role router", exitUsage},
		{"issue hv1", exitExists},
		{"issue ../hv1", exitUsage},
		{"issue hv2 --address nowhere", exitUsage},
		{"issue hv2 --days 0", exitUsage},
		{"show", 0},
		{"show --expiring 30", exitFailed},
		{"show hv9", exitNotFound},
		{"renew", exitUsage},
		{"renew hv9", exitNotFound},
		{"renew hv1 --all", exitUsage},
		{"renew --all", 0},
		{"show --expiring 30", 0},
		{"show -o yaml", 0},
		{"revoke", exitUsage},
		{"revoke hv9", exitNotFound},
		{"revoke hv1", 0},
		{"show", exitFailed},
		{"renew hv1", 0},
		{"show", 0},
	} {
		if got := run(t.Context(), append(strings.Fields("certs "+step.args), "--dir", dir)); got != step.want {
			t.Fatalf("certs %s: exit code %d, want %d", step.args, got, step.want)
		}
	}
}

func TestAgentsShowsProblemsBelowTheTable(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2.0/agents" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprint(w, `{"agents": [
			{"host": "hv2", "agent_type": "Open vSwitch agent", "alive": true,
			 "configurations": {"devices": 3, "in_sync": false, "problems": ["bridge br-x: missing"]}},
			{"host": "hv1", "agent_type": "Open vSwitch agent", "alive": false, "heartbeat_timestamp": "2026-01-02 03:04:05",
			 "configurations": {"devices": 2, "in_sync": true, "problems": []}}
		]}`)
	}))
	defer api.Close()
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetArgs([]string{"agents", "--api", api.URL})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `HOST  AGENT               ALIVE  IN SYNC  DEVICES  PROBLEMS
hv1   Open vSwitch agent  no     -        2        0
hv2   Open vSwitch agent  yes    no       3        1

hv1: Open vSwitch agent: no heartbeat since 2026-01-02 03:04:05 UTC
hv2: bridge br-x: missing
`
	if out.String() != want {
		t.Fatalf("output\n%s\nwant\n%s", out.String(), want)
	}
}

func TestWhatIsNotAllowedNeedsRoot(t *testing.T) {
	err := known(fmt.Errorf("read state of the lab: %w", fs.ErrPermission))
	if got := exitCode(err); got != exitRoot || !strings.Contains(err.Error(), "as root") {
		t.Errorf("%v exits %d", err, got)
	}
	if err := known(usage(fs.ErrPermission)); exitCode(err) != exitUsage {
		t.Errorf("a command line that is wrong for another reason: %v", err)
	}
}

func TestSlowAnswersAreAnnounced(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(100 * time.Millisecond)
		}
	}))
	defer api.Close()
	for path, want := range map[string]string{"/slow": "leptonctl: waiting for " + api.URL + ", for up to 1m0s\n", "/": ""} {
		var said bytes.Buffer
		p := patience{http.DefaultTransport, 20 * time.Millisecond, &said}
		if path == "/" {
			p.after = time.Minute
		}
		res, err := (&http.Client{Transport: p}).Get(api.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if said.String() != want {
			t.Errorf("%s: %q", path, &said)
		}
	}
}

func TestStatusShowsWhatHasEnded(t *testing.T) {
	st := lab.Status{
		Name: "l", Dir: "/run/l", Datapath: "netdev", Ready: true,
		Hosts: []lab.HostStatus{{
			Name: "hv1", Roles: []string{"compute"}, Namespace: "l-hv1", Agent: "silent",
			Processes: []lab.ProcessStatus{{Process: lab.Process{Name: "agent", PID: 7, Log: "/run/l/hv1/agent.log"}}},
		}},
		Guests:  []lab.GuestStatus{{Guest: lab.Guest{Name: "g", Host: "hv1", NICs: []lab.NIC{{Port: "p", Link: "eth0", MTU: 1450}}}, Status: map[string]string{"p": "DOWN"}}},
		Problem: "no answer",
	}
	var out bytes.Buffer
	if err := printStatus(&out, st); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"silent", "ended", "hv1/agent.log", "without address", "DOWN", "the controller does not answer: no answer"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if st.Healthy() {
		t.Error("it counts as healthy")
	}
}

func TestAnAgentThatIsNotThereHasAnExitCodeOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	mute := filepath.Join(dir, "mute.sock") // a socket that nobody serves any more
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: mute, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{mute, filepath.Join(dir, "none.sock")} {
		for _, command := range []string{"audit", "audit --now", "release"} {
			if got := run(t.Context(), append(strings.Fields(command), "--socket", socket)); got != exitUnreachable {
				t.Errorf("%s at %s exits %d, want %d", command, socket, got, exitUnreachable)
			}
		}
	}
	for kind, want := range map[error]int{fs.ErrPermission: exitRoot, context.DeadlineExceeded: exitUnreachable, io.ErrUnexpectedEOF: exitFailed} {
		if got := exitCode(agentFailed(&settings{}, mute, fmt.Errorf("ask the agent: %w", kind))); got != want {
			t.Errorf("%v exits %d, want %d", kind, got, want)
		}
	}
}
