package security

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/e2e"
)

// checked has a program judge the file that its package installs, with more keys.
func checked(t *testing.T, program, more string) (string, error) {
	t.Helper()
	b, err := os.ReadFile("../../packaging/etc/" + program + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), program+".yaml")
	put(t, file, b, []byte("\n"+more+"\n"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(e2e.BinDir(), "lepton-"+program), "--check", "--config", file).CombinedOutput()
	return string(out), err
}

// What packages install listens on loopback only, and is refused as soon as it is
// opened to others without saying who they are.
func TestInstalledConfigurationsOpenNothingUnawares(t *testing.T) {
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	put(t, tokens, []byte("tokens: []\n"))
	tls := "tls: { cert: /c, key: /k, ca: /a }"
	for _, tc := range []struct {
		name, program, more, want string // want: the refusal, "" for none
	}{
		{"as installed", "controller", "", ""},
		{"as installed", "agent", "", ""},
		{"the API for others", "controller", `api: { listen: "192.0.2.1:9696" }`, "api.listen"},
		{"the API for others, by TLS alone", "controller", `api: { listen: "[::]:9696", tls: { cert: /c, key: /k } }`, "api.listen"},
		{"the API for others who show tokens", "controller", `api: { listen: "192.0.2.1:9696" }` + "\nauth: { mode: token, token: { file: " + tokens + " } }", ""},
		{"agents elsewhere in plain text", "controller", `rpc: { listen: "0.0.0.0:9797" }`, "rpc.tls is missing"},
		{"agents elsewhere that need show nothing", "controller", `rpc: { listen: "0.0.0.0:9797", tls: { cert: /c, key: /k } }`, "cert, key and ca are needed together"},
		{"agents elsewhere with mutual TLS", "controller", `rpc: { listen: "0.0.0.0:9797", ` + tls + ` }`, ""},
		{"a list of revoked certificates and no TLS", "controller", `rpc: { tls: { crl: /crl } }`, "rpc.tls.crl"},
		{"a controller elsewhere in plain text", "agent", `controller: { address: "192.0.2.1:9797" }`, "controller.tls"},
		{"a controller elsewhere that shows nothing", "agent", `controller: { address: "192.0.2.1:9797", tls: { ca: /a } }`, "cert, key and ca are needed together"},
		{"a controller elsewhere with mutual TLS", "agent", `controller: { address: "192.0.2.1:9797", ` + tls + ` }`, ""},
	} {
		out, err := checked(t, tc.program, tc.more)
		if (err == nil) != (tc.want == "") || !strings.Contains(out, tc.want) {
			t.Errorf("%s, %s: %v: %s; want %q", tc.program, tc.name, err, out, tc.want)
		}
	}
}

// What is allowed and is open to whoever listens on the way is told at the start.
func TestPlainTextBeyondLoopbackIsTold(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	put(t, tokens, []byte("tokens: []\n"))
	out := controller(t, `api: { listen: "0.0.0.0:0" }
rpc: { listen: "127.0.0.1:0" }
metrics: { listen: "" }
store: { embedded: { dir: "`+filepath.Join(t.TempDir(), "store")+`" } }
auth: { mode: token, token: { file: "`+tokens+`" } }
`)
	if !strings.Contains(out.String(), "tokens and objects pass in plain text") {
		t.Errorf("nothing is said of an API without TLS:\n%s", out)
	}
}
