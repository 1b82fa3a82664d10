package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/agent/control"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// audit asks a host's agent what it found, having it look first if now is set.
func (p *pair) audit(host string, now bool) control.Status {
	p.Helper()
	method := http.MethodGet
	if now {
		method = http.MethodPost
	}
	ctx, cancel := context.WithTimeout(p.Context(), 30*time.Second)
	defer cancel()
	var st control.Status
	p.Must(control.Call(ctx, p.file(host, "run", "agent.sock"), method, "/audit", &st))
	return st
}

// found waits until the agent has found something new that holds all texts.
func (p *pair) found(host string, since int, texts ...string) {
	p.Helper()
	p.Eventually("the agent finds "+strings.Join(texts, " "), func() error {
		st := p.audit(host, false)
		for _, f := range st.Findings[max(0, len(st.Findings)-(st.Total-since)):] {
			b, err := json.Marshal(f)
			p.Must(err)
			if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(string(b), s) }) {
				return nil
			}
		}
		return fmt.Errorf("%d new findings: %+v", st.Total-since, st.Findings)
	})
}

// within demands that something comes true in less than a second.
func (p *pair) within(what string, f func() error) {
	p.Helper()
	began := time.Now()
	p.Eventually(what, f)
	if took := time.Since(began); took > time.Second {
		p.Errorf("%s: after %s", what, took)
	} else {
		p.Logf("%s: after %s", what, took)
	}
}

// sorted gives a bridge's flows in an order that does not depend on when they
// were made.
func (p *pair) sorted(host, bridge string) []string {
	p.Helper()
	list := p.Flows(host, bridge)
	slices.Sort(list)
	return list
}

// flowsAre says how a bridge's flows differ from those before.
func (p *pair) flowsAre(host, bridge string, want []string) error {
	p.Helper()
	if got := p.sorted(host, bridge); !slices.Equal(got, want) {
		return fmt.Errorf("%s of %s has %d flows, had %d", bridge, host, len(got), len(want))
	}
	return nil
}

func TestWhatIsChangedByHandIsFoundAndPutRight(t *testing.T) {
	p := threeNode(t)
	before := p.audit("hv1", true)
	if before.Total > 0 {
		t.Errorf("found on a host that nobody touched: %+v", before.Findings)
	}
	brInt, brTun := p.sorted("hv1", "br-int"), p.sorted("hv1", "br-tun")
	tap := "tap" + p.near.Port.ID[:11]
	cookie := "cookie=0x1e0ff0f0f0f0f0f0"
	for _, tc := range []struct {
		name    string
		do      []string
		right   func() error
		finding []string
	}{
		{
			"one flow deleted",
			[]string{"ovs-ofctl", "--strict", "del-flows", "br-int", "table=0,priority=0"},
			func() error { return p.flowsAre("hv1", "br-int", brInt) },
			[]string{`"kind":"flow"`, "br-int", "missing or changed"},
		},
		{
			"all flows deleted",
			[]string{"ovs-ofctl", "del-flows", "br-tun"},
			func() error { return p.flowsAre("hv1", "br-tun", brTun) },
			[]string{`"kind":"flow"`, "br-tun", "missing or changed"},
		},
		{
			"a flow with our mark",
			[]string{"ovs-ofctl", "add-flow", "br-int", cookie + ",table=60,priority=9999,actions=NORMAL"},
			func() error { return p.flowsAre("hv1", "br-int", brInt) },
			[]string{"not ours", "priority=9999"},
		},
		{
			"a flow in the place of ours",
			[]string{"ovs-ofctl", "add-flow", "br-int", "table=94,priority=0,actions=NORMAL"},
			func() error { return p.flowsAre("hv1", "br-int", brInt) },
			[]string{"missing or changed", "table=94"},
		},
		{
			"the tag of a port",
			[]string{"ovs-vsctl", "set", "Port", tap, "tag=77"},
			func() error {
				if tag := strings.TrimSpace(p.Exec("hv1", "ovs-vsctl", "get", "Port", tap, "tag")); tag != "1" {
					return fmt.Errorf("tag %s", tag)
				}
				return nil
			},
			[]string{"port " + p.near.Port.ID, "has tag 77 instead of 1"},
		},
		{
			"a bridge opened",
			[]string{"ovs-vsctl", "set-fail-mode", "br-int", "standalone"},
			func() error {
				if mode := strings.TrimSpace(p.Exec("hv1", "ovs-vsctl", "get-fail-mode", "br-int")); mode != "secure" {
					return fmt.Errorf("fail_mode %s", mode)
				}
				return nil
			},
			[]string{"database", "fail_mode=secure"},
		},
		{
			"a patch port deleted",
			[]string{"ovs-vsctl", "del-port", "patch-tun"},
			func() error { return p.reaches(p.near, p.far) },
			[]string{"database", "patch-tun"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := p.in(t)
			since := q.audit("hv1", false).Total
			q.Exec("hv1", tc.do...)
			q.within("put right", tc.right)
			q.found("hv1", since, tc.finding...)
		})
	}
	p.told("hv1", "has tag 77 instead of 1")
	p.Exec("hv1", "ovs-ofctl", "add-flow", "br-int", "cookie=0xf0f,table=60,priority=9999,dl_type=0x1234,actions=drop")
	since := p.audit("hv1", true)
	if !slices.ContainsFunc(p.Flows("hv1", "br-int"), func(f string) bool { return strings.Contains(f, "cookie=0xf0f") }) {
		t.Error("a foreign flow was deleted")
	}
	if again := p.audit("hv1", true); again.Total != since.Total {
		t.Errorf("an audit of a host that is right finds %+v", again.Findings[len(again.Findings)-1])
	}
	if n := p.figure("hv1", "lepton_agent_drift_total"); n != float64(since.Total) {
		t.Errorf("the metric says %v, leptonctl %d", n, since.Total)
	}
	p.AllReach(p.near, p.same, p.far)
}

