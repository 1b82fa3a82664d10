package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/sim"
	"github.com/lepton-sdn/lepton/model"
)

// loggedOf tells which copies a packet causes: "accepted 1 [1 2]" for those of
// port 1 for logs 1 and 2, with "bulk" behind it for those that the meter of
// stateless groups limits.
func loggedOf(t *testing.T, l *live, res sim.Result) []string {
	t.Helper()
	var list []string
	for _, step := range res.Trace {
		if step.Rule == nil {
			continue
		}
		for _, a := range step.Rule.Actions {
			c, ok := a.(flows.Controller)
			if !ok {
				continue
			}
			why, ok := ReadLogged(c.Userdata)
			if !ok || c.MaxLen != loggedBytes {
				t.Fatalf("%s is no copy for a log", step.Rule)
			}
			words := "dropped"
			if why.Accepted {
				words = "accepted"
			}
			var logs []int
			for n := range 9 {
				if slices.Contains(why.Logs, logID(n)) {
					logs = append(logs, n)
				}
			}
			words = fmt.Sprintf("%s %s %v", words, why.Port[9:13], logs)
			if c.MeterID == HeadersMeter {
				words += " bulk"
			}
			list = append(list, words)
		}
	}
	return list
}

// TestLogsGetCopiesOfWhatTheyAskForAndChangeNothing sends packets through the
// real switch and the interpreter, which agree on where they come out; the
// interpreter says what is copied.
func TestLogsGetCopiesOfWhatTheyAskForAndChangeNothing(t *testing.T) {
	l := newLive(t)
	c := liveCloud()
	c.group(1, "egress IPv4", "ingress IPv4 protocol=tcp ports=22-22")
	c.group(2, "egress IPv4 protocol=tcp")
	c.guestsIn([]int{1}, []int{1}, []int{2}, []int{2})
	l.use(c)
	open, closed := tcp4(1, 2, 1000, 22), tcp4(1, 2, 1000, 23)
	far, refused := tcp4(remoteEnd, 2, 1000, 22), udp4(3, 1, 1000, 53)
	spoofed := tcp4(1, 2, 1001, 22)
	spoofed.as = endIP(4, 4)
	l.passes("without a log", open)
	l.forget()

	c.log(1, model.LogAll, groupID(1), "")
	c.log(2, model.LogDrop, "", portID(1))
	c.log(3, model.LogAccept, "", "")
	c.log(4, model.LogAll, groupID(2), portID(1))
	c.log(5, model.LogAll, "", "").Enabled = false
	l.use(c)
	l.copies([]copying{
		{"the first packet of a connection", open, true, []string{"accepted 0001 [1 3]", "accepted 0002 [1 3]"}},
		{"its answer", open.reply(), true, nil},
		{"and what follows", open.again(), true, nil},
		{"a packet that no rule admits", closed, false, []string{"accepted 0001 [1 3]", "dropped 0002 [1]"}},
		{"once more", closed, false, []string{"accepted 0001 [1 3]", "dropped 0002 [1]"}},
		{"a connection from elsewhere", far, true, []string{"accepted 0002 [1 3]"}},
		{"a packet that the sender's group refuses, of which no log has drops", refused, false, nil},
		{"a spoofed address", spoofed, false, []string{"dropped 0001 [1 2]"}},
	})
	stats := l.Ofctl("-O", "OpenFlow15", "meter-stats", "br-int")
	if !regexp.MustCompile(`bands:\s*0: packet_count:[1-9]`).MatchString(stats) {
		t.Errorf("the meter has limited no copy:\n%s", stats)
	}
}

// copying is a packet, whether it passes, and the copies that it causes.
type copying struct {
	what   string
	packet talk
	passes bool
	want   []string
}

func (l *live) copies(steps []copying) {
	l.t.Helper()
	for _, step := range steps {
		l.count++
		frame := step.packet.frame(l.t, uint16(l.count))
		wire := l.transmit(endName(step.packet.from), frame)
		got, res := l.simulate(endName(step.packet.from), frame)
		if !slices.Equal(wire, got) || len(got) > 0 != step.passes {
			l.t.Errorf("%s: the switch puts it out of %q, the interpreter of %q, passes %t\n%v", step.what, wire, got, step.passes, res.Trace)
		}
		if diff := cmp.Diff(step.want, loggedOf(l.t, l, res)); diff != "" {
			l.t.Errorf("%s: other copies than wanted:\n%s", step.what, diff)
		}
	}
}

