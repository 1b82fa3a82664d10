package ovsdb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// peer answers the first request of each connection with lines in which ID
// stands for the request's id, and then keeps the connection open.
func peer(t *testing.T, lines ...string) (endpoint string) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			var request struct{ ID json.RawMessage }
			if json.NewDecoder(bufio.NewReader(conn)).Decode(&request) == nil {
				for _, line := range lines {
					io.WriteString(conn, strings.ReplaceAll(line, "ID", string(request.ID))) //nolint:errcheck // the client may be gone
				}
				io.Copy(io.Discard, conn) //nolint:errcheck // until the client closes
			}
			conn.Close()
		}
	}()
	return "unix:" + l.Addr().String()
}

func parse(tb testing.TB, text string) any {
	tb.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		tb.Fatal(err)
	}
	return v
}

func TestHostileAnswersEndTheSessionAndNothingElse(t *testing.T) {
	const fine = `{"id":ID,"error":null,"result":{"Open_vSwitch":{"u0":{"new":{"cur_cfg":1,"next_cfg":1}}}}}`
	tests := []struct {
		name    string
		lines   []string
		connect bool // the first answer makes a copy
		text    string
	}{
		{"no JSON", []string{"hello\n"}, false, "invalid character"},
		{"an unfinished message", []string{`{"id":ID,"result":`}, false, "deadline exceeded"},
		{"an array", []string{`[1,2]`}, false, "cannot unmarshal"},
		{"an error text", []string{`{"id":ID,"result":null,"error":"unknown database"}`}, false, "monitor refused: unknown database"},
		{"an error object", []string{`{"id":ID,"result":null,"error":{"error":"syntax error","details":"no column"}}`}, false, "no column"},
		{"an error of another kind", []string{`{"id":ID,"result":null,"error":[7]}`}, false, "[7]"},
		{"no result", []string{`{"id":ID}`}, false, "decode table updates"},
		{"a result that is no table", []string{`{"id":ID,"result":[1]}`}, false, "decode table updates"},
		{"a row that is no row", []string{`{"id":ID,"result":{"Port":{"u":{"new":7}}}}`}, false, "is no row"},
		{"an answer nobody waits for", []string{`{"id":77,"result":{}}`, `{"id":"x","result":{}}`, `{"id":null,"result":1}`, fine}, true, ""},
		{"an unknown request", []string{`{"id":5,"method":"steal","params":[]}`, fine}, true, ""},
		{"an echo without parameters", []string{`{"id":"e","method":"echo"}`, fine}, true, ""},
		{"an update before the copy", []string{`{"id":null,"method":"update","params":["lepton",{}]}`, fine}, true, ""},
		{"an update without parameters", []string{fine, `{"id":null,"method":"update"}`}, true, ""},
		{"an update of one parameter", []string{fine, `{"id":null,"method":"update","params":[1]}`}, true, ""},
		{"an update that is no table", []string{fine, `{"id":null,"method":"update","params":[1,2]}`}, true, ""},
		{"deep nesting", []string{strings.Repeat("[", 1_000_000)}, false, "depth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			timing := defaultTiming()
			timing.connect = 200 * time.Millisecond
			ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
			defer cancel()
			c, err := dial(ctx, peer(t, tt.lines...), nil, zap.NewNop(), timing)
			if err == nil {
				defer c.Close()
			}
			if tt.connect != (err == nil) {
				t.Fatalf("error is %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error is %v, want %q in it", err, tt.text)
			}
		})
	}
}

