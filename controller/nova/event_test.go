package nova

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/model"
)

const (
	serverA = "aaaaaaaa-0000-4000-8000-000000000001"
	serverB = "bbbbbbbb-0000-4000-8000-000000000002"
)

func TestEventsAreTheDifferenceBetweenWhatWasToldAndWhatIs(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	at := func(state model.PortState, change ...func(*model.ServerNotice)) *model.ServerNotice {
		n := &model.ServerNotice{PortID: "p", ServerID: serverA, State: state, Since: since, Revision: 3}
		for _, f := range change {
			f(n)
		}
		return n
	}
	later := func(n *model.ServerNotice) { n.Since = since.Add(time.Second) }
	changed := func(n *model.ServerNotice) { n.Revision++ }
	floating := func(n *model.ServerNotice) { n.Floating = []string{"203.0.113.5 10.0.0.5"} }
	other := func(n *model.ServerNotice) { n.ServerID = serverB }
	const plugged = "network-vif-plugged completed"
	for name, tc := range map[string]struct {
		told, now *model.ServerNotice
		gone      bool
		want      string
	}{
		"a port is given to a server":                 {now: at(model.PortDown), want: ""},
		"a port that was wired before the first look": {now: at(model.PortActive), want: plugged},
		"a port is wired":                             {told: at(model.PortDown), now: at(model.PortActive), want: plugged},
		"nothing":                                     {told: at(model.PortActive), now: at(model.PortActive), want: ""},
		"a port is unplugged":                         {told: at(model.PortActive), now: at(model.PortDown), want: "network-vif-unplugged completed"},
		"a port is plugged again between two looks":   {told: at(model.PortActive), now: at(model.PortActive, later), want: plugged},
		"a port cannot be wired":                      {told: at(model.PortDown), now: at(model.PortError), want: "network-vif-plugged failed"},
		"a port that could not be wired is":           {told: at(model.PortError), now: at(model.PortActive), want: plugged},
		"a wired port has an error":                   {told: at(model.PortActive), now: at(model.PortError), want: ""},
		"a port that could not be wired is unplugged": {told: at(model.PortError), now: at(model.PortDown), want: ""},
		"a port is changed":                           {told: at(model.PortActive), now: at(model.PortActive, changed), want: "network-changed"},
		"a floating address comes":                    {told: at(model.PortActive), now: at(model.PortActive, floating), want: "network-changed"},
		"a floating address goes":                     {told: at(model.PortActive, floating), now: at(model.PortActive), want: "network-changed"},
		"a port is changed and wired":                 {told: at(model.PortDown), now: at(model.PortActive, changed), want: plugged + ", network-changed"},
		"a port is deleted":                           {told: at(model.PortActive), gone: true, want: "network-vif-deleted"},
		"a port that nobody heard of is deleted":      {gone: true, want: ""},
		"a port is taken from its server":             {told: at(model.PortActive), want: ""},
		"a port is given to another server":           {told: at(model.PortActive), now: at(model.PortActive, other, later, changed), want: plugged},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range difference(tc.told, tc.now, tc.gone) {
				if want := tc.now; want != nil && e.ServerID != want.ServerID || e.Tag != "p" {
					t.Errorf("event %+v", e)
				}
				got = append(got, strings.TrimSpace(e.Name+" "+e.Status))
			}
			if all := strings.Join(got, ", "); all != tc.want {
				t.Errorf("events %q, want %q", all, tc.want)
			}
		})
	}
}

func TestOnlyPortsOfServersAreTold(t *testing.T) {
	for _, tc := range []struct{ owner, device, want string }{
		{"compute:nova", serverA, serverA},
		{"compute:", strings.ToUpper(serverA), serverA},
		{"compute:nova", "", ""},
		{"compute:nova", "bench", ""},
		{"compute:nova", "{" + serverA + "}", ""},
		{"compute:nova", strings.ReplaceAll(serverA, "-", ""), ""},
		{"network:dhcp", serverA, ""},
		{"baremetal:none", serverA, ""},
		{"", serverA, ""},
	} {
		if got := server(&model.Port{DeviceOwner: tc.owner, DeviceID: tc.device}); got != tc.want {
			t.Errorf("%q %q: server %q, want %q", tc.owner, tc.device, got, tc.want)
		}
	}
}

func TestAnswersOfNovaAreUnderstood(t *testing.T) {
	events := []event{{Name: vifPlugged, ServerID: serverA, Tag: "p", Status: completed}, {Name: networkChanged, ServerID: serverB, Tag: "q"}}
	of := func(codes ...int) string {
		var out []string
		for i, c := range codes {
			out = append(out, fmt.Sprintf(`{"name": %q, "server_uuid": %q, "tag": %q, "status": "completed", "code": %d}`,
				events[i].Name, events[i].ServerID, events[i].Tag, c))
		}
		return `{"events": [` + strings.Join(out, ", ") + `]}`
	}
	for name, tc := range map[string]struct {
		status int
		answer string
		want   string // codes, or part of the error
	}{
		"all taken":                  {200, of(200, 200), "[{200} {200}]"},
		"one server is unknown":      {207, of(200, 404), "[{200} {404}]"},
		"one server is on no host":   {207, of(422, 200), "[{422} {200}]"},
		"none of the servers exists": {404, `{"itemNotFound": {"code": 404, "message": "No instances found for any event"}}`, "[{404} {404}]"},
		"an event is missing":        {200, of(200), "[{200} {0}]"},
		"a code that is none":        {207, of(200, -7), "[{200} {0}]"},
		"a wrong URL":                {404, "<html>404</html>", "knows no os-server-external-events"},
		"a refusal":                  {400, `{"badRequest": {"message": "Invalid input"}}`, "refused"},
		"a user without the right":   {403, "", "may not send events"},
		"an error":                   {500, "oops", `500 of Nova: "oops"`},
		"a redirect":                 {302, "", "302 of Nova"},
		"no JSON":                    {200, "<html>", "not JSON of events"},
		"JSON of something else":     {200, `{"servers": []}`, "not JSON of events"},
		"JSON of the wrong types":    {200, `{"events": [{"name": 7}]}`, "not JSON of events"},
		"nothing":                    {200, "", "not JSON of events"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := outcomes(tc.status, []byte(tc.answer), events)
			got := fmt.Sprint(out)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tc.want) {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func FuzzAnswersOfNovaAreUnderstood(f *testing.F) {
	f.Add(200, []byte(`{"events": [{"name": "network-changed", "server_uuid": "a", "tag": "b", "code": 200}]}`))
	f.Add(404, []byte(`{"itemNotFound": {}}`))
	f.Add(207, []byte(`{"events": [null, {}]}`))
	events := []event{{Name: networkChanged, ServerID: "a", Tag: "b"}, {Name: vifDeleted, ServerID: "a", Tag: "c"}}
	f.Fuzz(func(t *testing.T, status int, answer []byte) {
		out, err := outcomes(status, answer, events)
		if err == nil && len(out) != len(events) {
			t.Fatalf("%d outcomes of %d events", len(out), len(events))
		}
	})
}
