package packetlog

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
)

const (
	port   = "90000000-0001-4000-8000-000000000000"
	first  = "10600000-0001-4000-8000-000000000000"
	second = "10600000-0002-4000-8000-000000000000"
	alien  = "10600000-0003-4000-8000-000000000000"
)

// bench is a Log whose lines and clock the test has.
type bench struct {
	*Log
	lines *observer.ObservedLogs
	reg   *prometheus.Registry
	now   time.Time
}

func newBench() *bench {
	core, lines := observer.New(zap.InfoLevel)
	b := &bench{lines: lines, reg: prometheus.NewRegistry(), now: time.Unix(1_000_000, 0)}
	b.Log = New(Config{
		Rate: 100, Burst: 25, Out: zap.New(core), Registerer: b.reg,
		Now: func() time.Time { return b.now },
	})
	b.SetLogs(map[string]*model.Log{
		first:  {Meta: model.Meta{ID: first, ProjectID: "p1"}},
		second: {Meta: model.Meta{ID: second, ProjectID: "p1"}},
		alien:  {Meta: model.Meta{ID: alien, ProjectID: "p2"}},
	})
	return b
}

// counted gives the figure of packets with a fate.
func (b *bench) counted(t *testing.T, fate string) float64 {
	t.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == fate {
			return m.GetCounter().GetValue()
		}
	}
	t.Fatalf("no figure of %s packets", fate)
	return 0
}

// copyOf is the copy of a packet on its way out of the port, as the pipeline
// has the switch send it.
func copyOf(t *testing.T, kind byte, frame []byte, logs ...string) ofp.PacketIn {
	t.Helper()
	data := []byte{kind}
	for _, id := range append([]string{port}, logs...) {
		u := uuid.MustParse(id)
		data = append(data, u[:]...)
	}
	return ofp.PacketIn{
		Userdata: data, Data: frame, FullLen: 1500,
		Metadata: flows.MustMatch(flows.ExactU(flows.InPort, 11), flows.ExactU(flows.Reg5, 11)),
	}
}

func tcp(t *testing.T, from int) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true},
		&layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4},
		ip, &layers.TCP{SrcPort: layers.TCPPort(from), DstPort: 22, SYN: true}, gopacket.Payload(make([]byte, 200)))
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()[:128]
}

func TestALineSaysWhatHappenedToWhichPacketAndForWhichLogs(t *testing.T) {
	b := newBench()
	if fate := b.write(copyOf(t, 'D', tcp(t, 4000), second, first, alien)); fate != written {
		t.Fatalf("the packet is %s", fate)
	}
	line := func(project string, logs ...any) map[string]any {
		return map[string]any{
			"action": "DROP", "project_id": project, "log_resource_ids": logs, "vm_port": port,
			"direction": "egress", "length": int64(1500),
			"src_mac": "02:00:00:00:00:01", "dst_mac": "02:00:00:00:00:02", "ethertype": "IPv4",
			"src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "protocol": "TCP", "src_port": int64(4000), "dst_port": int64(22),
		}
	}
	var got []map[string]any
	for _, e := range b.lines.All() {
		got = append(got, e.ContextMap())
	}
	if diff := cmp.Diff([]map[string]any{line("p1", second, first), line("p2", alien)}, got); diff != "" {
		t.Errorf("lines differ:\n%s", diff)
	}
}

// TestTheWayOfAPacketIsReadFromItsCopy: into a port, or back to the sender of
// what it sent to all.
func TestTheWayOfAPacketIsReadFromItsCopy(t *testing.T) {
	b := newBench()
	const inward = 32
	p := copyOf(t, 'A', tcp(t, 1), first)
	p.Metadata = flows.MustMatch(flows.ExactU(flows.InPort, 12), flows.ExactU(flows.Reg5, 11), flows.ExactU(flows.Reg2, inward|4))
	if fate := b.write(p); fate != written || b.lines.All()[0].ContextMap()["direction"] != "ingress" {
		t.Errorf("the packet into the port is %s: %v", fate, b.lines.All())
	}
	p.Metadata = flows.MustMatch(flows.ExactU(flows.InPort, 11), flows.ExactU(flows.Reg5, 11), flows.ExactU(flows.Reg2, inward))
	if fate := b.write(p); fate != back || b.lines.Len() != 1 {
		t.Errorf("the sender's own packet is %s", fate)
	}
}

func TestWhatIsWrittenAndWhatIsLeftOut(t *testing.T) {
	b := newBench()
	step := func(what string, kind byte, from int, want ...string) {
		t.Helper()
		var got []string
		for range want {
			got = append(got, b.write(copyOf(t, kind, tcp(t, from), first)))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	step("a connection is admitted once", 'A', 1, written, repeated, repeated)
	step("another one", 'A', 2, written)
	step("every dropped packet counts", 'D', 1, written, written)
	b.now = b.now.Add(29 * time.Second)
	step("the connection goes on without an answer", 'A', 1, repeated)
	b.now = b.now.Add(29 * time.Second)
	step("and on", 'A', 1, repeated)
	b.now = b.now.Add(31 * time.Second)
	step("and begins anew", 'A', 1, written)
	step("a flood is cut to the burst", 'D', 3, slices.Concat(slices.Repeat([]string{written}, 24), []string{limited, limited})...)
	b.now = b.now.Add(20 * time.Millisecond)
	step("and to the rate", 'D', 3, written, written, limited)
	b.SetLogs(nil)
	b.now = b.now.Add(time.Second)
	step("the log is gone", 'D', 3, unknown)
	for _, data := range [][]byte{nil, {'D'}, []byte("X0123456789abcdef0123456789abcdef"), make([]byte, 40)} {
		if fate := b.write(ofp.PacketIn{Userdata: data}); fate != unknown {
			t.Errorf("a packet with userdata %q is %s", data, fate)
		}
	}
}

func TestTheQueueIsBoundedAndCountsWhatItLeavesOut(t *testing.T) {
	b := newBench()
	p := copyOf(t, 'D', tcp(t, 1), first)
	for range queued + 7 {
		b.Take(p)
	}
	if n := b.counted(t, overflow); n != 7 {
		t.Errorf("%v packets counted as left out, want 7", n)
	}
	for n := range 2 * remembered {
		b.again(connection{flow: flow{srcPort: n}}, b.now)
	}
	if len(b.seen) > remembered {
		t.Errorf("%d connections remembered", len(b.seen))
	}
}

func FuzzSummarize(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 128))
	ether := append(make([]byte, 12), 0x08, 0x00)
	f.Add(append(ether, 0x4f, 0, 0, 200, 0, 1, 0x20, 1, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1))
	f.Add(append(append(make([]byte, 12), 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 44, 64), make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, frame []byte) {
		s := summarize(frame)
		if s.srcPort > 65535 || s.dstPort > 65535 || s.icmpType > 255 || s.icmpCode > 255 {
			t.Errorf("%+v", s)
		}
		_ = s.fields()
		if s.flow() != summarize(frame).flow() {
			t.Error("the same packet is read in two ways")
		}
	})
}
