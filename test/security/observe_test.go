package security

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/store/storetest"
	"github.com/lepton-sdn/lepton/telemetry"
	"github.com/lepton-sdn/lepton/test/e2e"
	"github.com/lepton-sdn/lepton/test/reference"
)

// family is a metric as a program exposes it.
type family struct {
	kind, help string
	labels     []string
}

var sample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? `)

// families reads the text that Prometheus scrapes, Lepton's metrics only.
func families(t *testing.T, text string) map[string]family {
	t.Helper()
	out := map[string]family{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if kind, rest, ok := strings.Cut(strings.TrimPrefix(line, "# "), " "); ok && strings.HasPrefix(line, "# ") {
			name, value, _ := strings.Cut(rest, " ")
			f := out[name]
			if kind == "HELP" {
				f.help = value
			} else {
				f.kind = value
			}
			out[name] = f
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a sample: %q", line)
		}
		name := m[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base := strings.TrimSuffix(name, suffix); out[base].kind == "histogram" {
				name = base
			}
		}
		f := out[name]
		for _, pair := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(m[2], -1) {
			if pair[1] != "le" && !slices.Contains(f.labels, pair[1]) {
				f.labels = append(f.labels, pair[1])
			}
		}
		out[name] = f
	}
	for name := range out {
		if !strings.HasPrefix(name, "lepton_") {
			delete(out, name)
		}
	}
	return out
}

// Every figure that the programs expose is on the page, as it is there, and every
// one of the page that needs no occasion is exposed.
func TestFiguresAreThoseOfTheirPage(t *testing.T) {
	c := &cloud{e2e.Start(t, `
mtu: 1500
tunnel_types: [vxlan]
hosts:
  - { name: net1, roles: [controller, network], agent: { roles: [l2, l3, dhcp, metadata] } }
  - { name: hv1, roles: [compute] }
