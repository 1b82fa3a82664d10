package ofp

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/flows"
)

// FuzzDecode feeds whole messages to the decoders. What decodes must encode to
// something that decodes to the same again.
func FuzzDecode(f *testing.F) {
	for _, msg := range captured(f) {
		f.Add(msg)
	}
	for _, r := range rulesOf(f, "testdata/actions.flows") {
		f.Add(AppendRule(nil, Add, r))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		if len(msg) >= headerLen && len(msg) <= MaxMessage {
			setLength(msg, 0, 2)
		}
		v, err := Decode(msg)
		if err != nil {
			return
		}
		switch v := v.(type) {
		case FlowMod:
			checkStable(t, v.Rule)
		case []FlowStat:
			for _, s := range v {
				checkStable(t, s.Rule)
			}
		case []FlowUpdate:
			for _, u := range v {
				checkStable(t, u.Rule)
			}
		case []Group:
			for _, g := range v {
				if b := (GroupMod{Command: GroupPut, Group: g}).Append(nil); len(b) < headerLen {
					t.Errorf("group encodes to %x", b)
				}
			}
		}
	})
}

func checkStable(t *testing.T, r flows.Rule) {
	t.Helper()
	first := AppendRule(nil, Add, r)
	if len(first) > MaxMessage {
		return
	}
	m, err := DecodeFlowMod(first)
	if err != nil {
		t.Fatalf("%v encodes to %x: %v", r, first, err)
	}
	second := AppendRule(nil, Add, m.Rule)
	if !bytes.Equal(first, second) {
		t.Errorf("%v encodes to\n%x, then to\n%x", r, first, second)
	}
	if !r.Equal(m.Rule) {
		t.Errorf("%v decodes differently: %s", r, cmp.Diff(r, m.Rule))
	}
}

// FuzzHandshake feeds the peer's side of a connection.
func FuzzHandshake(f *testing.F) {
	f.Add(appendHello(nil, 1))
	f.Add(append(appendHello(nil, 1), captured(f)["features-reply.bin"]...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		nc, peer := pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = peer.Write(stream)
			_ = peer.Close()
		}()
		if c, err := newConn(t.Context(), nc, defaults); err == nil {
			<-c.Done()
			_ = c.Close()
		}
		<-done
	})
}
