package neutron

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
)

// service answers as the function says, and remembers what it was asked.
type service struct {
	mu    sync.Mutex
	asked []string
	says  func(request string, nth int) (status int, body string)
}

func (s *service) cloud(t *testing.T) *Cloud {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		request := strings.TrimSpace(r.Method + " " + r.URL.String() + " " + string(body))
		nth := 1
		for _, before := range s.asked {
			if before == request {
				nth++
			}
		}
		s.asked = append(s.asked, request)
		s.mu.Unlock()
		status, answer := s.says(request, nth)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	return New(&gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: server.URL + "/", ResourceBase: server.URL + "/v2.0/"})
}

func refusal(text string) string {
	return fmt.Sprintf(`{"NeutronError": {"type": "T", "message": %q, "detail": ""}}`, text)
}

func quiet(int, int, Step) {}

// ports plans that many ports.
func ports(t *testing.T, members ...string) *Plan {
	t.Helper()
	var list []string
	for i, m := range members {
		list = append(list, fmt.Sprintf(`{"id": "%d", "project_id": "x"%s}`, i, m))
	}
	return Compare(snapshot(t, `{"port": [`+strings.Join(list, ",")+`]}`), Snapshot{})
}

func TestWhatIsRefusedDoesNotKeepTheOthersOut(t *testing.T) {
	s := &service{says: func(request string, _ int) (int, string) {
		if strings.Contains(request, `"id":"1"`) {
			return 409, refusal("no room")
		}
		return 201, `{}`
	}}
	report, err := ports(t, "", "", "").Run(t.Context(), s.cloud(t), quiet)
	if err != nil {
		t.Fatal(err)
	}
	if c := report.Counts[0]; c.Found != 3 || c.Made != 2 || c.Failed != 1 {
		t.Errorf("counted %+v", *c)
	}
	want := Note{Kind: "port", ID: "1", Verdict: Failed, Reason: "create: no room"}
	if len(report.Notes) != 1 || report.Notes[0] != want || report.Complete() {
		t.Errorf("notes %+v", report.Notes)
	}
}

func TestAnOptionalAttributeIsGivenUpForTheObject(t *testing.T) {
	s := &service{says: func(request string, _ int) (int, string) {
		if strings.Contains(request, "qos_policy_id") {
			return 409, refusal("not on this host")
		}
		return 201, `{}`
	}}
	report, err := ports(t, `, "qos_policy_id": "q"`).Run(t.Context(), s.cloud(t), quiet)
	if err != nil {
		t.Fatal(err)
	}
	want := Note{Kind: "port", ID: "0", Verdict: Lacks, Attribute: "qos_policy_id", Reason: "create: not on this host"}
	if report.Counts[0].Made != 1 || len(report.Notes) != 1 || report.Notes[0] != want {
		t.Errorf("counted %+v, notes %+v", *report.Counts[0], report.Notes)
	}
}

func TestWhatNobodyAnsweredIsSentAgain(t *testing.T) {
	s := &service{says: func(_ string, nth int) (int, string) {
		switch nth {
		case 1:
			return 503, ``
		default:
			return 409, refusal("Port 0 exists already.")
		}
	}}
	report, err := ports(t, "").Run(t.Context(), s.cloud(t), quiet)
	if err != nil || report.Counts[0].Made != 1 || len(report.Notes) != 0 {
		t.Errorf("%v, counted %+v, notes %+v", err, *report.Counts[0], report.Notes)
	}
}

func TestWithoutRightsNothingMoreIsTried(t *testing.T) {
	s := &service{says: func(string, int) (int, string) { return 403, refusal("not you") }}
	many := slices.Repeat([]string{""}, 100)
	_, err := ports(t, many...).Run(t.Context(), s.cloud(t), quiet)
	refused := (*Refusal)(nil)
	if !errors.As(err, &refused) || refused.Status != 403 || !strings.Contains(err.Error(), "not you") {
		t.Errorf("ended with %v", err)
	}
	if len(s.asked) > 2*workers {
		t.Errorf("%d requests were sent", len(s.asked))
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	s := &service{says: func(request string, _ int) (int, string) {
		switch {
		case strings.Contains(request, "/extensions"):
			return 200, `{"extensions": [{"alias": "quotas"}, {"alias": "bgp"}]}`
		case strings.Contains(request, "/bgp-speakers"):
			return 404, `no such thing`
		case strings.Contains(request, "marker=b"):
			return 200, `{"ports": [{"id": "c"}], "ports_links": [{"rel": "previous"}]}`
		case strings.Contains(request, "/ports"):
			return 200, `{"ports": [{"id": "a"}, {"id": "b"}], "ports_links": [{"rel": "next", "href": "http://elsewhere/"}]}`
		}
		return 200, `{}`
	}}
	got, err := s.cloud(t).Read(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, o := range got.Objects["port"] {
		ids = append(ids, o.id())
	}
	if fmt.Sprint(ids) != "[a b c]" || !got.Extensions["quotas"] {
		t.Errorf("ports %v, extensions %v", ids, got.Extensions)
	}
}
