package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// answering is an API that gives one answer, and the arguments to ask it.
func answering(t *testing.T, status int, body string) []string {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(api.Close)
	return []string{"--api", api.URL}
}

func TestRefusalsHaveExitCodesOfTheirOwn(t *testing.T) {
	for status, want := range map[int]int{
		400: exitUsage, 401: exitDenied, 403: exitDenied, 404: exitNotFound, 500: exitFailed, 503: exitUnreachable,
	} {
		for _, command := range []string{"status", "ports", "agents", "explain --from a --to b"} {
			args := append(answering(t, status, `{"NeutronError": {"type": "T", "message": "Not so.", "detail": ""}}`), strings.Fields(command)...)
			if got := run(t.Context(), args); got != want {
				t.Errorf("%s with HTTP %d exits %d, want %d", command, status, got, want)
			}
		}
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	s := &settings{}
	for status, want := range map[int]string{
		401: "list ports: Who are you; log in by",
		403: "list ports: Who are you; this needs an administrator's token",
		503: "list ports: Who are you; see the store",
	} {
		s.api = answering(t, status, `{"NeutronError": {"message": "Who are you."}}`)[1]
		api, err := s.client()
		if err != nil {
			t.Fatal(err)
		}
		err = s.failed("list ports", api.Call(t.Context(), "GET", "/v2.0/ports", nil, nil))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("HTTP %d: %v, want %s …", status, err, want)
		}
	}
}

func TestATokenIsTakenFromAFileOrTheEnvironment(t *testing.T) {
	var got string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("X-Auth-Token")
		fmt.Fprint(w, `{"agents": []}`)
	}))
	defer api.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("of-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OS_TOKEN", "of-environment")
	for args, want := range map[string]string{"": "of-environment", " --token-file " + file: "of-file"} {
		if code := run(t.Context(), strings.Fields("agents --api "+api.URL+args)); code != 0 || got != want {
			t.Errorf("%s: token %q, exit code %d", args, got, code)
		}
	}
}

func TestOperatorsLogInAtKeystoneByTheEnvironment(t *testing.T) {
	keystone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/v3/auth/tokens" || !strings.Contains(string(body), `"password":"secret"`) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-Subject-Token", "of-keystone")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"token": {"expires_at": "2036-01-01T00:00:00.000000Z", "catalog": []}}`)
	}))
	defer keystone.Close()
	var got string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("X-Auth-Token")
		fmt.Fprint(w, `{"agents": []}`)
	}))
	defer api.Close()
	for name, value := range map[string]string{
		"OS_AUTH_URL": keystone.URL + "/v3", "OS_USERNAME": "admin", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "admin", "OS_USER_DOMAIN_NAME": "Default",
		"OS_PROJECT_DOMAIN_NAME": "Default", "OS_DOMAIN_NAME": "Default", "OS_TOKEN": "", "OS_CLOUD": "",
	} {
		t.Setenv(name, value)
	}
	if code := run(t.Context(), []string{"agents", "--api", api.URL}); code != 0 || got != "of-keystone" {
		t.Errorf("exit code %d, token %q", code, got)
	}
	t.Setenv("OS_PASSWORD", "wrong")
	if code := run(t.Context(), []string{"agents", "--api", api.URL}); code != exitDenied {
		t.Errorf("with a wrong password the exit code is %d", code)
	}
}

// shown runs a command against an API that answers so.
func shown(t *testing.T, command, body string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetArgs(append(answering(t, 200, body), strings.Fields(command)...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestStatusEndsWithWhatIsWrong(t *testing.T) {
	well := `{"lepton_status": {"current": true, "controllers": [
		{"name": "ctl1", "version": "1.0", "alive": %s, "silent_seconds": 40, "started_at": "2026-01-31T12:00:00Z", "api": "[::1]:9696", "duties": ["nova-events"], "answers": true}],
		"store": {"kind": "embedded", "healthy": true, "members": [{"name": "lepton", "leader": true, "version": "3.7", "size": 2500000, "size_in_use": 1000000, "revision": 9}]},
		"agents": [{"host": "hv1", "roles": ["l2"], "version": "1.0", "alive": true, "in_sync": %s, "devices": 3, "ports_behind": 0, "problems": []}],
		"ports": {"total": 5, "bound": 4, "not_wired": 0, "first_not_wired": []}}}`
	out, err := shown(t, "status", fmt.Sprintf(well, "true", "true"))
	want := `CONTROLLER      ALIVE  VERSION  API         SINCE             DUTIES