func TestRoutersChangedByHandAreFoundByAudits(t *testing.T) {
	p := threeNode(t)
	r := p.Router(nil, p.subnet)
	ns := "qrouter-" + r.ID
	gateway := p.subnet.Gateway + "/22"
	hasAddress := func() error {
		host, err := p.Lab.Place("net1")
		if err != nil {
			return err
		}
		// The namespace may be in the making.
		out, err := host.Exec(p.Context(), "ip", "netns", "exec", ns, "ip", "-br", "addr")
		if err == nil && !strings.Contains(out, gateway) {
			err = fmt.Errorf("addresses %s", out)
		}
		return err
	}
	rules := func() string { return p.Exec("net1", "ip", "netns", "exec", ns, "iptables-save", "-t", "nat") }
	p.Eventually("the router is realised", func() error {
		if out := p.Exec("net1", "ip", "netns"); !strings.Contains(out, ns) {
			return fmt.Errorf("namespaces %s", out)
		}
		return nil
	})
	p.Eventually("the router has its address", hasAddress)
	p.AwaitInSync("net1")
	if st := p.audit("net1", true); st.Total > 0 {
		t.Fatalf("found on a host that nobody touched: %+v", st.Findings)
	}
	lines := func(text string) int { return strings.Count(text, "\n-A") }
	want := lines(rules())
	link := strings.Fields(p.Exec("net1", "ip", "netns", "exec", ns, "sh", "-c", "ip -br link | grep -o 'qr-[^@ ]*'"))[0]
	p.Exec("net1", "ip", "netns", "exec", ns, "ip", "addr", "del", gateway, "dev", link)
	p.Exec("net1", "ip", "netns", "exec", ns, "sh", "-c", "iptables-save | grep ^:lepton- | head -1 | cut -d: -f2 | cut -d' ' -f1 | xargs -n1 iptables -t raw -F; iptables -t nat -F")
	p.Exec("net1", "ip", "netns", "exec", ns, "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP")
	st := p.audit("net1", true)
	for _, text := range []string{"router " + r.ID, gateway, "rules of "} {
		p.found("net1", 0, text)
	}
	p.Eventually("the address is back", hasAddress)
	if got := lines(rules()); got != want {
		t.Errorf("%d rules in table nat after the audit, %d before:\n%s", got, want, rules())
	}
	if out := p.Exec("net1", "ip", "netns", "exec", ns, "iptables-save", "-t", "filter"); !strings.Contains(out, "--dport 9 ") {
		t.Error("a foreign rule is gone")
	}
	if again := p.audit("net1", true); again.Total != st.Total {
		t.Errorf("an audit of a host that is right finds %+v", again.Findings[len(again.Findings)-1])
	}
}