`)}
	n := c.Network(nil)
	c.Router(nil, c.Subnet(n, "10.7.0.0/24"))
	g, h := c.Guest("hv1", "g", n), c.Guest("net1", "h", n)
	c.AllReach(g, h)
	c.AwaitInSync("net1", "hv1")
	page, err := reference.Metrics("../..")
	c.Must(err)
	loops, err := reference.LoopNames("../..")
	c.Must(err)
	documented := map[string]reference.Metric{}
	for _, m := range page {
		documented[m.Name] = m
	}
	// Of a page that an occasion writes: Nova is not configured here.
	occasional := regexp.MustCompile(`^lepton_nova_`)
	unused := []string{"keystone", "nova-keystone", "tokens"} // nor is any authentication
	for program, port := range map[string]int{"controller": 9698, "agent": 9699} {
		text := c.Exec("net1", "curl", "-sf", fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
		exposed := families(t, text)
		for name, f := range exposed {
			m, ok := documented[name]
			switch {
			case !ok || m.Program != program && m.Program != "both":
				t.Errorf("the %s exposes %s, which is not on its page", program, name)
			case f.kind != m.Type || f.help != m.Help:
				t.Errorf("%s is a %s, %q; on the page a %s, %q", name, f.kind, f.help, m.Type, m.Help)
			}
			for _, l := range f.labels {
				if !slices.Contains(m.Labels, l) {
					t.Errorf("%s has label %s, which is not on the page", name, l)
				}
			}
		}
		for _, m := range page {
			if _, ok := exposed[m.Name]; !ok && (m.Program == program || m.Program == "both") && len(m.Labels) == 0 && !occasional.MatchString(m.Name) {
				t.Errorf("the %s does not expose %s", program, m.Name)
			}
		}
		for _, name := range loops[program] {
			if !slices.Contains(unused, name) && !strings.Contains(text, fmt.Sprintf("lepton_loop_seconds_count{loop=%q}", name)) {
				t.Errorf("the %s does not count its loop %s", program, name)
			}
		}
		for _, name := range map[string][]string{"controller": {"records", "store", "streams", "reports", "heartbeats", "schedule"}, "agent": {"feed", "wire", "l3", "dhcp", "metadata"}}[program] {
			if strings.Contains(text, fmt.Sprintf("lepton_loop_seconds_count{loop=%q} 0\n", name)) {
				t.Errorf("loop %s of the %s has counted nothing", name, program)
			}
		}
	}
	if text := c.Exec("net1", "curl", "-sf", "http://127.0.0.1:9698/metrics"); !strings.Contains(text, "\nlepton_agents_connected 2\n") {
		t.Error("the controller does not count two agents")
	}
	for _, loop := range []string{"wire", "l3", "dhcp", "metadata"} {
		c.Eventually(loop+" is not behind", func() error {
			text := c.Exec("net1", "curl", "-sf", "http://127.0.0.1:9699/metrics")
			if !strings.Contains(text, fmt.Sprintf("\nlepton_agent_loop_revisions_behind{loop=%q} 0\n", loop)) {
				return errorText("it is")
			}
			return nil
		})
	}
	c.profilesAreForLoopback()
	c.agentIsReadyAgain()
}

// profilesAreForLoopback asks for profiles from elsewhere.
func (c *cloud) profilesAreForLoopback() {
	c.Helper()
	if out := c.Exec("net1", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:9699/debug/pprof/goroutine?debug=1"); out != "200" {
		c.Errorf("profiles on loopback: %s", out)
	}
	place, err := c.Lab.Place("hv1")
	c.Must(err)
	if _, err := place.Exec(c.Context(), "curl", "-s", "-m", "2", "http://"+c.host("net1").Mgmt.Addr().String()+":9699/metrics"); err == nil {
		c.Error("figures are served beyond loopback by default")
	}
}

// readiness asks a program of a host.
func (c *cloud) readiness(host string, port int) (r telemetry.Readiness, code string, err error) {
	c.Helper()
	place, err := c.Lab.Place(host)
	c.Must(err)
	out, err := place.Exec(c.Context(), "curl", "-s", "-w", "\n%{http_code}", fmt.Sprintf("http://127.0.0.1:%d/readyz", port))
	if err != nil {
		return r, "", err
	}
	body, code, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return r, strings.TrimSpace(code), json.Unmarshal([]byte(body), &r)
}

// becomes waits until a program's readiness is as wanted: the checks that fail, by
// name, with words of their reasons.
func (c *cloud) becomes(host string, port int, status string, failing map[string]string) {
	c.Helper()
	c.Eventually(fmt.Sprintf("%s:%d answers %s", host, port, status), func() error {
		r, code, err := c.readiness(host, port)
		if err != nil {
			return err
		}
		if code != status {
			return fmt.Errorf("%s: %+v", code, r)
		}
		for _, o := range r.Checks {
			words, fails := failing[o.Name]
			if o.OK == fails || !strings.Contains(o.Reason, words) {
				return fmt.Errorf("%+v", r)
			}
		}
		return nil
	})
}

// agentIsReadyAgain takes from the agent what it needs, and gives it back.
func (c *cloud) agentIsReadyAgain() {
	c.Helper()
	c.becomes("hv1", 9699, "200", nil)
	c.Must(c.Lab.Stop(c.Context(), "hv1", "ovsdb-server", true))
	c.becomes("hv1", 9699, "503", map[string]string{"ovsdb": "not connected"})
	c.Must(c.Lab.Start(c.Context(), "hv1", "ovsdb-server"))
	c.becomes("hv1", 9699, "200", nil)
	c.Must(c.Lab.Stop(c.Context(), "net1", "controller", true))
	c.becomes("hv1", 9699, "200", map[string]string{"controller": "no controller is connected"})
	c.Restart("hv1", "agent", true)
	c.becomes("hv1", 9699, "200", map[string]string{"controller": "none has confirmed since"})
	c.Must(c.Lab.Start(c.Context(), "net1", "controller"))
	c.becomes("hv1", 9699, "200", nil)
	c.becomes("net1", 9698, "200", nil)
}

func TestAControllerIsUnreadyWithoutItsStoreAndReadyAgain(t *testing.T) {
	etcd := storetest.StartCluster(t, 1)
	address := freeAddress(t)
	var endpoints []string
	for _, e := range etcd.Endpoints() {
		endpoints = append(endpoints, fmt.Sprintf("%q", e))
	}
	controller(t, fmt.Sprintf(`api: { listen: "127.0.0.1:0" }
rpc: { listen: "127.0.0.1:0" }
metrics: { listen: %q }
store: { endpoints: [%s] }
`, address, strings.Join(endpoints, ", ")))
	ask := func(path string) (int, string) {
		t.Helper()
		res, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	await := func(code int, words ...string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			got, body := ask("/readyz")
			if got == code && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(body, w) }) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d %s, want %d with %q", got, body, code, words)
			}
		}
	}
	await(200, `"ready":true`, `{"name":"rpc","ok":true,"needed":true}`)
	etcd.Kill(0)
	await(503, `"ready":false`, `{"name":"store","ok":false,"reason":"read the head of the store`, `{"name":"records","ok":false,"reason":"the view of the records is not current, it is at revision `)
	if code, body := ask("/healthz"); code != 200 || !strings.Contains(body, `"alive":true`) {
		t.Errorf("healthz %d %s", code, body)
	}
	if _, body := ask("/metrics"); !strings.Contains(body, `lepton_check_ok{check="store"} 0`) {
		t.Error("the figures do not say that the store is gone")
	}
	etcd.Restart(0)
	await(200, `"ready":true`)
}