ctl1 (answers)  yes    1.0      [::1]:9696  2026-01-31 12:00  nova-events

STORE            HEALTHY  LEADER  VERSION  SIZE    IN USE  REVISION
embedded lepton  yes      yes     3.7      2.5 MB  1.0 MB  9

HOST  ROLES  ALIVE  IN SYNC  VERSION  DEVICES  BEHIND  PROBLEMS
hv1   l2     yes    yes      1.0      3        0       0

5 ports, 4 of them bound to hosts, 0 not wired
all is well
`
	if err != nil || out != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
	out, err = shown(t, "status", fmt.Sprintf(well, "false", "false"))
	if err != exitError(exitUnwell) || !strings.HasSuffix(out, "\ncontroller ctl1 has been silent for 40s\nagent of hv1: the host is not in sync\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestExplainEndsWithTheRuleThatIsMissing(t *testing.T) {
	out, err := shown(t, "explain --from a --to b --proto tcp --port 443", `{"lepton_explain": {"verdict": "dropped", "text": "The packet is dropped: so it is.",
		"packet": {"protocol": "tcp", "source_ip_address": "10.0.0.1", "destination_ip_address": "fd00::2", "source_port": 40000, "destination_port": 443},
		"from": {"kind": "port", "id": "p1", "name": "a"}, "to": {"kind": "port", "id": "p2", "name": "b"},
		"decision": {"direction": "forward", "reason": "security_group", "object": {"kind": "port", "id": "p2", "name": "b"}, "text": "t", "host": "hv2"},
		"nearest": {"rule": {"kind": "security_group_rule", "id": "r1", "text": "ingress IPv4 tcp 80"}, "differs": ["port_range"], "text": "its ports are 80, not 443"},
		"advice": "openstack security group rule create", "forward": [
			{"kind": "bridges", "host": "hv1", "text": "sent on", "packet": "", "objects": [], "path": ["br-int 0 classify", "br-int 24 arp", "br-tun 0 classify"]}], "reply": [],
		"pending": [{"host": "hv2", "text": "the host is behind"}], "warnings": ["beware"]}}`)
	want := `DROPPED: The packet is dropped: so it is.

packet        tcp 10.0.0.1:40000 → [fd00::2]:443
from          port a p1
to            port b p2
decided by    port b p2, on host hv2
nearest rule  security group rule r1 (ingress IPv4 tcp 80)
              but its ports are 80, not 443
to admit it   openstack security group rule create
not yet       the host is behind, on host hv2
warning       beware

forward
  1  bridges          hv1        sent on
       br-int, tables 0 24
       br-tun, tables 0
`
	if err != exitError(exitUnwell) || out != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
}

func TestPortsAreReadPageByPage(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("not_wired") != "true" || q.Get("host") != "hv1" {
			t.Errorf("asked for %s", r.URL)
		}
		if q.Get("marker") == "" {
			fmt.Fprint(w, `{"lepton_status": {"next_marker": "p1", "ports": [{"id": "p1", "network_name": "n", "fixed_ips": ["10.0.0.1", "fd00::1"], "mac_address": "m", "host": "hv1", "state": "ERROR", "text": "no bridge"}]}}`)
			return
		}
		fmt.Fprint(w, `{"lepton_status": {"next_marker": null, "ports": [{"id": "p2", "network_id": "n2", "host": null, "state": "PENDING", "wired": false, "text": "is bound to no host"}]}}`)
	}))
	defer api.Close()
	var out, progress bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&progress)
	root.SetArgs([]string{"ports", "--not-wired", "--host", "hv1", "--api", api.URL})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `PORT  NAME  NETWORK  FIXED IPS  HOST  STATE    WIRED  WHY
