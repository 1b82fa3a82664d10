package pipeline

import (
	"bytes"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/model"
)

// This file: logs of what security groups admit and refuse. The agent gets a
// copy of
//
//	table 91  the first packets of a connection that a port opens
//	table 92  the first packets of a connection into a port
//	table 93  every packet that is dropped
//
// and the packet goes the way that it goes without the log. Connections are
// those that the connection tracker remembers: of unicast, and of stateful
// groups. A stateless group knows none, so all that it admits is copied, as far
// as a meter of its own lets it; TCP segments that open a connection, of which
// the agent must not miss one for the many that follow, pass with the others.

// logs is the index of the logs: by the port or the group that they are about,
// "" for those about every port.
type logs struct {
	known map[string]*model.Log
	about map[string]map[string]*model.Log
}

func newLogs() logs {
	return logs{known: map[string]*model.Log{}, about: map[string]map[string]*model.Log{}}
}

// subjectOf is the port that a log is about, else its group, else "".
func subjectOf(l *model.Log) string {
	if l.TargetID != "" {
		return l.TargetID
	}
	return l.ResourceID
}

// lookAtLog enters a log, and marks the ports that it concerns or concerned.
func (s *state) lookAtLog(v *View, id string) {
	now, was := v.Logs[id], s.known[id]
	if now != nil && !now.Enabled {
		now = nil
	}
	if now == was {
		return
	}
	if was != nil {
		about := subjectOf(was)
		delete(s.known, id)
		if delete(s.about[about], id); len(s.about[about]) == 0 {
			delete(s.about, about)
		}
		s.markLogged(was)
	}
	if now != nil {
		about := subjectOf(now)
		if s.about[about] == nil {
			s.about[about] = map[string]*model.Log{}
		}
		s.known[id], s.about[about][id] = now, now
		s.markLogged(now)
	}
}

// markLogged marks the ports that a log may concern.
func (s *state) markLogged(l *model.Log) {
	switch {
	case l.TargetID != "":
		if p := s.ports[l.TargetID]; p != nil {
			s.mark(p)
		}
	case l.ResourceID != "":
		for p := range s.users[l.ResourceID] {
			s.mark(p)
		}
	default:
		for _, p := range s.ports {
			if p.local {
				s.mark(p)
			}
		}
	}
}

// maxLogs bounds the logs that one packet is written for. More of them would not
// fit into a flow.
const maxLogs = 100

