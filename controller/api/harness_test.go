package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/journal"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/mem"
)

// cloud is an API over a store in memory, and a client of it.
type cloud struct {
	t      testing.TB
	db     *records.DB
	plugin *plugin.Plugin
	store  *mem.Store
	server *httptest.Server
	log    *zap.Logger
}

type option func(*plugin.Config, *Config)

func newCloud(t testing.TB, options ...option) *cloud {
	t.Helper()
	if cluster != nil {
		return newPair(t, options...)
	}
	s := mem.New()
	c := newCloudOn(t, s, options...)
	c.store = s
	return c
}

func newCloudOn(t testing.TB, s store.Store, options ...option) *cloud {
	t.Helper()
	if shared, ok := s.(*clusterStore); ok {
		s = cluster.open(t, shared.root)
	}
	pc := plugin.DefaultConfig()
	pc.Random = upper
	ac := Config{Auth: identity.None{}, Log: zap.NewNop()}
	for _, o := range options {
		o(&pc, &ac)
	}
	p, err := plugin.New(pc)
	if err != nil {
		t.Fatal(err)
	}
	ac.Journal = journal.New(s, zap.NewNop(), nil)
	db, err := records.Open(context.Background(), s, zap.NewNop(), records.Journal(ac.Journal.Note))
	if err != nil {
		t.Fatal(err)
	}
	ac.DB, ac.Plugin = db, p
	server := httptest.NewServer(New(ac))
	t.Cleanup(func() {
		server.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &cloud{t: t, db: db, plugin: p, server: server, log: ac.Log}
}

// upper keeps the lower half of a /24 free for the addresses that tests ask for.
func upper(n uint64) uint64 {
	if n < 200 || n > 256 {
		return rand.Uint64N(n)
	}
	return n/2 + rand.Uint64N(n-n/2)
}

// call sends a request; body may be nil, JSON text or a value. The answer's
// body is decoded with numbers as they are written.
func (c *cloud) call(method, path string, body any, headers ...string) (int, map[string]any, http.Header) {
	c.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, c.server.URL+path, reader)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.server.Client().Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if len(text) == 0 {
		return res.StatusCode, nil, res.Header
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil && string(text) != "null" {
		c.t.Fatalf("%s %s answered %d %q: %v", method, path, res.StatusCode, text, err)
	}
	return res.StatusCode, out, res.Header
}

// must sends a request that has to give the status, and returns the object
// under the one key of the answer.
func (c *cloud) must(want int, method, path string, body any, headers ...string) map[string]any {
	c.t.Helper()
	status, out, _ := c.call(method, path, body, headers...)
	if status != want {
		c.t.Fatalf("%s %s %v: status %d, want %d: %v", method, path, body, status, want, out)
	}
	for key, v := range out {
		if o, ok := v.(map[string]any); ok && !strings.HasSuffix(key, "_links") {
			return o
		}
	}
	return out
}

// create makes an object under the key and gives it back.
func (c *cloud) create(collection, key, body string) map[string]any {
	c.t.Helper()
	return c.must(201, "POST", "/v2.0/"+collection, `{"`+key+`": `+body+`}`)
}

func (c *cloud) network(body string) map[string]any {
	c.t.Helper()
	return c.create("networks", "network", body)
}

// subnet makes a subnet; body is the members besides network_id.
func (c *cloud) subnet(network, body string) map[string]any {
	c.t.Helper()
	return c.create("subnets", "subnet", `{"network_id": "`+network+`", `+body+`}`)
}

// port makes a port; body is the members besides network_id, with a leading
// comma.
func (c *cloud) port(network, body string) map[string]any {
	c.t.Helper()
	return c.create("ports", "port", `{"network_id": "`+network+`"`+body+`}`)
}

// list gives the objects of a collection.
func (c *cloud) list(path, key string) []map[string]any {
	c.t.Helper()
	status, out, _ := c.call("GET", "/v2.0/"+path, nil)
	if status != 200 {
		c.t.Fatalf("GET %s: %d %v", path, status, out)
	}
	items, ok := out[key].([]any)
	if !ok {
		c.t.Fatalf("GET %s has no %s: %v", path, key, out)
	}
	all := make([]map[string]any, 0, len(items))
	for _, item := range items {
		all = append(all, item.(map[string]any))
	}
	return all
}

// agent makes a live agent known.
func (c *cloud) agent(host string, change ...func(*model.Agent)) *model.Agent {
	c.t.Helper()
	a := &model.Agent{
		ID: "00000000-0000-4000-8000-" + strings.Repeat("0", 12-len(host)) + hexOnly(host), Host: host, Roles: []string{"l2"},
		BridgeMappings: map[string]string{"physnet1": "br-phys"}, TunnelTypes: []model.NetworkType{model.VXLAN},
		IntegrationBridge: "br-int", DatapathType: "netdev", AdminStateUp: true,
		CreatedAt: time.Now(), StartedAt: time.Now(), HeartbeatAt: time.Now(),
	}
	for _, f := range change {
		f(a)
	}
	c.update(func(u *records.Update) error { records.Agents.Put(u, a); return nil })
	return a
}

func hexOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("0123456789abcdef", r) {
			return r
		}
		return 'a'
	}, s)
}

func (c *cloud) update(fn func(u *records.Update) error) {
	c.t.Helper()
	if _, err := c.db.Update(context.Background(), fn); err != nil {
		c.t.Fatal(err)
	}
}

// claims gives all keys that are taken.
func (c *cloud) claims() map[string]string {
	c.t.Helper()
	all := map[string]string{}
	err := c.db.Read(context.Background(), func(r records.Reader) error {
		for k, owner := range r.ClaimsUnder("") {
			all[k] = owner
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}

func id(o map[string]any) string { return o["id"].(string) }

func refusedType(out map[string]any) string {
	e, _ := out["NeutronError"].(map[string]any)
	kind, _ := e["type"].(string)
	return kind
}

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }
