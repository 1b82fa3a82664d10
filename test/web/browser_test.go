package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/lepton-sdn/lepton/test/e2e"
)

// program is lepton-controller as make build makes it.
var program = filepath.Join(e2e.BinDir(), "lepton-controller")

// The window in pixels.
const width, height = 1440, 900

// browser is the context of one Chromium, whose tabs the tests use.
var browser context.Context

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "lepton-web-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WindowSize(width, height), chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Flag("force-color-profile", "srgb"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	ctx, done := chromedp.NewContext(allocator)
	defer done()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "start chromium:", err)
		return 1
	}
	browser = ctx
	return m.Run()
}

// controller is a running lepton-controller.
type controller struct {
	t    testing.TB
	url  string
	dir  string
	auth string
	cmd  *exec.Cmd
}

// serve starts a controller over a cloud. auth is the configuration's section, ""
// for none.
func serve(t testing.TB, s *Seed, auth string) *controller {
	t.Helper()
	dir := t.TempDir()
	if err := s.Write(t.Context(), filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	c := &controller{t: t, dir: dir, auth: auth, url: "http://" + freeAddress(t)}
	c.start()
	t.Cleanup(c.stop)
	return c
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (c *controller) start() {
	c.t.Helper()
	auth := c.auth
	if auth == "" {
		auth = "{ mode: none }"
	}
	file := filepath.Join(c.dir, "controller.yaml")
	text := fmt.Sprintf("api: { listen: %q }\nrpc: { listen: %q }\nmetrics: { listen: \"\" }\nstore: { embedded: { dir: %q } }\nauth: %s\nlog: { level: warn }\n",
		strings.TrimPrefix(c.url, "http://"), freeAddress(c.t), filepath.Join(c.dir, "store"), auth)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.cmd = exec.Command(program, "--config", file)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	c.cmd.Stdout, c.cmd.Stderr = &said, &said
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(30 * time.Millisecond) {
		res, err := http.Get(c.url + "/ui/session")
		if err == nil {
			_ = res.Body.Close()
			return
		}
		if time.Now().After(end) {
			c.stop()
			c.t.Fatalf("lepton-controller does not serve: %s", &said)
		}
	}
}

func (c *controller) stop() {
	if c.cmd.ProcessState != nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(15*time.Second, func() { _ = c.cmd.Process.Kill() })
	_ = c.cmd.Wait()
	kill.Stop()
}

// call sends a request to the API and gives the id of what it made.
func (c *controller) call(method, path, body string) string {
	c.t.Helper()
	req, err := http.NewRequest(method, c.url+"/v2.0/"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		c.t.Fatalf("%s %s: %d %s %v", method, path, res.StatusCode, text, err)
	}
	var out map[string]struct{ ID string }
	_ = json.Unmarshal(text, &out)
	for _, o := range out {
		return o.ID
	}
	return ""
}

// tab is one look at the page.
type tab struct {
	t   testing.TB
	ctx context.Context
	mu  sync.Mutex
	// said is what the browser complained of: errors, exceptions, violations of the
	// policy.
	said []string
	// troubled allows complaints about requests that fail.
	troubled bool
}

// open opens an address in a tab of its own. A complaint of the browser's fails the
// test.
func open(t testing.TB, url string) *tab {
	t.Helper()
	b := &tab{t: t}
	ctx, done := chromedp.NewContext(browser, chromedp.WithListener(b.listen))
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	ctx, late := context.WithTimeout(ctx, 5*time.Minute)
	b.ctx = ctx
	t.Cleanup(func() {
		if t.Failed() {
			b.keep(t.Name())
		}
		late()
		done()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, s := range b.said {
			if !b.troubled || !strings.Contains(s, "Failed to load resource") {
				t.Error("the browser says:", s)
			}
		}
	})
	b.run(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch})
		return chromedp.Void{}, err
	}, chromedp.EmulateViewport(width, height), chromedp.Navigate(url))
	return b
}

// watch remembers what the policy forbade; it runs before the page's scripts.
const watch = `window.violations = [];
addEventListener("securitypolicyviolation", (e) => window.violations.push(e.violatedDirective + " " + e.blockedURI));`

// listen remembers what the browser complains of.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text, _ := json.Marshal(e.ExceptionDetails)
		b.said = append(b.said, string(text))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			text, _ := json.Marshal(e.Args)
			b.said = append(b.said, string(text))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.said = append(b.said, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// keep leaves a picture of a failure behind.
func (b *tab) keep(name string) {
	if png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot()); err == nil {
		file := filepath.Join(os.TempDir(), "lepton-page-"+strings.ReplaceAll(name, "/", "-")+".png")
		if os.WriteFile(file, png, 0o600) == nil {
			b.t.Log("a picture of the failure is in", file)
		}
	}
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// value evaluates an expression.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

// until waits for an expression to be true; before each look it does what is given.
func (b *tab) until(what, expression string, do ...func()) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(25 * time.Millisecond) {
		for _, fn := range do {
			fn()
		}
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if ok {
			return
		}
		if errors.Is(err, context.DeadlineExceeded) || time.Now().After(end) {
			b.t.Fatalf("%s: never (%v); the page says %.600q", what, err, b.text("body"))
		}
	}
}

// text is what an element says.
func (b *tab) text(selector string) string {
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector)))
	if err != nil {
		return err.Error()
	}
	return out
}

// ready waits for the first picture.
func (b *tab) ready() {
	b.t.Helper()
	b.until("a picture", `performance.getEntriesByName("lepton-first-picture").length && performance.getEntriesByName("lepton-frame").length`)
}

// says waits until an element says a text.
func (b *tab) says(selector, text string) {
	b.t.Helper()
	b.until(selector+" says "+text, fmt.Sprintf(`document.querySelector(%q)?.textContent.includes(%q)`, selector, text))
}

// harmless checks that nothing has run that a name wanted to run, and that the
// policy was not hit.
func (b *tab) harmless() {
	b.t.Helper()
	if value[bool](b, "window.harmed !== undefined") {
		b.t.Error("a name was run as a script")
	}
	if v := value[[]string](b, "window.violations"); len(v) > 0 {
		b.t.Errorf("the policy was violated: %v", v)
	}
}

// click clicks in the middle of an element.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// clickText clicks the first element of a kind that says exactly a text.
func (b *tab) clickText(selector, text string) {
	b.t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll(%q)].find((e) => e.textContent === %q)`, selector, text)
	b.until(selector+" "+text, find)
	value[bool](b, find+".click() || true")
}
