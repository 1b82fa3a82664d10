package session

import (
	"cmp"
	"slices"
	"sync"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// outbox is what the agent has to say, coalesced: the latest status per object,
// the latest acknowledged revision, the latest heartbeat. It outlives streams
// and is safe for concurrent use.
type outbox struct {
	wake chan struct{} // holds one token when something may be waiting

	mu       sync.Mutex
	statuses map[subject]*pending
	unsent   []subject // each once, in the order they were first reported
	sequence uint64

	acked, ackSent int64

	problems, rejected []model.Problem
	findings           func() []model.Finding // nil: there are none
	devices            int
	inSync             bool
	beat               bool // the heartbeat has changed since it was sent
}

// subject is what a status is about; a port has no kind.
type subject struct {
	kind model.ObjectKind
	id   string
}

// ruleCounter is the kind of a rule's counter; the id is the rule's digits.
const ruleCounter model.ObjectKind = "rule"

// pending is a status that no controller has stored yet.
type pending struct {
	port   model.PortStatus   // of a subject without kind
	object model.ObjectStatus // of any other
	rule   model.RuleCounter  // of kind ruleCounter
	sent   uint64             // sequence of the report that carried it, 0: waits in unsent
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), statuses: map[subject]*pending{}}
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) report(statuses []model.PortStatus) {
	o.mu.Lock()
	for _, st := range statuses {
		o.due(subject{id: st.PortID}).port = st
	}
	o.mu.Unlock()
	o.signal()
}

func (o *outbox) reportObjects(statuses []model.ObjectStatus) {
	o.mu.Lock()
	for _, st := range statuses {
		o.due(subject{st.Kind, st.ID}).object = st
	}
	o.mu.Unlock()
	o.signal()
}

func (o *outbox) reportRules(counters map[string]model.RuleCounter) {
	o.mu.Lock()
	for digits, c := range counters {
		o.due(subject{ruleCounter, digits}).rule = c
	}
	o.mu.Unlock()
	o.signal()
}

// due gives the place for a status that is to be sent.
func (o *outbox) due(s subject) *pending {
	p := o.statuses[s]
	switch {
	case p == nil:
		p = &pending{}
		o.statuses[s] = p
	case p.sent == 0: // waits already
		return p
	}
	p.sent = 0
	o.unsent = append(o.unsent, s)
	return p
}

func (o *outbox) ack(revision int64) {
	o.mu.Lock()
	o.acked = revision
	o.mu.Unlock()
	o.signal()
}

func (o *outbox) setProblems(p []model.Problem) {
	o.change(func() bool {
		if slices.Equal(o.problems, p) {
			return false
		}
		o.problems = slices.Clone(p)
		return true
	})
}

// setRejected replaces the problems that the stream itself has found.
func (o *outbox) setRejected(p []model.Problem) {
	o.change(func() bool { o.rejected = p; return true })
}

func (o *outbox) setDevices(n int, inSync bool) {
	o.change(func() bool {
		same := o.devices == n && o.inSync == inSync
		o.devices, o.inSync = n, inSync
		return !same
	})
}

func (o *outbox) change(f func() bool) {
	o.mu.Lock()
	changed := f()
	o.beat = o.beat || changed
	o.mu.Unlock()
	if changed {
		o.signal()
	}
}

// rewind prepares for a new stream: everything unstored goes out again.
func (o *outbox) rewind() {
	o.mu.Lock()
	var again []subject
	for about, p := range o.statuses {
		if p.sent != 0 {
			p.sent = 0
			again = append(again, about)
		}
	}
	// Ports wait for a DHCP server from the time that it is told of: it comes
	// behind the ports that it has.
	slices.SortFunc(again, func(a, b subject) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
	o.unsent = append(again, o.unsent...)
	o.acked, o.ackSent, o.beat = 0, 0, true
	o.mu.Unlock()
	o.signal()
}

func rank(s subject) int {
	if s.kind == model.ObjectDHCP {
		return 1
	}
	return 0
}

// next gives the next message other than a heartbeat, nil when there is none.
func (o *outbox) next() *pb.AgentMessage {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.unsent) > 0 {
		return &pb.AgentMessage{Body: &pb.AgentMessage_Report{Report: o.nextReport()}}
	}
	if o.acked != o.ackSent {
		o.ackSent = o.acked
		return &pb.AgentMessage{Body: &pb.AgentMessage_Ack{Ack: &pb.Ack{Revision: o.acked}}}
	}
	return nil
}

func (o *outbox) nextReport() *pb.Report {
	o.sequence++
	n := min(len(o.unsent), rpc.MaxStatuses)
	r := &pb.Report{Sequence: o.sequence}
	for _, about := range o.unsent[:n] {
		p := o.statuses[about]
		p.sent = o.sequence
		switch about.kind {
		case "":
			r.Statuses = append(r.Statuses, rpc.EncodeStatus(&p.port))
		case ruleCounter:
			r.Rules = append(r.Rules, rpc.EncodeRuleCounter(about.id, &p.rule))
		default:
			r.Objects = append(r.Objects, rpc.EncodeObjectStatus(&p.object))
		}
	}
	o.unsent = o.unsent[n:]
	if len(o.unsent) == 0 {
		o.unsent = nil
	}
	return r
}

// stored drops the statuses that the controller has stored, unless they have
// changed since.
func (o *outbox) stored(sequence uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, p := range o.statuses {
		if p.sent == sequence {
			delete(o.statuses, id)
		}
	}
}

// changed reports whether the heartbeat differs from the last one sent.
func (o *outbox) changed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.beat
}

// heartbeat gives the heartbeat as it is now.
func (o *outbox) heartbeat() *pb.AgentMessage {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beat = false
	h := rpc.EncodeHeartbeat(slices.Concat(o.problems, o.rejected), o.devices, o.inSync)
	if o.findings != nil {
		h.Findings = rpc.EncodeFindings(o.findings())
	}
	return &pb.AgentMessage{Body: &pb.AgentMessage_Heartbeat{Heartbeat: h}}
}
