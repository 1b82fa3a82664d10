package telemetry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/telemetry"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestServerTellsHealthReadinessAndMetrics(t *testing.T) {
	var ready atomic.Bool
	s, err := telemetry.Listen("127.0.0.1:0", telemetry.Registry(),
		telemetry.Check{Name: "records", Test: func(context.Context) error { return nil }},
		telemetry.Check{Name: "controller", Test: func(context.Context) error {
			if !ready.Load() {
				return errors.New("no controller")
			}
			return nil
		}},
		telemetry.Check{Name: "archive", Lasting: true, Test: func(context.Context) error { return errors.New("disk full") }},
	)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	base := "http://" + s.Addr().String()

	if code, body := get(t, base+"/healthz"); code != 200 || !strings.Contains(body, `"alive":true`) {
		t.Errorf("healthz %d %s", code, body)
	}
	checks := func(controller string) string {
		return `"checks":[{"name":"records","ok":true,"needed":true},{"name":"controller",` + controller +
			`,"needed":true},{"name":"archive","ok":false,"reason":"disk full","needed":false}]}` + "\n"
	}
	if code, body := get(t, base+"/readyz"); code != 503 || body != `{"ready":false,`+checks(`"ok":false,"reason":"no controller"`) {
		t.Errorf("readyz %d %s before it is ready", code, body)
	}
	if _, body := get(t, base+"/metrics"); !strings.Contains(body, `lepton_check_ok{check="controller"} 0`) || !strings.Contains(body, `lepton_check_ok{check="records"} 1`) {
		t.Errorf("metrics before it is ready: %s", body)
	}
	ready.Store(true)
	time.Sleep(600 * time.Millisecond) // an outcome is told for half a second
	if code, body := get(t, base+"/readyz"); code != 200 || body != `{"ready":true,`+checks(`"ok":true`) {
		t.Errorf("readyz %d %s after it is ready", code, body)
	}
	if code, body := get(t, base+"/metrics"); code != 200 || !strings.Contains(body, "process_resident_memory_bytes") {
		t.Errorf("metrics %d", code)
	}
	if code, _ := get(t, base+"/debug/pprof/"); code != 200 {
		t.Errorf("pprof %d on loopback", code)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestLoggerRefusesAnUnknownLevel(t *testing.T) {
	if _, err := telemetry.Logger("loud"); err == nil {
		t.Fatal("no error")
	}
}

func TestACheckThatHangsIsBounded(t *testing.T) {
	s, err := telemetry.Listen("127.0.0.1:0", telemetry.Registry(), telemetry.Check{Name: "store", Test: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Run(t.Context()) }()
	began := time.Now()
	if code, body := get(t, "http://"+s.Addr().String()+"/readyz"); code != 503 || !strings.Contains(body, "deadline exceeded") {
		t.Errorf("readyz %d %s", code, body)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("after %s", took)
	}
}

func TestLoopsAreCountedByName(t *testing.T) {
	reg := telemetry.Registry()
	loops := telemetry.NewLoops(reg)
	l := loops.Loop("l3")
	l.Took(3*time.Millisecond, nil)
	l.Took(2*time.Second, errors.New("no namespace"))
	l.Failed()
	l.Waiting(7)
	(*telemetry.Loops)(nil).Loop("none").Done(time.Now(), nil)
	(*telemetry.Loop)(nil).Waiting(1)
	(*telemetry.Loop)(nil).Failed()
	s, err := telemetry.Listen("127.0.0.1:0", reg)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Run(t.Context()) }()
	_, body := get(t, "http://"+s.Addr().String()+"/metrics")
	for _, want := range []string{
		`lepton_loop_seconds_count{loop="l3"} 2`, `lepton_loop_errors_total{loop="l3"} 2`, `lepton_loop_waiting{loop="l3"} 7`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}
