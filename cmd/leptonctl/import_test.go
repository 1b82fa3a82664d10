package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/neutron"
)

// networkingService answers lists from a table, with those extensions, and takes
// what is made.
func networkingService(t *testing.T, lists map[string]string, extensions ...string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/v2.0/")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Header.Get("X-Auth-Token") == "stale":
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": {"message": "The request you have made requires authentication."}}`)
		case path == "extensions":
			var all []map[string]string
			for _, alias := range extensions {
				all = append(all, map[string]string{"alias": alias})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"extensions": all})
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"NeutronError": {"type": "T", "message": "no room"}}`)
		default:
			fmt.Fprintf(w, `{%q: [%s]}`, path[strings.LastIndexByte(path, '/')+1:], lists[path])
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestImportSaysWhatIsWrong(t *testing.T) {
	for _, name := range []string{"OS_CLOUD", "OS_AUTH_URL", "OS_AUTH_TYPE", "OS_ENDPOINT", "OS_CACERT", "OS_USERNAME", "OS_PASSWORD"} {
		t.Setenv(name, "")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	stale := filepath.Join(dir, "stale")
	if err := os.WriteFile(stale, []byte("stale\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	network := map[string]string{"networks": `{"id": "n", "project_id": "p"}`}
	old, lepton := networkingService(t, network), networkingService(t, nil, neutron.Importable)
	empty := networkingService(t, nil)
	for _, tc := range []struct {
		name, args string
		code       int
		says       string
	}{
		{"arguments", "import everything", exitUsage, "unknown command"},
		{"two sources", "import --from http://x --from-cloud y", exitUsage, "from-cloud"},
		{"no source", "import", exitUsage, "set OS_AUTH_URL"},
		{"a cloud that is not there", "import --from-cloud none", exitNotFound, "clouds.yaml"},
		{"a token that is not there", "import --from " + old.URL + " --from-token-file none", exitFailed, "read the token"},
		{"nobody at the source", "import --from http://127.0.0.1:1 --api " + lepton.URL, exitFailed, "connection refused"},
		{"nobody at the target", "import --from " + old.URL + " --api http://127.0.0.1:1", exitFailed, "connection refused"},
		{"a token that has expired", "import --from " + old.URL + " --api " + lepton.URL + " --from-token-file " + stale, exitFailed, "requires authentication"},
		{"a target that is a Neutron", "import --from " + old.URL + " --api " + empty.URL, exitUsage, "lepton-import"},
		{"one service for both", "import --from " + old.URL + " --api " + old.URL + "/v2.0", exitUsage, "both"},
		{"an unknown output", "import -o xml", exitUsage, "xml"},
		{"nothing to import", "import --from " + empty.URL + " --api " + lepton.URL, 0, ""},
		{"a plan", "import --dry-run --from " + old.URL + " --api " + lepton.URL, 0, ""},
		{"what is refused", "import --from " + old.URL + " --api " + lepton.URL, exitIncomplete, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := newRoot()
			root.SetArgs(strings.Fields(tc.args))
			var out, progress bytes.Buffer
			root.SetOut(&out)
			root.SetErr(&progress)
			err := root.ExecuteContext(t.Context())
			code, text := 0, ""
			if err != nil {
				code, text = exitCode(err), err.Error()
			}
			if quiet, ok := err.(exitError); ok {
				code = int(quiet)
			}
			if code != tc.code || !strings.Contains(text, tc.says) {
				t.Errorf("exit code %d, want %d: %s", code, tc.code, text)
			}
		})
	}
}

func TestImportReports(t *testing.T) {
	old := networkingService(t, map[string]string{"networks": `{"id": "n", "name": "blue", "project_id": "p"}, {"id": "h", "name": "HA network tenant p", "project_id": ""}`})
	lepton := networkingService(t, nil, neutron.Importable)
	for _, tc := range []struct{ flags, want string }{
		{"--dry-run", `KIND     FOUND  PRESENT  TO MAKE  LEFT OUT  FAILED
network  2      0        1        1         0

VERDICT   KIND     ID  NAME                 ATTRIBUTE  WHY
left out  network  h   HA network tenant p  -          made by Neutron for its ha routers: Lepton makes its own
`},
		{"", `KIND     FOUND  PRESENT  MADE  LEFT OUT  FAILED
network  2      0        0     1         1

VERDICT   KIND     ID  NAME                 ATTRIBUTE  WHY
left out  network  h   HA network tenant p  -          made by Neutron for its ha routers: Lepton makes its own
failed    network  n   blue                 -          create: no room
`},
	} {
		root := newRoot()
		root.SetArgs(append([]string{"import", "--from", old.URL, "--api", lepton.URL}, strings.Fields(tc.flags)...))
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&bytes.Buffer{})
		_ = root.ExecuteContext(t.Context()) // the exit code is another test's
		if out.String() != tc.want {
			t.Errorf("import %s\n%s\nwant\n%s", tc.flags, out.String(), tc.want)
		}
	}
}