// TestWhatStatelessGroupsAdmitIsCopied: both ways of a conversation for
// themselves, into and out of ports with a stateless group, whether they have a
// stateful one, too, or not.
func TestWhatStatelessGroupsAdmitIsCopied(t *testing.T) {
	l := newLive(t)
	c := liveCloud()
	c.group(1, "egress IPv4 protocol=tcp ports=80-80", "ingress IPv4 protocol=tcp ports=1000-1000", "egress IPv4 protocol=udp", "ingress IPv6 protocol=udp").Stateful = false
	c.group(2, "ingress IPv4 protocol=udp ports=53-53", "egress IPv4 protocol=icmp", "ingress IPv4 protocol=tcp ports=80-80")
	c.group(3, "egress IPv4", "egress IPv6", "ingress IPv4")
	c.guestsIn([]int{1}, []int{1, 2}, []int{3}, nil)
	c.log(1, model.LogAll, groupID(1), "")
	c.log(2, model.LogAccept, groupID(2), "")
	l.use(c)
	web, mixed, dns := tcp4(1, remoteEnd, 1000, 80), tcp4(2, remoteEnd, 1000, 80), udp4(3, 2, 1000, 53)
	many := udp4(1, 0, 1000, 5353)
	l.copies([]copying{
		{"a TCP segment that opens a connection", web, true, []string{"accepted 0001 [1]"}},
		{"what follows", web.again(), true, []string{"accepted 0001 [1] bulk"}},
		{"the answer, by a rule of its own", web.reply(), true, []string{"accepted 0001 [1]"}},
		{"what follows the answer", web.reply().again(), true, []string{"accepted 0001 [1] bulk"}},
		{"what no rule admits", tcp4(1, remoteEnd, 1000, 81), false, []string{"dropped 0001 [1]"}},
		// The last but one is the sender's own, of which the agent writes nothing.
		{"multicast", many, true, []string{"accepted 0001 [1] bulk", "dropped 0001 [1]", "dropped 0002 [1]"}},
		{"from a guest with both kinds of groups", mixed, true, []string{"accepted 0002 [1 2]"}},
		{"its answer", mixed.reply(), true, []string{"accepted 0002 [1 2]"}},
		{"what its stateful group admits", ping(2, remoteEnd, 4), true, []string{"accepted 0002 [1 2]"}},
		{"the answer to that", ping(2, remoteEnd, 4).reply(), true, nil},
		{"a connection of a stateful group into it", dns, true, []string{"accepted 0002 [1 2]"}},
		{"what that neighbour's connection tracker knows, admitted by headers", v6(udp4(3, 2, 1000, 99)), true, []string{"accepted 0002 [1 2] bulk"}},
		{"once more", v6(udp4(3, 2, 1000, 99)), true, []string{"accepted 0002 [1 2] bulk"}},
		{"a connection that only the stateful group admits", tcp4(3, 2, 1001, 80), true, []string{"accepted 0002 [1 2]"}},
		{"one guest to another, admitted by headers twice", tcp4(1, 2, 1001, 80), true, []string{"accepted 0001 [1]", "accepted 0002 [1 2]"}},
		{"what no rule of both kinds admits", tcp4(3, 2, 1002, 81), false, []string{"dropped 0002 [1]"}},
	})
	if table := l.Appctl("dpctl/dump-conntrack"); strings.Count(table, "udp,orig=(src=2001:") != 1 {
		t.Errorf("the switch remembers\n%s\nwant the neighbour's connection that was copied on the way in", table)
	}
}

func TestUserdataOfCopiesIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Logged{Port: portID(rapid.IntRange(0, 9).Draw(t, "port")), Accepted: rapid.Bool().Draw(t, "accepted")}
		for range rapid.IntRange(1, 5).Draw(t, "logs") {
			want.Logs = append(want.Logs, logID(rapid.IntRange(0, 9).Draw(t, "log")))
		}
		data, ok := want.userdata()
		if !ok {
			t.Fatal("there is nothing to log")
		}
		if got, ok := ReadLogged(data); !ok || !cmp.Equal(got, want) {
			t.Fatalf("%v is read as %v", want, got)
		}
		if got, ok := ReadLogged(rapid.SliceOf(rapid.Byte()).Draw(t, "userdata")); ok && len(got.Logs) == 0 {
			t.Fatalf("%v is about no log", got)
		}
	})
}
