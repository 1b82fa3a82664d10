package api

import (
	"net/http"
	"testing"
)

func TestAnswersAreJSONAndWhoeverTakesNoneIsTold(t *testing.T) {
	c := newCloud(t)
	for accept, want := range map[string]int{
		"": 200, "*/*": 200, "application/*": 200, "Application/JSON; charset=utf-8": 200, "anything": 200,
		"text/html,application/xml;q=0.9,*/*;q=0.8": 200, // a browser
		"text/plain": 406, "application/xml": 406, "text/html, image/png;q=0.5": 406, "application/jsonp": 406,
	} {
		for _, path := range []string{"networks", "networks/none", "extensions"} {
			status, out, header := c.call("GET", "/v2.0/"+path, nil, "Accept", accept)
			expected := want
			if want == 200 && path == "networks/none" {
				expected = 404
			}
			if status != expected || want == 406 && refusedType(out) != "HTTPNotAcceptable" {
				t.Errorf("GET %s for %q: %d %v, want %d", path, accept, status, out, expected)
			}
			if header.Get("X-Openstack-Request-Id") == "" || header.Get("Content-Type") != "application/json" {
				t.Errorf("GET %s for %q: %v", path, accept, header)
			}
		}
	}
	before := len(c.claims())
	if status, _, _ := c.call("POST", "/v2.0/networks", `{"network": {}}`, "Accept", "text/xml"); status != 406 || len(c.claims()) != before {
		t.Errorf("a network whose answer nobody takes: %d, and %d keys", status, len(c.claims())-before)
	}
	if !takesJSON(http.Header{"Accept": {"text/html", "application/json"}}) {
		t.Error("the second of two lines does not count")
	}
}