func TestDHCPServersChangedByHandAreFoundByAudits(t *testing.T) {
	p := cloudOf(t, `
hosts:
  - { name: net1, roles: [controller, network], agent: { roles: [l2, l3, dhcp] } }
  - { name: hv1, roles: [compute] }
  - { name: hv2, roles: [compute] }
`)
	ns := "qdhcp-" + p.net.ID
	hosts := p.file("net1", "run", "dhcp", p.net.ID, "host")
	var want []byte
	p.Eventually("the network is served", func() (err error) {
		want, err = os.ReadFile(hosts)
		if err == nil && !strings.Contains(string(want), p.near.Port.MAC) {
			err = fmt.Errorf("the hosts file has %q", want)
		}
		return err
	})
	p.AwaitInSync("net1")
	if st := p.audit("net1", true); st.Total > 0 {
		t.Fatalf("found on a host that nobody touched: %+v", st.Findings)
	}
	p.Must(os.WriteFile(hosts, []byte("fa:16:3e:00:00:01,10.7.0.99\n"), 0o644))
	p.Exec("net1", "ip", "netns", "exec", ns, "sh", "-c", "ip addr add 10.7.0.250/24 dev $(ip -br link | grep -o 'tap[^@ ]*')")
	p.Exec("net1", "ip", "netns", "exec", ns, "iptables", "-F", "lepton-dhcp")
	st := p.audit("net1", true)
	p.found("net1", 0, "network "+p.net.ID, "file host of dnsmasq was changed")
	p.found("net1", 0, "network "+p.net.ID, "rules of iptables were changed")
	p.found("net1", 0, "network "+p.net.ID, "10.7.0.250")
	p.Eventually("who may speak to the server is checked again", func() error {
		if out := p.Exec("net1", "ip", "netns", "exec", ns, "iptables-save"); !strings.Contains(out, "--dport 67 -j DROP") {
			return errors.New(out)
		}
		return nil
	})
	p.Eventually("the file is as it was", func() error {
		got, err := os.ReadFile(hosts)
		if err == nil && string(got) != string(want) {
			err = fmt.Errorf("it is %q", got)
		}
		return err
	})
	if again := p.audit("net1", true); again.Total != st.Total {
		t.Errorf("an audit of a host that is right finds %+v", again.Findings[len(again.Findings)-1])
	}
}

