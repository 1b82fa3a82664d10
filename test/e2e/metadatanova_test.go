package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/linux/netns"
)

const metadataSecret = "swordfish"

// novaMetadata plays Nova's metadata API on a host: it tells who asked, if the
// signature is right.
func (c *Cloud) novaMetadata(host string) {
	c.Helper()
	var ns string
	for _, h := range c.Lab.Plan().Hosts {
		if h.Name == host {
			ns = h.Namespace
		}
	}
	var l net.Listener
	c.Must(netns.Do(ns, func() (err error) {
		l, err = net.Listen("tcp", "127.0.0.1:8775")
		return err
	}))
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mac := hmac.New(sha256.New, []byte(metadataSecret))
		_, _ = mac.Write([]byte(r.Header.Get("X-Instance-ID")))
		if r.Header.Get("X-Instance-ID-Signature") != hex.EncodeToString(mac.Sum(nil)) {
			http.Error(w, "Invalid proxy request signature.", http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, "%s %s %s", r.Header.Get("X-Instance-ID"), r.Header.Get("X-Forwarded-For"), r.URL.Path)
	})}
	go func() { _ = srv.Serve(l) }()
	c.Cleanup(func() { _ = srv.Close() })
}

// With Nova guests are told by it, also while there is neither agent nor
// controller.
func TestNovaTellsGuestsOfThemselves(t *testing.T) {
	t.Parallel()
	topo, err := lab.LoadTopology("single")
	if err != nil {
		t.Fatal(err)
	}
	topo.Controller = map[string]any{"metadata": map[string]any{"nova_metadata_url": "http://127.0.0.1:8775", "shared_secret": metadataSecret}}
	c := StartTopology(t, topo)
	c.novaMetadata("hv1")
	n := c.Network(nil)
	c.Router(nil, c.Subnet(n, "10.10.0.0/24"))
	g := c.Guest("hv1", "a", n)
	var shown struct {
		Port struct {
			DeviceID string `json:"device_id"`
		}
	}
	c.Must(c.Lab.API().Call(t.Context(), "GET", "/v2.0/ports/"+g.Port.ID, nil, &shown))
	want := fmt.Sprintf("%s %s /latest/meta-data/", shown.Port.DeviceID, g.IP(4))
	c.Told(g, metadata4+"/latest/meta-data/", want)
	for _, program := range []string{"agent", "controller"} {
		c.Must(c.Lab.Stop(t.Context(), "hv1", program, true))
		if got, err := c.Get(g, metadata4+"/latest/meta-data/"); err != nil || got != want {
			t.Errorf("without %s: %q %v", program, got, err)
		}
	}
}
