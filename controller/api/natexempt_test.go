package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestRoutersExemptDestinationsFromNAT(t *testing.T) {
	s := newSite(t)
	exempt := func(want string, router map[string]any) {
		t.Helper()
		if got := fmt.Sprint(router["lepton_nat_exempt"]); got != want {
			t.Errorf("lepton_nat_exempt is %s, want %s", got, want)
		}
	}
	exempt("[]", s.do(200, "GET routers/$router", ""))
	exempt("[192.0.2.0/24 198.51.100.0/24]", s.do(200, "PUT routers/$router", `{"router": {"lepton_nat_exempt": ["198.51.100.0/24", "192.0.2.0/24"]}}`))
	exempt("[192.0.2.0/24 198.51.100.0/24]", s.do(200, "PUT routers/$router", `{"router": {"name": "x"}}`))
	exempt("[]", s.do(200, "PUT routers/$router", `{"router": {"lepton_nat_exempt": null}}`))
	exempt("[0.0.0.0/0]", s.create("routers", "router", `{"lepton_nat_exempt": ["0.0.0.0/0"]}`))
	s.empty()
}

func TestBadNATExemptionsAreRefusedByName(t *testing.T) {
	s := newSite(t)
	many := make([]string, maxNATExempt+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"10.9.%d.0/24"`, i)
	}
	for name, tc := range map[string]struct{ value, says string }{
		"no list":          {`"192.0.2.0/24"`, "is not a list"},
		"no range":         {`["everywhere"]`, "'everywhere' is not a valid IP subnet"},
		"a number":         {`[4]`, "'4' is not a valid IP subnet"},
		"an address":       {`["192.0.2.1"]`, "'192.0.2.1' is not a valid IP subnet"},
		"host bits":        {`["192.0.2.1/24"]`, "'192.0.2.0/24' is the range"},
		"IPv6":             {`["2001:db8::/32"]`, "of which nothing is translated"},
		"the same twice":   {`["192.0.2.0/24", "192.0.2.0/24"]`, "Duplicate"},
		"more than enough": {"[" + strings.Join(many, ", ") + "]", "more than the 64"},
	} {
		for _, request := range []string{"PUT routers/$router", "POST routers"} {
			answer := s.do(400, request, `{"router": {"lepton_nat_exempt": `+tc.value+`}}`)
			if text := fmt.Sprint(answer["message"]); answer["type"] != "HTTPBadRequest" || !strings.Contains(text, tc.says) || !strings.Contains(text, "lepton_nat_exempt") {
				t.Errorf("%s: %v", name, answer)
			}
		}
	}
	if got := fmt.Sprint(s.do(200, "GET routers/$router", "")["lepton_nat_exempt"]); got != "[]" {
		t.Errorf("a refused request left %s", got)
	}
}
