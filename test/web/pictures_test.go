package web

import (
	"bytes"
	"flag"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "write docs/images anew")

const (
	documents = "../../docs"
	// maxPicture is the largest picture that the repository takes, in bytes.
	maxPicture = 300 << 10
)

// TestTheDocumentsPicturesAreThere checks that docs/page.md shows the pictures that
// there are; with -update it makes them anew.
func TestTheDocumentsPicturesAreThere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(documents, "page.md"))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		takePictures(t)
	}
	var shown []string
	for _, m := range regexp.MustCompile(`\]\((images/page-[a-z]+\.png)\)`).FindAllSubmatch(text, -1) {
		shown = append(shown, string(m[1]))
	}
	there, err := filepath.Glob(filepath.Join(documents, "images", "page-*.png"))
	if err != nil || len(there) != len(shown) {
		t.Errorf("%d pictures, %d in docs/page.md: %v", len(there), len(shown), err)
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(shown))) {
		content, err := os.ReadFile(filepath.Join(documents, name))
		if err != nil {
			t.Error(err)
			continue
		}
		picture, err := png.DecodeConfig(bytes.NewReader(content))
		if err != nil || picture.Width != width || picture.Height != height || len(content) > maxPicture {
			t.Errorf("%s: %d bytes, %dx%d, %v", name, len(content), picture.Width, picture.Height, err)
		}
	}
}

func takePictures(t *testing.T) {
	s := Small("lab-mirror")
	c := serve(t, s, "")
	take(t, c, "logical", "light", "view=logical&selected=network:"+s.network(t, "shop-web"), func(b *tab) { b.says("#inspector", "shop-web-01") })
	take(t, c, "port", "dark", "view=logical&selected=port:"+s.port("lab-05").ID, func(b *tab) { b.says("#inspector .rules", "no packets") })
	take(t, c, "physical", "light", "view=physical&selected=network:"+s.network(t, "ci-runners"), func(b *tab) { b.says("#inspector", "ci-runners-01") })
	take(t, c, "host", "light", "view=physical&selected=host:compute-3", func(b *tab) { b.says("#inspector .drift", "put right") })
	renamed := s.port("shop-web-01").ID
	for _, change := range []string{`{"name": "shop-front"}`, `{"description": "behind the balancer", "allowed_address_pairs": [{"ip_address": "10.10.0.200"}]}`} {
		c.call("PUT", "ports/"+renamed, `{"port": `+change+`}`)
	}
	take(t, c, "events", "light", "view=logical&selected=port:"+renamed, func(b *tab) {
		b.says("#inspector .rules", "no packets") // it grows by them
		b.says("#inspector .events", "shop-front")
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#inspector .events").scrollIntoView({block: "end"})`))
	})
	large := serve(t, Large(), "")
	take(t, large, "many", "dark", "view=logical", func(*tab) {})
}

// take writes docs/images/page-NAME.png.
func take(t *testing.T, c *controller, name, theme, fragment string, wait func(*tab)) {
	t.Helper()
	b := open(t, c.url+"/ui/#"+fragment)
	b.ready()
	if value[string](b, "document.documentElement.dataset.theme") != theme {
		b.click("#theme")
	}
	wait(b)
	// What arrives later: tiles of ports.
	b.run(chromedp.Sleep(2e9))
	content, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(documents, "images", fmt.Sprintf("page-%s.png", name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	b.run(chromedp.Evaluate[chromedp.Void]("localStorage.clear()"))
}

// network is the id of a network by its name.
func (s *Seed) network(t *testing.T, name string) string {
	t.Helper()
	id, ok := s.Networks[name]
	if !ok {
		t.Fatalf("no network %s", name)
	}
	return id
}
