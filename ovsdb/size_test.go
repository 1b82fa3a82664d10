package ovsdb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// updateOf is the <table-updates> of n new ports that have their numbers.
func updateOf(n int) string {
	var ports, ifaces []string
	for i := range n {
		ports = append(ports, fmt.Sprintf(`"00000000-0000-0000-0001-%012d":{"new":{"name":"tap%08d-ab","tag":["set",[]],"other_config":["map",[]],`+
			`"external_ids":["map",[]],"interfaces":["uuid","00000000-0000-0000-0002-%012d"]}}`, i, i, i))
		ifaces = append(ifaces, fmt.Sprintf(`"00000000-0000-0000-0002-%012d":{"new":{"name":"tap%08d-ab","type":"internal","ofport":%d,"error":["set",[]],`+
			`"options":["map",[]],"mac_in_use":"fa:16:3e:00:00:01","mtu":1450,"mtu_request":["set",[]],"external_ids":["map",[["attached-mac","fa:16:3e:%02x:%02x:01"],`+
			`["iface-id","00000000-0000-0000-0003-%012d"],["iface-status","active"],["vm-uuid","00000000-0000-0000-0004-%012d"]]]}}`, i, i, i+1, i>>8, i&255, i, i))
	}
	return `{"Port":{` + strings.Join(ports, ",") + `},"Interface":{` + strings.Join(ifaces, ",") + `}}`
}

func TestTheCopyOf500PortsIsSmall(t *testing.T) {
	text := updateOf(500)
	before := heap()
	r := newReplica(func(err error) { t.Error(err) })
	if err := r.load(parse(t, text)); err != nil {
		t.Fatal(err)
	}
	used := heap() - before
	if s := r.state(); len(s.Ports) != 500 || s.Interfaces["tap00000499-ab"].OFPort != 500 {
		t.Fatalf("%d ports in the copy", len(s.Ports))
	}
	if used > 2<<20 {
		t.Errorf("500 ports take %d KiB", used>>10)
	}
	runtime.KeepAlive(r)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkUpdate takes the bytes of an update of 500 ports and their
// interfaces into a copy that somebody is looking at.
func BenchmarkUpdate(b *testing.B) {
	text := []byte(`{"id":null,"method":"update","params":["lepton",` + updateOf(500) + `]}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r := newReplica(func(err error) { b.Error(err) })
		if err := r.load(map[string]any{}); err != nil {
			b.Fatal(err)
		}
		r.state()
		var m message
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&m); err != nil {
			b.Fatal(err)
		}
		if err := r.apply(m.Params); err != nil {
			b.Fatal(err)
		}
	}
}
