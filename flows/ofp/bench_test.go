package ofp

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/flows"
)

const benchFlows = 10000

func BenchmarkEncode(b *testing.B) {
	rules := manyRules(benchFlows)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = buf[:0]
		for _, r := range rules {
			buf = AppendRule(buf, Add, r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchFlows, "ns/flow")
}

func BenchmarkDecode(b *testing.B) {
	s := startBridge(b)
	c := dial(b, s, "br0")
	if err := c.Apply(deadline(b), manyRules(benchFlows), nil); err != nil {
		b.Fatal(err)
	}
	msgs, err := c.request(deadline(b), func(xid uint32) []byte { return AppendFlowRequest(nil, xid, AllFlows) }, lastPart)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var all []FlowStat
		for _, msg := range msgs {
			if all, err = DecodeFlowReply(msg, all); err != nil {
				b.Fatal(err)
			}
		}
		if len(all) != benchFlows {
			b.Fatalf("%d flows", len(all))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchFlows, "ns/flow")
}

func BenchmarkDump(b *testing.B) {
	s := startBridge(b)
	c := dial(b, s, "br0")
	if err := c.Apply(deadline(b), manyRules(benchFlows), nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if rules, err := c.DumpFlows(deadline(b), AllFlows); err != nil || len(rules) != benchFlows {
			b.Fatal(len(rules), err)
		}
	}
}

// BenchmarkApply installs the same flows by turns through a connection and
// with ovs-ofctl, and reports how long each took and the ratio.
func BenchmarkApply(b *testing.B) {
	s := startBridge(b)
	c := dial(b, s, "br0")
	rules := manyRules(benchFlows)
	path := filepath.Join(s.Dir, "bench.flows")
	if err := os.WriteFile(path, []byte(strings.Join(printed(rules), "\n")), 0o600); err != nil {
		b.Fatal(err)
	}
	clear := func() {
		s.Ofctl("del-flows", "br0")
		if left, err := c.DumpFlows(deadline(b), AllFlows); err != nil || len(left) != 0 {
			b.Fatal(len(left), err)
		}
	}
	var ours, theirs time.Duration
	for b.Loop() {
		clear()
		start := time.Now()
		if err := c.Apply(deadline(b), rules, nil); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)
		clear()
		start = time.Now()
		s.Ofctl("-O", "OpenFlow15", "--bundle", "add-flows", "br0", path)
		theirs += time.Since(start)
	}
	n := float64(b.N)
	b.ReportMetric(float64(ours.Microseconds())/1000/n, "ms/apply")
	b.ReportMetric(float64(theirs.Microseconds())/1000/n, "ms/ovs-ofctl")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
}

// BenchmarkApplySmall replaces five flows by five others.
func BenchmarkApplySmall(b *testing.B) {
	s := startBridge(b)
	c := dial(b, s, "br0")
	generation := func(n int) []flows.Rule {
		rules := rulesOfText(b, strings.Repeat("table=5,actions=output:1\n", 5))
		for i := range rules {
			rules[i].Priority, rules[i].Cookie = uint16(1000*(n%2)+i), uint64(n)
		}
		return rules
	}
	old := generation(0)
	if err := c.Apply(deadline(b), old, nil); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		next := generation(n)
		if err := c.Apply(b.Context(), next, old); err != nil {
			b.Fatal(err)
		}
		old = next
	}
	if have := dumped(s, "br0"); len(have) != 5 {
		b.Fatal(fmt.Sprint(have))
	}
}
