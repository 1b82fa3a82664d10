package ofp

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/flows"
)

// pipe gives the two ends of a connection with a buffer.
func pipe() (client, peer net.Conn) {
	dir, err := os.MkdirTemp("", "ofp")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		panic(err)
	}
	defer ln.Close()
	if client, err = net.Dial("unix", ln.Addr().String()); err != nil {
		panic(err)
	}
	if peer, err = ln.Accept(); err != nil {
		panic(err)
	}
	return client, peer
}

// fakeSwitch is the other side of a connection, played by a test.
type fakeSwitch struct {
	t  *testing.T
	nc net.Conn
	in *bufio.Reader
}

// fake connects a Conn with a fake switch that has shaken hands.
func fake(t *testing.T, s settings) (*Conn, *fakeSwitch) {
	t.Helper()
	nc, peer := pipe()
	f := newFake(t, peer)
	shaken := make(chan struct{})
	go func() {
		defer close(shaken)
		f.shake(0xabc)
	}()
	c, err := newConn(t.Context(), nc, s)
	<-shaken
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, f
}

func newFake(t *testing.T, nc net.Conn) *fakeSwitch {
	t.Cleanup(func() { _ = nc.Close() })
	return &fakeSwitch{t: t, nc: nc, in: bufio.NewReader(nc)}
}

// shake plays the switch's part of the handshake.
func (f *fakeSwitch) shake(dpid uint64) {
	f.send(appendHello(nil, 1))
	for {
		h, _, err := f.receive()
		if err != nil {
			f.t.Errorf("shake hands: %v", err)
			return
		}
		if h.Type == typeFeaturesRequest {
			f.send(appendEmpty(nil, typeFeaturesReply, h.XID, u64(u64(u64(nil, dpid), 0), 0)...))
		}
		if h.Type == typeExperimenter {
			return
		}
	}
}

func (f *fakeSwitch) send(msg []byte) {
	if _, err := f.nc.Write(msg); err != nil {
		f.t.Errorf("send: %v", err)
	}
}

// receive gives the next message.
func (f *fakeSwitch) receive() (Header, []byte, error) {
	if err := f.nc.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return Header{}, nil, err
	}
	msg, err := readMessage(f.in)
	if err != nil {
		return Header{}, nil, err
	}
	h, err := DecodeHeader(msg)
	return h, msg, err
}

// expect wants a message of a type next.
func (f *fakeSwitch) expect(typ uint8) (Header, []byte) {
	f.t.Helper()
	h, msg, err := f.receive()
	if err != nil || h.Type != typ {
		f.t.Fatalf("wait for message of type %d: got type %d, %v", typ, h.Type, err)
	}
	return h, msg
}

func TestAPeerOfAnotherVersionIsRefused(t *testing.T) {
	nc, peer := pipe()
	f := newFake(t, peer)
	f.send([]byte{4, typeHello, 0, 8, 0, 0, 0, 1})
	if _, err := NewConn(t.Context(), nc); !errors.Is(err, ErrVersion) {
		t.Errorf("error is %v", err)
	}
	f.expect(typeHello)
	_, msg := f.expect(typeError)
	if e, err := DecodeError(msg); err != nil || e.Error() != "OFPHFC_INCOMPATIBLE" {
		t.Errorf("the peer is told %v, %v", e, err)
	}
}

