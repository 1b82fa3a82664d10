package sim

import (
	"fmt"

	"github.com/lepton-sdn/lepton/flows"
)

// The limits of Open vSwitch 3.1 on one pass (ofproto/ofproto-dpif-xlate.c):
// resubmits to the same or an earlier table within each other, and resubmits
// altogether. More makes the switch drop the packet.
const (
	maxDepth     = 64
	maxResubmits = maxDepth * maxDepth
)

// maxRecirculations is how often in a row a packet may go through ct(table=N)
// in the userspace datapath (lib/dpif-netdev.c); the kernel's allows about as
// many. maxPasses bounds what one packet may cause altogether.
const (
	maxRecirculations = 6
	maxPasses         = 1000
)

// Options say how a packet is run.
type Options struct {
	// Conns is the connection table; it changes. Nil simulates
	// ofproto/trace, which has none: a packet that ct(table=N) sends on has the
	// state of CTStates.
	Conns *Conns
	// CTStates are the states that successive passes get when there is no
	// connection table, as --ct-next gives them; then +trk+new.
	CTStates []uint64
}

// Result is what became of a packet.
type Result struct {
	Outputs []Output
	// Learned holds the rules that learn actions made, by bridge. They are not
	// in the bridge's tables yet.
	Learned map[*Bridge][]flows.Rule
	Trace   []Step
	// Finals holds the packet as each pass through the tables left it.
	Finals []Packet
	// Errors are the reasons for which passes were given up.
	Errors []PassError
}

// PassError says why a pass had no effect.
type PassError struct {
	Pass   int
	Reason string
}

// Output is a packet that left a bridge.
type Output struct {
	Bridge *Bridge
	// Port is a port's number or a reserved one such as flows.PortController.
	Port   uint32
	Packet Packet
	// Pass counts the passes through the tables, from 0.
	Pass int
}

// Ports gives the ports of all outputs, in order.
func (r Result) Ports() []uint32 {
	var ports []uint32
	for _, o := range r.Outputs {
		ports = append(ports, o.Port)
	}
	return ports
}

// Run sends a packet, whose in_port is set, into the bridge.
func (b *Bridge) Run(p Packet, o Options) Result {
	r := &runner{options: o}
	r.result.Learned = map[*Bridge][]flows.Rule{}
	r.pending = []resumption{{bridge: b, packet: p}}
	for len(r.pending) > 0 && len(r.result.Finals) < maxPasses {
		next := r.pending[0]
		r.pending = r.pending[1:]
		r.pass(next)
	}
	if len(r.pending) > 0 {
		r.fail(fmt.Sprintf("over %d passes", maxPasses))
	}
	return r.result
}

// fail notes an error of the last pass.
func (r *runner) fail(reason string) {
	r.result.Errors = append(r.result.Errors, PassError{len(r.result.Finals) - 1, reason})
}

// resumption is where a packet goes on, at the start or after ct(table=N).
type resumption struct {
	bridge  *Bridge
	table   uint8
	packet  Packet
	tracked bool
	depth   int // of recirculation
}

// runner runs one packet with all its passes.
type runner struct {
	options Options
	result  Result
	pending []resumption
}

// effect is something that a pass does once it is known to succeed.
type effect struct {
	output *Output
	ct     *tracking
	// learned is a rule for learner.
	learned *flows.Rule
	learner *Bridge
}

// pass translates one pass and then lets it take effect.
func (r *runner) pass(from resumption) {
	t := &translation{runner: r, bridge: from.bridge, packet: from.packet, tracked: from.tracked}
	t.begin(from.table)
	r.result.Finals = append(r.result.Finals, t.packet)
	if t.err != "" {
		r.fail(t.err)
		return
	}
	for _, e := range t.effects {
		switch {
		case e.output != nil:
			e.output.Pass = len(r.result.Finals) - 1
			r.result.Outputs = append(r.result.Outputs, *e.output)
		case e.learned != nil:
			r.result.Learned[e.learner] = append(r.result.Learned[e.learner], *e.learned)
		default:
			r.track(*e.ct, from.depth+1)
		}
	}
}

// track runs a packet through the connection table and sends it on.
func (r *runner) track(c tracking, depth int) {
	p := c.packet
	if r.options.Conns != nil {
		r.options.Conns.process(&p, c)
	} else {
		state := flows.CTTracked | flows.CTNew
		if c.table != flows.NoTable && len(r.options.CTStates) > 0 {
			state, r.options.CTStates = r.options.CTStates[0], r.options.CTStates[1:]
		}
		p.SetNum(flows.CTState, state)
		p.SetNum(flows.CTZone, uint64(c.zone))
	}
	switch {
	case c.table == flows.NoTable:
	case depth > maxRecirculations:
		r.fail(fmt.Sprintf("over %d recirculations", maxRecirculations))
	default:
		r.pending = append(r.pending, resumption{bridge: c.bridge, table: c.table, packet: p, tracked: true, depth: depth})
	}
}

// port is the packet's input port.
func (p *Packet) port() uint32 { return uint32(p.Num(flows.InPort)) }

// translation is one pass through the tables.
type translation struct {
	runner  *runner
	bridge  *Bridge
	packet  Packet
	tracked bool
	effects []effect

	depth     int // of resubmits that do not go forward
	resubmits int
	nesting   int // of all lookups, for the trace
	current   uint8
	err       string
}

// begin starts the pass in a table.
func (t *translation) begin(number uint8) {
	h := t.bridge.tables[number].lookup(&t.packet)
	t.step(number, h)
	if h.rule != nil {
		t.current, t.nesting = number, 1
		t.actions(h.rule.Actions)
	}
}

// table looks the packet up, as if it had come in through the given port, and
// executes what it finds. A miss is a drop.
func (t *translation) table(inPort uint32, number uint8, swapCT bool) {
	if t.depth >= maxDepth {
		t.err = fmt.Sprintf("over max translation depth %d", maxDepth)
		return
	}
	if t.resubmits >= maxResubmits {
		t.err = fmt.Sprintf("over %d resubmit actions", maxResubmits)
		return
	}
	lookup := t.packet
	lookup.SetNum(flows.InPort, uint64(inPort))
	if swapCT && !lookup.swapTuple() {
		t.note("resubmit(ct) of a packet without connection")
		return
	}
	h := t.bridge.tables[number].lookup(&lookup)
	t.step(number, h)
	if h.rule == nil {
		return
	}
	t.resubmits++
	deeper := 0
	if number <= t.current {
		deeper = 1
	}
	old := t.current
	t.current, t.depth, t.nesting = number, t.depth+deeper, t.nesting+1
	t.actions(h.rule.Actions)
	t.current, t.depth, t.nesting = old, t.depth-deeper, t.nesting-1
}