func TestAnUnreadableRowIsLeftOutAndTheOthersAreKept(t *testing.T) {
	var complaints []error
	r := newReplica(func(err error) { complaints = append(complaints, err) })
	err := r.load(parse(t, `{
		"Open_vSwitch": {"u0": {"new": {"external_ids": ["map", [["system-id", "x"]]], "ovs_version": "3.1.0"}}},
		"Bridge": {
			"b1": {"new": {"name": "br-int", "protocols": ["set", ["OpenFlow13"]], "controller": ["uuid", "c1"],
			               "flow_tables": ["map", [[0, ["uuid", "f1"]]]]}},
			"b2": {"new": {"name": "br-bad", "flow_tables": ["map", [["zero", 1]]]}}},
		"Controller": {"c1": {"new": {"target": "tcp:127.0.0.1:6633", "is_connected": true, "max_backoff": ["set", []], "inactivity_probe": 0}}},
		"Flow_Table": {"f1": {"new": {"name": "classify"}}},
		"Port": {
			"p1": {"new": {"name": "tap1", "tag": 4, "interfaces": ["uuid", "i1"]}},
			"p2": {"new": {"name": "tap2", "tag": "four"}},
			"p3": {"new": {"name": ["set", ["a", "b"]]}}},
		"Interface": {
			"i1": {"new": {"name": "tap1", "ofport": 7, "error": ["set", []]}},
			"i2": {"new": {"name": "tap2", "ofport": 1.5}},
			"i3": {"new": {"name": "tap3", "options": ["map", 3]}},
			"i4": {"new": {"name": "tap4", "options": ["map", [["a"]]]}},
			"i5": {"new": {"name": "tap5", "external_ids": {"a": "b"}}},
			"i6": {"new": {"name": "tap6", "mac_in_use": ["set", 6]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	s := r.state()
	if len(s.Interfaces) != 1 || s.Interfaces["tap1"].OFPort != 7 || len(s.Ports) != 1 || s.Ports["tap1"].Tag != 4 ||
		s.Ports["tap1"].Interfaces[0] != "tap1" {
		t.Errorf("ports %+v, interfaces %+v", s.Ports, s.Interfaces)
	}
	b := s.Bridges["br-int"]
	if len(s.Bridges) != 1 || b.FlowTables[0].Name != "classify" || len(b.Controllers) != 1 || !b.Controllers[0].IsConnected ||
		b.Controllers[0].MaxBackoff != -1 || b.Controllers[0].InactivityProbe != 0 {
		t.Errorf("bridges %+v", s.Bridges)
	}
	if s.OpenVSwitch.OVSVersion != "3.1.0" || s.OpenVSwitch.ExternalIDs["system-id"] != "x" {
		t.Errorf("root %+v", s.OpenVSwitch)
	}
	if len(complaints) != 8 {
		t.Errorf("%d complaints: %v", len(complaints), errors.Join(complaints...))
	}
}

func TestANameGivenUpAndTakenAgainInOneUpdateStays(t *testing.T) {
	r := newReplica(func(err error) { t.Error(err) })
	if err := r.load(parse(t, `{"Port": {"p1": {"new": {"name": "tap1", "tag": 1}}}}`)); err != nil {
		t.Fatal(err)
	}
	for range 20 { // whatever order the map is walked in
		if err := r.apply(parse(t, `["lepton", {"Port": {"p1": {"old": {}}, "p2": {"new": {"name": "tap1", "tag": 2}}}}]`)); err != nil {
			t.Fatal(err)
		}
		if p, ok := r.port("tap1"); !ok || p.Tag != 2 || p.UUID != "p2" {
			t.Fatalf("port is %+v", p)
		}
		if err := r.apply(parse(t, `["lepton", {"Port": {"p2": {"old": {}}, "p1": {"new": {"name": "tap1", "tag": 1}}}}]`)); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzUpdates(f *testing.F) {
	f.Add(`{"Port":{"p1":{"new":{"name":"tap1","tag":["set",[]],"interfaces":["set",[["uuid","i1"]]]}}}}`,
		`["lepton",{"Interface":{"i1":{"new":{"name":"tap1","ofport":3,"options":["map",[["a","b"]]]}}}}]`)
	f.Add(`{"Bridge":{"b":{"new":{"name":"br-int","flow_tables":["map",[[0,["uuid","f"]]]],"controller":["uuid","c"]}}}}`,
		`["lepton",{"Bridge":{"b":{"old":{}}},"Flow_Table":{"f":{"new":null}}}]`)
	f.Add(`{"Open_vSwitch":{"u":{"new":{"next_cfg":1e300}}}}`, `[]`)
	f.Fuzz(func(t *testing.T, initial, update string) {
		r := newReplica(func(error) {})
		var first, second any
		if json.Unmarshal([]byte(initial), &first) != nil || json.Unmarshal([]byte(update), &second) != nil || r.load(first) != nil {
			return
		}
		_ = r.apply(second)
		s := r.state()
		for name, p := range s.Ports {
			if p.Name != name {
				t.Errorf("port %q is filed under %q", p.Name, name)
			}
		}
	})
}

func FuzzResult(f *testing.F) {
	f.Add(`{"count":1}`)
	f.Add(`{"error":"constraint violation","details":"x"}`)
	f.Add(`{"rows":[{"name":"br-int","ports":["set",[["uuid","p"]]]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		r, err := decodeResult(v)
		if err == nil && r.Count < 0 && r.Error == "" && len(r.Rows) > 0 {
			t.Logf("odd but harmless: %+v", r)
		}
		_ = errorText(v)
	})
}

func FuzzSession(f *testing.F) {
	f.Add([]byte(`{"id":1,"result":{},"error":null}{"id":"echo","method":"echo","params":["x"]}`))
	f.Add([]byte(`{"id":null,"method":"update3","params":["lepton","",{"Port":{}}]}`))
	f.Add([]byte(`{"id":1,"error":{"error":"x"}}`))
	f.Fuzz(func(t *testing.T, sent []byte) {
		here, there := net.Pipe()
		r := newReplica(func(error) {})
		s := newSession(here, func(_ string, params any) error { return r.apply(params) })
		go io.Copy(io.Discard, there) //nolint:errcheck // until the end of the session
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			_, _ = s.call(ctx, "monitor", nil, r.load)
		}()
		there.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // a pipe has deadlines
		there.Write(sent)                                   //nolint:errcheck // the session may have ended
		there.Close()
		<-answered
		s.close()
		if cause := s.err(); strings.Contains(cause.Error(), "handle message") {
			t.Errorf("panic: %v", cause)
		}
	})
}

func FuzzParseEndpoint(f *testing.F) {
	for _, s := range []string{"unix:/run/db.sock", "tcp:127.0.0.1:6640", "tcp:[::1]:6640", "tcp:[::1]", "tcp:host", "ssl:x", "ssl:[::1]:6640"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		network, address, err := parseEndpoint(s)
		if err != nil {
			return
		}
		if network != "unix" {
			if _, _, err := net.SplitHostPort(address); err != nil {
				t.Errorf("%q gives %q: %v", s, address, err)
			}
		}
	})
}

func TestParseEndpointKnowsTheDefaultPort(t *testing.T) {
	for endpoint, want := range map[string]string{
		"tcp:127.0.0.1:6641":  "127.0.0.1:6641",
		"tcp:127.0.0.1":       "127.0.0.1:6640",
		"tcp:[::1]":           "[::1]:6640",
		"tcp:[2001:db8::1]:1": "[2001:db8::1]:1",
		"unix:/run/x.sock":    "/run/x.sock",
	} {
		if _, address, err := parseEndpoint(endpoint); err != nil || address != want {
			t.Errorf("%s: %q, %v", endpoint, address, err)
		}
	}
}