// logsOf gives the ids of the logs that are about a port, for what it is
// admitted and for what it is refused, sorted.
func (s *state) logsOf(p *port) (accepts, drops []string) {
	found := map[string]*model.Log{}
	maps.Copy(found, s.about[""])
	for _, g := range p.groups {
		maps.Copy(found, s.about[g])
	}
	for id, l := range s.about[p.id] {
		if l.ResourceID == "" || slices.Contains(p.groups, l.ResourceID) {
			found[id] = l
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if event := found[id].Event; event == model.LogAccept || event == model.LogAll {
			accepts = append(accepts, id)
		}
		if event := found[id].Event; event == model.LogDrop || event == model.LogAll {
			drops = append(drops, id)
		}
	}
	return accepts, drops
}

// logged gives the flows that copy a port's packets to the agent.
func (p *port) logged(s *state) []flows.Rule {
	var rules []flows.Rule
	accepts, drops := s.logsOf(p)
	if userdata, ok := (Logged{Port: p.id, Accepted: true, Logs: accepts}).userdata(); ok {
		stateless, stateful := s.kinds(p)
		if stateful {
			rules = p.loggedConnections(userdata)
		}
		if stateless {
			rules = append(rules, p.loggedHeaders(userdata, stateful)...)
		}
	}
	if userdata, ok := (Logged{Port: p.id, Logs: drops}).userdata(); ok {
		rules = append(rules, dropped.rule(prioLogged, Cookie(FeatureLog, p.id), match(ofPort(p.ofport)), toAgent(userdata, LogMeter)))
	}
	return rules
}

// loggedConnections copies the first packets of connections.
func (p *port) loggedConnections(userdata []byte) []flows.Rule {
	var rules []flows.Rule
	cookie, copied := Cookie(FeatureLog, p.id), toAgent(userdata, LogMeter)
	for _, f := range families {
		first := []flows.FieldMatch{ofPort(p.ofport), isNew(), unicast(), etherType(f.etherType)}
		rules = append(
			rules,
			acceptedEgress.rule(prioLogged, cookie, match(first...), copied, acceptedEgress.to(transient)),
			acceptedIngress.rule(prioLoggedAccept, cookie, match(append(first, flows.MaskedU(regFlags, flagAdmitted, flagAdmitted|flagCopied))...), copied, commit(), intoPort))
	}
	return rules
}

// loggedHeaders copies what stateless groups have admitted. Where a port has
// stateful groups, too, that is what was not judged by its connection; where it
// has none, everything.
func (p *port) loggedHeaders(userdata []byte, stateful bool) []flows.Rule {
	var rules []flows.Rule
	var mask uint64
	if stateful {
		mask = flagConnection
	}
	cookie := Cookie(FeatureLog, p.id)
	add := func(meter uint32, step uint16, more ...flows.FieldMatch) {
		out := append([]flows.FieldMatch{ofPort(p.ofport), flows.MaskedU(regFlags, 0, mask)}, more...)
		in := append([]flows.FieldMatch{ofPort(p.ofport), flows.MaskedU(regFlags, flagAdmitted, flagAdmitted|flagCopied|mask)}, more...)
		rules = append(
			rules,
			acceptedEgress.rule(prioLogged+step, cookie, match(out...), toAgent(userdata, meter), acceptedEgress.to(transient)),
			acceptedIngress.rule(prioLoggedHeaders+step, cookie, match(in...),
				toAgent(userdata, meter), raise(flagCopied), acceptedIngress.to(acceptedIngress)))
	}
	add(HeadersMeter, 0)
	for _, f := range families {
		add(LogMeter, 1, etherType(f.etherType), ipProto(model.ProtoTCP), flows.MaskedU(flows.TCPFlags, tcpSYN, tcpSYN))
	}
	return rules
}

// tcpSYN is the flag of the segments that open a TCP connection, one from each
// side (RFC 9293 section 3.1).
const tcpSYN = 0x002

// loggedBytes is how much of a packet the agent gets: the headers.
const loggedBytes = 128

// The meters of the integration bridge that limit the copies, so that a flood
// costs no more than that. They must be there before the flows are.
const (
	// LogMeter limits what is dropped and what opens connections.
	LogMeter = 30
	// HeadersMeter limits the rest of what stateless groups admit: so much that
	// it would leave nothing for the others.
	HeadersMeter = 31
)

func toAgent(userdata []byte, meter uint32) flows.Action {
	return flows.Controller{MaxLen: loggedBytes, Userdata: userdata, MeterID: meter}
}

// Logged says why the agent got the copy of a packet.
type Logged struct {
	// Port is the id of the port that the packet was on its way out of, or into.
	Port     string
	Accepted bool // else dropped
	Logs     []string
}

// The first byte of the userdata of a copy; the port's UUID and those of the
// logs follow.
const (
	loggedAccept = 'A'
	loggedDrop   = 'D'
)

// userdata gives what the switch sends with the copy. It is false when there is
// nothing to log. Ids that are no UUIDs are left out: none of ours are.
func (l Logged) userdata() ([]byte, bool) {
	port, err := uuid.Parse(l.Port)
	if err != nil {
		return nil, false
	}
	b := []byte{loggedDrop}
	if l.Accepted {
		b[0] = loggedAccept
	}
	b = append(b, port[:]...)
	head := len(b)
	for _, text := range l.Logs[:min(len(l.Logs), maxLogs)] {
		if id, err := uuid.Parse(text); err == nil {
			b = append(b, id[:]...)
		}
	}
	return b, len(b) > head
}

// ReadLogged reads the userdata of a packet that the switch sent to the agent.
// It is false for one that no log asked for.
func ReadLogged(userdata []byte) (Logged, bool) {
	const head = 1 + len(uuid.UUID{})
	if len(userdata) <= head || (len(userdata)-1)%len(uuid.UUID{}) != 0 || !bytes.ContainsRune([]byte{loggedAccept, loggedDrop}, rune(userdata[0])) {
		return Logged{}, false
	}
	l := Logged{Accepted: userdata[0] == loggedAccept, Port: uuid.UUID(userdata[1:head]).String()}
	for rest := range slices.Chunk(userdata[head:], len(uuid.UUID{})) {
		l.Logs = append(l.Logs, uuid.UUID(rest).String())
	}
	return l, true
}

// Way is how a packet of which the agent got a copy went through its port.
type Way int

// The ways through a port. WayBack is that of what a guest sent to all in its
// network, itself included: it never gets there.
const (
	WayOut Way = iota
	WayIn
	WayBack
)

// WayOf reads the way of a copy from the packet-in's metadata.
func WayOf(metadata flows.Match) Way {
	number := func(f flows.Field) uint64 {
		m, _ := metadata.Get(f)
		return m.Value.Lo
	}
	switch {
	case number(regFlags)&flagInward == 0:
		return WayOut
	case number(flows.InPort) == number(regPort):
		return WayBack
	}
	return WayIn
}
