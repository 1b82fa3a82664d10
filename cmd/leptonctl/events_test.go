package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const someEvents = `{"id": "2", "at": "2026-01-02T03:04:06.000Z", "kind": "applied", "action": "apply", "resource": "port", "resource_id": "p",
	"store_revision": 7, "hosts": ["hv1", "hv2", "hv3"]},
	{"id": "1", "at": "2026-01-02T03:04:05.000Z", "kind": "change", "action": "update", "resource": "port", "resource_id": "p",
	"resource_name": "web", "store_revision": 7, "hosts": [], "by": {"kind": "user", "user_id": "u", "user_name": "alice", "address": "192.0.2.1"},
	"attributes": [{"name": "name", "old": "a", "new": "b\nc"}, {"name": "user_data", "old": null, "new": null, "secret": true}]}`

func runEvents(t *testing.T, api string, flags ...string) string {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetArgs(append([]string{"events", "--api", api}, flags...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestEventsAreShownTheOldestFirst(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/v2.0/lepton-events" || q.Get("resource_id") != "p" || q.Get("host") != "hv1" || q.Get("limit") != "50" {
			t.Errorf("asked for %s", r.URL)
		}
		if since, err := time.Parse(time.RFC3339Nano, q.Get("since")); err != nil || time.Since(since) < time.Hour || time.Since(since) > 2*time.Hour {
			t.Errorf("since %s", q.Get("since"))
		}
		fmt.Fprintf(w, `{"lepton_events": [%s]}`, someEvents)
	}))
	defer api.Close()
	flags := []string{"--object", "p", "--since", "1h", "--host", "hv1"}
	want := `AT                        KIND     ACTION  RESOURCE  ID  BY               WHAT
2026-01-02T03:04:05.000Z  change   update  port      p   alice@192.0.2.1  web: name=a→b c user_data (secret) @7
2026-01-02T03:04:06.000Z  applied  apply   port      p   hv1 and 2 more   @7 on 3 hosts
`
	if got := runEvents(t, api.URL, flags...); got != want {
		t.Errorf("output\n%s\nwant\n%s", got, want)
	}
	if got := runEvents(t, api.URL, append(flags, "-o", "json")...); !strings.Contains(got, `"user_name": "alice"`) {
		t.Errorf("%s", got)
	}
}

func TestEventsReadAllPages(t *testing.T) {
	var pages atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pages.Add(1) == 1 {
			fmt.Fprintf(w, `{"lepton_events": [], "lepton_events_links": [{"rel": "next", "href": "http://x/v2.0/lepton-events?marker=m"}]}`)
			return
		}
		if r.URL.Query().Get("marker") != "m" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprintf(w, `{"lepton_events": [%s]}`, someEvents)
	}))
	defer api.Close()
	if got := runEvents(t, api.URL, "-n", "0"); strings.Count(got, "\n") != 3 {
		t.Errorf("%s", got)
	}
}

func TestFollowedEventsAreShownOnceAlsoAfterAnOutage(t *testing.T) {
	var asked atomic.Int32
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := asked.Add(1)
		now := time.Now().UTC().Format(time.RFC3339Nano)
		came := func(id string) string {
			return fmt.Sprintf(`{"id": %q, "at": %q, "kind": "agent", "action": "came", "resource": "agent", "hosts": ["hv-%s"]}`, id, now, id)
		}
		switch n {
		case 1: // what is recent
			fmt.Fprintf(w, `{"lepton_events": [%s, %s]}`, someEvents, came("recent"))
		case 2: // the last of all
			fmt.Fprintf(w, `{"lepton_events": [%s]}`, someEvents)
		case 4:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 6:
			cancel()
		default:
			fmt.Fprintf(w, `{"lepton_events": [%s, %s, %s]}`, came(fmt.Sprintf("n%d", n)), someEvents, came("recent"))
		}
	}))
	defer api.Close()
	var out, said bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&said)
	root.SetArgs([]string{"events", "--api", api.URL, "--follow", "-n", "2"})
	if err := root.ExecuteContext(ctx); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for word, times := range map[string]int{"WHAT": 1, "alice": 1, "hv-n3": 1, "hv-n5": 1, "hv-recent": 0, "came": 2} {
		if n := strings.Count(got, word); n != times {
			t.Errorf("%q is told %d times, not %d:\n%s", word, n, times, got)
		}
	}
	if text := said.String(); strings.Count(text, "it is asked again") != 1 {
		t.Errorf("of the outage it says %q", text)
	}
}

func TestEventsRefuseNonsense(t *testing.T) {
	for _, flags := range []string{"--since yesterday", "--until x", "-n -1", "--follow --until 1h", "-o xml"} {
		if got := run(t.Context(), append([]string{"events", "--api", "http://127.0.0.1:1"}, strings.Fields(flags)...)); got != exitUsage {
			t.Errorf("%s: exit code %d", flags, got)
		}
	}
}
