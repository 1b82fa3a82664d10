package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestAControllerThatIsToldToEndFinishesWhatItBegan asks a controller to end
// while clients make networks and one request is half sent: what was begun is
// answered, new connections are refused, and what was acknowledged is there
// after the next start.
func TestAControllerThatIsToldToEndFinishesWhatItBegan(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	api := free.Addr().String()
	_ = free.Close() // the controller takes it
	config := fmt.Sprintf("api: { listen: %q }\nrpc: { listen: \"127.0.0.1:0\" }\nmetrics: { listen: \"127.0.0.1:0\" }\nstore: { embedded: { dir: %q } }\nnetwork: { quotas: { network: -1 } }\n", api, t.TempDir())
	first := startProgram(t, "controller", config, "ready: API on "+api)

	slow, err := net.Dial("tcp", api)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Close() }()
	body := `{"network": {"name": "slow"}}`
	if _, err := fmt.Fprintf(slow, "POST /v2.0/networks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:10]); err != nil {
		t.Fatal(err)
	}
	var made atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				res, err := http.Post("http://"+api+"/v2.0/networks", "application/json", strings.NewReader(`{"network": {"name": "many"}}`))
				if err != nil {
					return // refused: the controller takes no more
				}
				_ = res.Body.Close()
				if res.StatusCode != http.StatusCreated {
					t.Errorf("status %d", res.StatusCode)
				}
				made.Add(1)
			}
		})
	}
	for end := time.Now().Add(patience); made.Load() < 20 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	if _, err := net.Dial("tcp", api); err == nil {
		t.Error("new connections are taken")
	}
	if _, err := slow.Write([]byte(body[10:])); err != nil {
		t.Fatal(err)
	}
	if err := slow.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		t.Fatalf("the request that was begun: %v", err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusCreated || !res.Close {
		t.Errorf("the request that was begun: %s, the connection closes: %t", res.Status, res.Close)
	}
	asked := time.Now()
	if err := first.cmd.Wait(); err != nil || time.Since(asked) > 10*time.Second {
		t.Errorf("after %s: %v, output:\n%s", time.Since(asked), err, first.out)
	}

	second := startProgram(t, "controller", config, "ready: API on "+api)
	list, err := http.Get("http://" + api + "/v2.0/networks?fields=name")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = list.Body.Close() }()
	names := &lines{}
	if _, err := bufio.NewReader(list.Body).WriteTo(names); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(names.String(), `"many"`); got < int(made.Load()) || !strings.Contains(names.String(), `"slow"`) {
		t.Errorf("%d networks are there, %d were acknowledged: %s", got, made.Load(), names)
	}
	http.DefaultClient.CloseIdleConnections()
	second.end(t)
}