func TestAHandshakeEndsWithItsContext(t *testing.T) {
	nc, peer := pipe()
	newFake(t, peer)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := NewConn(ctx, nc); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestASilentSwitchIsAskedAndThenGivenUp(t *testing.T) {
	c, f := fake(t, settings{idle: 50 * time.Millisecond, silence: 400 * time.Millisecond, events: 1})
	h, _ := f.expect(typeEchoRequest)
	f.send(appendEmpty(nil, typeEchoReply, h.XID))
	f.expect(typeEchoRequest)
	select {
	case <-c.Done():
		t.Fatal("given up at once")
	case <-time.After(200 * time.Millisecond):
	}
	select {
	case <-c.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("not given up")
	}
	if !errors.Is(c.Err(), ErrSilent) {
		t.Errorf("error is %v", c.Err())
	}
}

func TestASwitchThatDoesNotReadIsGivenUp(t *testing.T) {
	c, _ := fake(t, settings{idle: 50 * time.Millisecond, silence: 300 * time.Millisecond, events: 1})
	err := c.Apply(t.Context(), manyRules(50000), nil)
	if !errors.Is(err, ErrSilent) {
		t.Errorf("error is %v", err)
	}
}

func TestEchoRequestsAreAnsweredWithTheirContent(t *testing.T) {
	_, f := fake(t, defaults)
	f.send(appendEmpty(nil, typeEchoRequest, 77, 1, 2, 3))
	h, msg := f.expect(typeEchoReply)
	if h.XID != 77 || string(msg[headerLen:]) != "\x01\x02\x03" {
		t.Errorf("answer is %x", msg)
	}
}

func TestEventsThatNobodyTakesAreDroppedAndCounted(t *testing.T) {
	c, f := fake(t, settings{idle: time.Minute, silence: time.Minute, events: 4})
	status := captured(t)["port-status.bin"]
	for range 10 {
		f.send(status)
	}
	f.send([]byte{Version, typePortStatus, 0, 8, 0, 0, 0, 0}) // malformed
	go func() {
		h, _ := f.expect(typeBarrierRequest)
		f.send(appendEmpty(nil, typeBarrierReply, h.XID))
	}()
	if err := c.Barrier(t.Context()); err != nil { // the reader is not blocked
		t.Fatal(err)
	}
	if c.Dropped() != 7 {
		t.Errorf("%d events dropped", c.Dropped())
	}
	for range 4 {
		if e := <-c.Events(); e.(PortStatus).Port.Name == "" {
			t.Errorf("event is %+v", e)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, open := <-c.Events(); open {
		t.Error("events go on after the end")
	}
}

func TestARequestEndsWithItsContextAndALateAnswerIsHarmless(t *testing.T) {
	c, f := fake(t, defaults)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Barrier(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	h, _ := f.expect(typeBarrierRequest)
	f.send(appendEmpty(nil, typeBarrierReply, h.XID))
	go func() {
		h, _ := f.expect(typeBarrierRequest)
		f.send(appendEmpty(nil, typeBarrierReply, h.XID))
	}()
	if err := c.Barrier(t.Context()); err != nil {
		t.Error(err)
	}
	if c.Dropped() != 0 {
		t.Error("the late answer counts as a lost event")
	}
}

func TestAnErrorAnswersARequest(t *testing.T) {
	c, f := fake(t, defaults)
	go func() {
		h, msg := f.expect(typeMultipartRequest)
		f.send(appendError(nil, Error{XID: h.XID, Type: 1, Code: 2, Data: msg}))
	}()
	_, err := c.DumpFlows(t.Context(), AllFlows)
	if e := (*Error)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), "OFPBRC_BAD_STAT") {
		t.Errorf("error is %v", err)
	}
}

func TestGarbageEndsTheConnection(t *testing.T) {
	tests := map[string][]byte{
		"a length below the header's": {Version, typeEchoReply, 0, 4, 0, 0, 0, 0},
		"another version":             {4, typeEchoReply, 0, 8, 0, 0, 0, 0},
	}
	for name, msg := range tests {
		t.Run(name, func(t *testing.T) {
			c, f := fake(t, defaults)
			f.send(msg)
			select {
			case <-c.Done():
			case <-time.After(5 * time.Second):
				t.Fatal("the connection lives on")
			}
			if !errors.Is(c.Err(), ErrMalformed) {
				t.Errorf("error is %v", c.Err())
			}
		})
	}
}

func TestABundleIsDiscardedWhenItsContextEndsBeforeTheCommit(t *testing.T) {
	c, f := fake(t, defaults)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { failed <- c.Apply(ctx, []flows.Rule{{}}, nil) }()
	var kinds []uint16
	for range 3 {
		h, msg, err := f.receive()
		if err != nil {
			t.Fatal(err)
		}
		if h.Type == typeBundleControl {
			kinds = append(kinds, binary.BigEndian.Uint16(msg[12:]))
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	_, msg := f.expect(typeBundleControl)
	if kinds = append(kinds, binary.BigEndian.Uint16(msg[12:])); len(kinds) != 3 || kinds[0] != bundleOpen || kinds[1] != bundleClose || kinds[2] != bundleDiscard {
		t.Errorf("control messages are %v", kinds)
	}
}

func TestTransactionIDsStartAnewBeforeTheyRunOut(t *testing.T) {
	p := pending{next: 0xfffffff0}
	if first := p.reserve(16); first != 0xfffffff0 {
		t.Errorf("first is %#x", first)
	}
	if first := p.reserve(1); first != 1 {
		t.Errorf("after the last comes %#x", first)
	}
	p.next = 0xfffffff0
	if first := p.reserve(17); first != 1 {
		t.Errorf("a row that does not fit starts at %#x", first)
	}
}