// Hosts that answer DHCP and metadata of their guests themselves: flows and
// meters, the proxy's files, its port, link and namespace.
func TestLocalServicesChangedByHandAreFoundByAudits(t *testing.T) {
	p := cloudOf(t, `
controller: { dhcp: { mode: local } }
agent: { roles: [l2, metadata], metadata: { mode: local } }
hosts:
  - { name: net1, roles: [controller] }
  - { name: hv1, roles: [compute] }
  - { name: hv2, roles: [compute] }
`)
	const scope, ns = "lepton-metadata.json", "lepton-metadata"
	file := p.file("hv1", "run", "metadata", "scopes", scope)
	var want []byte
	p.Eventually("the proxy's file has the guests", func() (err error) {
		want, err = os.ReadFile(file)
		if err == nil && !strings.Contains(string(want), p.near.Port.ID) {
			err = fmt.Errorf("it has %q", want)
		}
		return err
	})
	p.Lease(p.near)
	p.Exec("near", "ip", "route", "add", "169.254.169.254/32", "dev", "eth0")
	p.Told(p.near, "http://169.254.169.254/latest/meta-data/local-ipv4", p.near.IP(4).String())
	instance, err := os.ReadFile(p.file("hv1", "agent", "instance"))
	p.Must(err)
	space := ns
	for _, name := range []string{ns, ns + "-hv1"} { // labs share a machine
		owner, _, err := netns.Owner(name)
		p.Must(err)
		if owner == "lepton-agent "+strings.TrimSpace(string(instance)) {
			space = name
		}
	}
	if st := p.audit("hv1", true); st.Total > 0 {
		t.Fatalf("found on a host that nobody touched: %+v", st.Findings)
	}
	flowsBefore := p.sorted("hv1", "br-int")
	since := 0
	for _, tc := range []struct {
		name    string
		do      []string
		audited bool // nothing tells of it
		finding []string
		right   func() error
	}{
		{"a flow of questions deleted", []string{"ovs-ofctl", "del-flows", "br-int", "table=60,udp,tp_dst=67"}, false, []string{`"kind":"flow"`, "missing or changed"}, nil},
		{
			"the limit of questions lifted",
			[]string{"sh", "-c", "ovs-ofctl -O OpenFlow15 dump-meters br-int | grep -o 'meter=[0-9]*' | while read m; do ovs-ofctl -O OpenFlow15 mod-meter br-int $m,pktps,burst,stats,bands=type=drop,rate=99999,burst_size=99999; done"},
			true,
			[]string{`"kind":"meter"`, "99999 packets a second"},
			func() error {
				if out := p.Exec("hv1", "ovs-ofctl", "-O", "OpenFlow15", "dump-meters", "br-int"); strings.Contains(out, "rate=99999") {
					return fmt.Errorf("meters %s", out)
				}
				return nil
			},
		},
		{"the proxy's file", []string{"sh", "-c", "echo {} >" + file}, true, []string{`"kind":"metadata"`, scope, "was changed"}, func() error {
			if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
				return fmt.Errorf("it is %q, %v", got, err)
			}
			return nil
		}},
		{"the service's address", []string{"ip", "-n", space, "addr", "del", "169.254.169.254/32", "dev", "lepton-md"}, true, []string{`"kind":"metadata"`, "169.254.169.254"}, func() error {
			if out := p.Exec("hv1", "ip", "-n", space, "-br", "addr"); !strings.Contains(out, "169.254.169.254/32") {
				return fmt.Errorf("addresses %s", out)
			}
			return nil
		}},
		{"the namespace", []string{"ip", "netns", "del", space}, true, []string{`"kind":"metadata"`, "namespace is missing"}, func() error {
			if out := p.Exec("hv1", "ip", "-n", space, "-br", "addr"); !strings.Contains(out, "169.254.169.254/32") {
				return fmt.Errorf("addresses %s", out)
			}
			return nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := p.in(t)
			q.Exec("hv1", tc.do...)
			if tc.audited {
				q.audit("hv1", true)
			}
			q.found("hv1", since, tc.finding...)
			if tc.right != nil {
				q.Eventually("put right", tc.right)
			}
			if tc.name != "the namespace" { // the port has another number then
				q.Eventually("the flows are as they were", func() error { return q.flowsAre("hv1", "br-int", flowsBefore) })
			}
			since = q.audit("hv1", true).Total
		})
	}
	p.Lease(p.near)
	p.Told(p.near, "http://169.254.169.254/latest/meta-data/local-ipv4", p.near.IP(4).String())
	if again := p.audit("hv1", true); again.Total != since {
		t.Errorf("an audit of a host that is right finds %+v", again.Findings[len(again.Findings)-1])
	}
}

// told waits until the API shows a finding of a host that is put right: it comes
// with a heartbeat.
func (p *pair) told(host, text string) {
	p.Helper()
	p.Eventually("the API shows what was found", func() error {
		var answer struct {
			Agents []struct {
				Configurations struct {
					Drift []struct {
						At, Kind, Text string
						Repaired       bool
					}
				}
			}
		}
		p.Must(p.Lab.API().Call(p.Context(), "GET", "/v2.0/agents?host="+host, nil, &answer))
		for _, a := range answer.Agents {
			for _, f := range a.Configurations.Drift {
				if strings.Contains(f.Text, text) && f.Repaired && f.At != "" && f.Kind != "" {
					return nil
				}
			}
		}
		return fmt.Errorf("%+v", answer)
	})
}
