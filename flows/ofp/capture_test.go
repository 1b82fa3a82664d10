package ofp

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/lepton-sdn/lepton/flows"
)

// recorder notes all that is read from a connection.
type recorder struct {
	net.Conn
	got bytes.Buffer
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.got.Write(b[:n])
	return n, err
}

// TestCapture makes a switch send a message of each kind and, with -update,
// keeps one of each for the tests of the decoders and the fuzzers.
func TestCapture(t *testing.T) {
	s := startBridge(t)
	s.Ofctl("add-tlv-map", "br0", "{class=0xffff,type=0,len=4}->tun_metadata0")
	s.Ofctl("-O", "OpenFlow15", "add-group", "br0", "group_id=6,type=select,selection_method=dp_hash,bucket=weight:5,output:1,bucket=weight:6,watch_port:2,output:2")
	s.AddFlows("br0", readFile(t, "testdata/actions.flows"))
	addForeign(t, s)
	var d net.Dialer
	nc, err := d.DialContext(t.Context(), "unix", s.Mgmt("br0"))
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{Conn: nc}
	c, err := NewConn(t.Context(), rec)
	if err != nil {
		t.Fatal(err)
	}
	ctx := deadline(t)
	for _, err := range []error{
		second(c.DumpFlows(ctx, AllFlows)), second(c.Groups(ctx)), second(c.Ports(ctx)), second(c.Monitor(ctx)), c.Barrier(ctx),
		c.PacketOut(ctx, PacketOut{InPort: flows.PortLocal, Actions: []flows.Action{flows.SetU(flows.TunID, 5), flows.Controller{MaxLen: 40, Userdata: []byte{1, 2, 3}}}, Data: make([]byte, 60)}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Apply(ctx, rulesOfText(t, "actions=group:99"), nil); err == nil {
		t.Error("a bad flow was taken")
	}
	s.AddPort("br0", "p1", 1)
	s.AddFlows("br0", "table=7,priority=5,send_flow_rem,reg0=1,actions=output:1\n")
	s.Ofctl("del-flows", "br0", "table=7")
	nextEvent(t, c, "the removed flow", func(e Event) bool { _, ok := e.(FlowRemoved); return ok })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	kinds := keep(t, rec.got.Bytes())
	for _, want := range []string{"hello", "error", "features-reply", "experimenter", "flow-removed", "port-status", "reply-1", "reply-7", "reply-13", "reply-16", "bundle-control", "barrier-reply"} {
		if !kinds[want] {
			t.Errorf("the switch sent no %s", want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// keep finds the longest message of each kind.
func keep(t *testing.T, stream []byte) map[string]bool {
	names := map[uint8]string{
		typeHello: "hello", typeError: "error", typeFeaturesReply: "features-reply", typeExperimenter: "experimenter",
		typeFlowRemoved: "flow-removed", typePortStatus: "port-status", typeBundleControl: "bundle-control", typeBarrierReply: "barrier-reply",
	}
	best := map[string][]byte{}
	for len(stream) > 0 {
		h, err := DecodeHeader(stream)
		if err != nil {
			t.Fatal(err)
		}
		msg := stream[:h.Length]
		stream = stream[h.Length:]
		name := names[h.Type]
		if h.Type == typeMultipartReply {
			name = fmt.Sprintf("reply-%d", msg[9])
		}
		if len(msg) > len(best[name]) {
			best[name] = msg
		}
	}
	kinds := map[string]bool{}
	for name, msg := range best {
		kinds[name] = true
		if *update && name != "" {
			if err := os.WriteFile("testdata/messages/"+name+".bin", msg, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kinds
}
