package security

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/test/e2e"
)

// secrets are texts that nobody may read who was not told them, by what they are.
type secrets map[string]string

// mint makes a secret that is nowhere else.
func (s secrets) mint(what string) string {
	s[what] = what + "-" + uuid.NewString()
	return s[what]
}

// in gives which secrets a text holds, plain or as base64.
func (s secrets) in(text []byte) (found []string) {
	for what, secret := range s {
		if bytes.Contains(text, []byte(secret)) || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString([]byte(secret)))) {
			found = append(found, what)
		}
	}
	slices.Sort(found)
	return found
}

// processes looks at what every user of the machine, and root, sees of all
// processes: command lines and environments.
func (s secrets) processes(t *testing.T) {
	t.Helper()
	seen := 0
	for _, name := range []string{"cmdline", "environ"} {
		files, err := filepath.Glob("/proc/[0-9]*/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				continue // it has ended
			}
			seen++
			if found := s.in(b); len(found) > 0 {
				t.Errorf("%s shows %v", f, found)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d files of processes were read", seen)
	}
}

// files looks at all files below a directory: logs may hold no secret, other
// files only where root and their owner alone read them. It gives how many hold
// one.
func (s secrets) files(t *testing.T, dir string) (holders int) {
	t.Helper()
	private := func(path string) bool {
		for p := path; p != filepath.Dir(dir); p = filepath.Dir(p) {
			if info, err := os.Stat(p); err == nil && info.Mode().Perm()&0o077 == 0 {
				return true
			}
		}
		return false
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // it is gone, a socket, or a directory
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		found := s.in(b)
		if len(found) == 0 {
			return nil
		}
		holders++
		switch {
		case strings.HasSuffix(path, ".log"):
			for line := range strings.Lines(string(b)) {
				if in := s.in([]byte(line)); len(in) > 0 {
					t.Errorf("%s holds %v: %s", path, in, line)
				}
			}
		case !private(path):
			t.Errorf("%s holds %v and is for others to read", path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return holders
}

func TestSecretsOfHostsAndGuestsStayWhereTheyBelong(t *testing.T) {
	s := secrets{}
	c := &cloud{e2e.Start(t, `
mtu: 1500
tunnel_types: [vxlan]
controller: { log: { level: debug }, metadata: { shared_secret: `+s.mint("metadata-secret")+` } }
agent: { log: { level: debug } }
hosts:
  - { name: net1, roles: [controller, network], agent: { roles: [l2, l3, dhcp, metadata] } }
  - { name: hv1, roles: [compute] }
`)}
	n := c.Network(nil)
	c.Router(nil, c.Subnet(n, "10.7.0.0/24"))
	g := c.Guest("hv1", "guest", n)
	// The lab gave the port its addresses; its way to the service is the router.
	userData := s.mint("user-data")
	c.Instance(e2e.Attributes{"name": "guest", "user_data": base64.StdEncoding.EncodeToString([]byte(userData))}, g)
	c.Told(g, "http://169.254.169.254/openstack/latest/user_data", userData)
	res, err := c.HTTP(g).Post("http://169.254.169.254/openstack/latest/password", "text/plain", strings.NewReader(s.mint("instance-password")))
	c.Must(err)
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("posting a password: %s", res.Status)
	}
	// A request that cannot be read is quoted in answers, not in logs.
	_ = c.Lab.API().Call(t.Context(), "POST", "/v2.0/lepton-instances", map[string]any{"lepton_instance": map[string]any{"user_dta": s.mint("misspelt")}}, nil)
	c.AwaitInSync("net1", "hv1")
	c.Restart("net1", "agent", true)
	c.AwaitInSync("net1")
	c.Told(g, "http://169.254.169.254/openstack/latest/user_data", userData)
	s.processes(t)
	if s.files(t, c.Lab.Plan().Dir) < 3 {
		t.Error("the store, the records and the proxy's settings were not seen to hold secrets: this test sees nothing")
	}
	for _, url := range []string{
		"http://127.0.0.1:9698/metrics", "http://127.0.0.1:9698/debug/pprof/cmdline", "http://127.0.0.1:9699/metrics", "http://127.0.0.1:9699/debug/pprof/cmdline",
		"http://127.0.0.1:9698/readyz", "http://127.0.0.1:9699/readyz", "http://127.0.0.1:9696/v2.0/agents",
	} {
		if found := s.in([]byte(c.Exec("net1", "curl", "-s", url))); len(found) > 0 {
			t.Errorf("%s shows %v", url, found)
		}
	}
	tool := filepath.Join(e2e.BinDir(), "leptonctl")
	for _, args := range [][]string{{"agents", "-o", "json"}, {"audit", "-o", "json", "--socket", c.file("net1", "run", "agent.sock")}} {
		if found := s.in([]byte(c.Exec("net1", append([]string{tool}, args...)...))); len(found) > 0 {
			t.Errorf("leptonctl %v shows %v", args, found)
		}
	}
}

// cloudOfServices plays Keystone and Nova. What they are shown they quote in
// their errors, as a careless proxy does.
func cloudOfServices(t *testing.T, good, own string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/v3/auth/tokens", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		subject := r.Header.Get("X-Subject-Token")
		switch {
		case r.Method == http.MethodPost:
			w.Header().Set("X-Subject-Token", own)
			w.WriteHeader(http.StatusCreated)
		case subject != good:
			http.Error(w, fmt.Sprintf("cannot do with %s, %s, %v", subject, b, r.Header), http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, `{"token": {"methods": ["password"], "user": {"id": "u", "name": "u"}, "project": {"id": "p", "name": "p"},
			"roles": [{"name": "admin"}, {"name": "service"}], "expires_at": %q}}`, time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z"))
	})
	mux.HandleFunc("/v2.1/os-server-external-events", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("cannot do with %v", r.Header), http.StatusInternalServerError)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestSecretsOfServicesStayOutOfTheControllersLog(t *testing.T) {
	s := secrets{}
	good := s.mint("user-token")
	services := cloudOfServices(t, good, s.mint("own-token"))
	address := freeAddress(t)
	out := controller(t, fmt.Sprintf(`api: { listen: %q }
rpc: { listen: "127.0.0.1:0" }
metrics: { listen: "" }
store: { embedded: { dir: %q } }
auth: { mode: keystone, keystone: { url: %q, username: lepton, password: %q } }
nova: { url: "%[3]s/v2.1", token: %[5]q }
metadata: { nova_metadata_url: "http://127.0.0.1:1", shared_secret: %[6]q }
log: { level: debug }
`, address, filepath.Join(t.TempDir(), "store"), services, s.mint("keystone-password"), s.mint("nova-token"), s.mint("metadata-secret")))
	call := func(method, path, token, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Auth-Token", token)
		res, err := (&http.Client{Timeout: 20 * time.Second}).Do(req)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if code, body := call("GET", "/v2.0/networks", good, ""); code != 200 {
		t.Fatalf("with a good token: %d %s\n%s", code, body, out)
	}
	// One that makes Keystone fail, and Nova is told with a token that it quotes.
	if code, body := call("GET", "/v2.0/networks?x="+s.mint("query"), s.mint("bad-token"), ""); code < 400 || len(s.in([]byte(body))) > 0 {
		t.Errorf("with a token that Keystone cannot do with: %d %s", code, body)
	}
	_, net := call("POST", "/v2.0/networks", good, `{"network": {"tenant_id": "p"}}`)
	_, id, _ := strings.Cut(net, `"id":`)
	id = strings.Trim(strings.SplitN(id, ",", 2)[0], `" }`)
	if code, body := call("POST", "/v2.0/ports", good, fmt.Sprintf(`{"port": {"network_id": %q, "device_id": "d", "device_owner": "compute:nova", "binding:host_id": "hv1"}}`, id)); code != 201 {
		t.Errorf("port: %d %s", code, body)
	} else if _, port, ok := strings.Cut(body, `"id":`); ok {
		port = strings.Trim(strings.SplitN(port, ",", 2)[0], `" }`)
		call("DELETE", "/v2.0/ports/"+port, good, "")
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "ova"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log tells nothing of Nova's failure:\n%s", out)
		}
	}
	s.processes(t)
	for line := range strings.Lines(out.String()) {
		if found := s.in([]byte(line)); len(found) > 0 {
			t.Errorf("the log shows %v: %s", found, line)
		}
	}
}

func TestComplaintsAboutAConfigurationQuoteNoSecret(t *testing.T) {
	s := secrets{}
	for program, text := range map[string]string{
		"lepton-controller": fmt.Sprintf(`
auth: { mode: keystone, keystone: { url: "http://u:%s@k", username: lepton, password: %q, domian: x } }
nova: { url: "nova:%s", token: %q }
metadata: { nova_metadata_url: "x", shared_secret: [%s] }
`, s.mint("url"), s.mint("keystone-password"), s.mint("nova-url"), s.mint("nova-token"), s.mint("metadata-secret")),
		"lepton-agent": "host: hv1\nmetadata: { shared_secret: " + s.mint("agents-secret") + " }\n",
	} {
		file := filepath.Join(t.TempDir(), "config.yaml")
		for _, text := range []string{text, strings.ReplaceAll(text, "domian: x", "domain: x")} {
			put(t, file, []byte(text))
			out, err := exec.CommandContext(t.Context(), filepath.Join(e2e.BinDir(), program), "--check", "--config", file).CombinedOutput()
			if err == nil {
				t.Errorf("%s takes it", program)
			}
			if found := s.in(out); len(found) > 0 {
				t.Errorf("%s shows %v: %s", program, found, out)
			}
		}
	}
}