p1    -     n        10.0.0.1   hv1   ERROR    no     no bridge
                     fd00::1
p2    -     n2       -          -     PENDING  no     is bound to no host
`
	if out.String() != want || !strings.Contains(progress.String(), "1 ports so far") {
		t.Errorf("%s%s\nwant\n%s", progress.String(), out.String(), want)
	}
}

// Whoever may name a port writes into the tables of an operator who is root.
func TestNamesOfTenantsCannotSpeakToTheTerminal(t *testing.T) {
	port := `{"id": "p1", "name": "%[1]s", "network_name": "%[1]s", "host": "hv1", "state": "ERROR", "text": "%[1]s"}`
	object := `{"kind": "port", "id": "p1", "name": "%[1]s", "text": "%[1]s"}`
	for command, body := range map[string]string{
		"ports":  `{"lepton_status": {"ports": [` + port + `]}}`,
		"status": `{"lepton_status": {"current": true, "agents": [{"host": "hv1", "alive": true, "in_sync": true, "problems": ["%[1]s"]}], "ports": {"not_wired": 1, "first_not_wired": [` + port + `]}}}`,
		"agents": `{"agents": [{"host": "hv1", "alive": true, "configurations": {"problems": ["%[1]s"]}}]}`,
		"events": `{"lepton_events": [{"id": "1", "kind": "change", "resource_name": "%[1]s", "by": {"kind": "user", "user_name": "%[1]s"}, "message": "%[1]s"}]}`,
		"explain --from a --to b": `{"lepton_explain": {"verdict": "dropped", "text": "%[1]s", "from": ` + object + `, "to": ` + object + `, "decision": {"object": ` + object + `},
			"nearest": {"rule": ` + object + `, "text": "%[1]s"}, "pending": [{"object": ` + object + `}], "warnings": ["%[1]s"],
			"forward": [{"kind": "bridges", "text": "%[1]s", "tables": [{"bridge": "br-int", "object": ` + object + `}]}]}}`,
	} {
		tame, _ := shown(t, command, fmt.Sprintf(body, "name"))
		wild, _ := shown(t, command, fmt.Sprintf(body, `\u001b[2J\u009b1m\nhv9\t\u202e`))
		if !strings.Contains(wild, `\x1b[2J`) || strings.Count(wild, "\n") != strings.Count(tame, "\n") {
			t.Errorf("%s shows\n%s\nas\n%q", command, tame, wild)
		}
		if i := strings.IndexFunc(wild, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }); i >= 0 {
			t.Errorf("%s writes %q", command, wild[i:])
		}
	}
}

// None that is not wired is good news of a host that is there, and of no other.
func TestPortsOfAHostOrANetworkThatIsNotThereAreNotFound(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		there := "{}"
		if q.Get("host") != "hv1" && q.Get("name") != "blue" {
			there = ""
		}
		switch r.URL.Path {
		case "/v2.0/lepton-status/ports":
			fmt.Fprint(w, `{"lepton_status": {"ports": [], "next_marker": null}}`)
		default:
			fmt.Fprintf(w, `{%q: [%s]}`, strings.TrimPrefix(r.URL.Path, "/v2.0/"), there)
		}
	}))
	defer api.Close()
	for flags, want := range map[string]int{
		"": 0, "--host hv1": 0, "--host hv9": exitNotFound, "--host hv9 --not-wired": exitNotFound,
		"--network blue": 0, "--network bule": exitNotFound, "--host hv1 --network blue --not-wired": 0,
	} {
		if got := run(t.Context(), strings.Fields("ports --api "+api.URL+"/v2.0 "+flags)); got != want {
			t.Errorf("ports %s exits %d, want %d", flags, got, want)
		}
	}
}
