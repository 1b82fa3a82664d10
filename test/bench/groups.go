package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
)

// compileGroups measures Compile for a host with 1,000 ports that are all in
// the same ten groups of 20 rules.
func (b *bench) compileGroups(context.Context) error {
	v := bigView()
	bare := countRules(pipeline.Compile(v))
	addGroups(v, 10, 20)
	var times []float64
	var p *pipeline.Program
	for range 11 {
		began := time.Now()
		p = pipeline.Compile(v)
		times = append(times, float64(time.Since(began).Microseconds())/1000)
	}
	if len(p.Problems) > 0 {
		return fmt.Errorf("compile with groups: %v", p.Problems[0])
	}
	b.add(row{
		what:   "compile of a host with 1,000 ports, each in ten groups of 20 rules",
		figure: fmt.Sprintf("%.0f ms for %d flows, %d more than without groups", median(times), countRules(p), countRules(p)-bare),
		limit:  "-", target: "-", ok: true,
	})
	return nil
}

func countRules(p *pipeline.Program) int {
	n := 0
	for _, rules := range p.Bridges {
		n += len(rules)
	}
	return n
}

// addGroups puts every local port into all of so many groups with so many rules.
func addGroups(v *pipeline.View, groups, rules int) {
	v.Groups = map[string]pipeline.SecurityGroup{}
	var ids []string
	for g := range groups {
		id := fmt.Sprintf("%08x-0009-4000-8000-000000000000", g+1)
		list := map[string]*model.SecurityGroupRule{}
		for i := range rules {
			port := 1000 + 100*g + i
			r := &model.SecurityGroupRule{
				Meta: model.Meta{ID: fmt.Sprintf("%08x-000a-4000-8000-000000000000", 100*g+i)}, SecurityGroupID: id,
				Direction: "ingress", EtherType: "IPv4", Protocol: "tcp", PortRangeMin: &port, PortRangeMax: &port,
			}
			list[r.ID] = r
		}
		v.Groups[id] = pipeline.SecurityGroup{Record: &model.SecurityGroup{Meta: model.Meta{ID: id}, Stateful: true}, Rules: list}
		ids = append(ids, id)
	}
	for _, p := range v.Ports {
		p.Record.SecurityGroups = ids
	}
}

// ruleForMany measures how long a rule and a member take from the API to the
// switch of a host with n ports in the group, whose rules name a group of many
// members.
func (b *bench) ruleForMany(ctx context.Context, n, members int) error {
	net, err := b.network(ctx, "groups", "10.3.0.0/16", "")
	if err != nil {
		return err
	}
	remote, err := b.group(ctx, "members")
	if err != nil {
		return err
	}
	own, err := b.group(ctx, "filtered")
	if err != nil {
		return err
	}
	if _, err := b.rule(ctx, own, map[string]any{"remote_group_id": remote}); err != nil {
		return err
	}
	local, err := b.grouped(ctx, net, "hv1", own, n)
	if err != nil {
		return err
	}
	far, err := b.grouped(ctx, net, "hv2", remote, members)
	if err != nil {
		return err
	}
	plug, unplug := []string{"ovs-vsctl"}, []string{"ovs-vsctl"}
	for _, p := range local {
		plug = append(plug, addPort(p, "internal")[1:]...)
		unplug = append(unplug, "--", "del-port", "br-int", "tap"+p.ID[:11])
	}
	if _, err := b.hv1.Exec(ctx, plug...); err != nil {
		return err
	}
	if err := b.allActive(ctx, net, n); err != nil {
		return err
	}
	err = errors.Join(b.timeRules(ctx, own, n), b.timeMembers(ctx, net, remote, members))
	if err != nil {
		return err
	}
	if _, err := b.hv1.Exec(ctx, unplug...); err != nil {
		return err
	}
	return b.deletePorts(ctx, append(local, far...))
}

// timeRules adds rules to the group.
func (b *bench) timeRules(ctx context.Context, group string, n int) error {
	took, mods, err := b.toSwitch(ctx, func(i int) (string, error) {
		port := 7001 + i
		_, err := b.rule(ctx, group, map[string]any{"protocol": "tcp", "port_range_min": port, "port_range_max": port})
		return fmt.Sprintf("ct_tp_dst=%d", port), err
	})
	if err != nil {
		return err
	}
	b.add(row{
		what:   fmt.Sprintf("one rule added to a group of %d local ports, in the switch", n),
		figure: fmt.Sprintf("%s from the API call on, %.1f flow-mods", ms(took), mods),
		limit:  "-", target: "under 50 ms", ok: took < 50*time.Millisecond && mods < 4,
	})
	return nil
}

// timeMembers adds members to the remote group.
func (b *bench) timeMembers(ctx context.Context, net network, group string, members int) error {
	var added []port
	took, mods, err := b.toSwitch(ctx, func(int) (string, error) {
		ports, err := b.grouped(ctx, net, "", group, 1)
		if err != nil {
			return "", err
		}
		added = append(added, ports[0])
		return "ct_nw_src=" + ports[0].FixedIPs[0].IP.String() + ",", nil
	})
	if err != nil {
		return err
	}
	b.add(row{
		what:   fmt.Sprintf("one member added to a remote group of %d, in the switch", members),
		figure: fmt.Sprintf("%s from the API call on, %.1f flow-mods", ms(took), mods),
		limit:  "-", target: "-", ok: mods < 4,
	})
	return b.deletePorts(ctx, added)
}

// toSwitch has something changed several times, each time until hv1's switch
// tells of a flow with what change gives, and gives the median time and the
// mean number of flow-mods.
func (b *bench) toSwitch(ctx context.Context, change func(i int) (string, error)) (time.Duration, float64, error) {
	if err := b.settle(ctx); err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	monitor := b.hv1.Command(ctx, "ovs-ofctl", "monitor", "br-int", "watch:!initial,table=82")
	out, err := monitor.StderrPipe() // where ovs-ofctl prints what it is told
	if err != nil {
		return 0, 0, err
	}
	if err := monitor.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		cancel()
		_ = monitor.Wait()
	}()
	lines := make(chan string, 1024)
	go readLines(out, lines)
	time.Sleep(300 * time.Millisecond) // until the monitor is in place
	before, err := b.agentMetrics(ctx)
	if err != nil {
		return 0, 0, err
	}
	const runs = 11
	var times []float64
	for i := range runs {
		began := time.Now()
		sign, err := change(i)
		if err != nil {
			return 0, 0, err
		}
		if err := awaitLine(ctx, lines, sign); err != nil {
			return 0, 0, err
		}
		times = append(times, time.Since(began).Seconds())
		time.Sleep(50 * time.Millisecond)
	}
	after, err := b.agentMetrics(ctx)
	if err != nil {
		return 0, 0, err
	}
	mods := after["lepton_agent_flow_mods_total"] - before["lepton_agent_flow_mods_total"]
	return time.Duration(median(times) * float64(time.Second)), mods / runs, nil
}

func readLines(r io.Reader, lines chan<- string) {
	defer close(lines)
	for s := bufio.NewScanner(r); s.Scan(); {
		lines <- s.Text()
	}
}

func awaitLine(ctx context.Context, lines <-chan string, sign string) error {
	late := time.After(10 * time.Second)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("within 10 s the switch has told of no flow with %s", sign)
		case line, ok := <-lines:
			if !ok {
				return errors.New("the flow monitor has ended")
			}
			if strings.Contains(line, "event=ADDED") && strings.Contains(line, sign) {
				return nil
			}
		}
	}
}

// group makes a security group and gives its id.
func (b *bench) group(ctx context.Context, name string) (string, error) {
	var answer struct {
		Group struct{ ID string } `json:"security_group"`
	}
	body := map[string]any{"security_group": map[string]any{"name": name, "project_id": project}}
	err := b.lab.API().Call(ctx, "POST", "/v2.0/security-groups", body, &answer)
	return answer.Group.ID, err
}

// rule adds an ingress rule for IPv4 to a group.
func (b *bench) rule(ctx context.Context, group string, more map[string]any) (string, error) {
	rule := map[string]any{"security_group_id": group, "direction": "ingress", "ethertype": "IPv4", "project_id": project}
	for k, v := range more {
		rule[k] = v
	}
	var answer struct {
		Rule struct{ ID string } `json:"security_group_rule"`
	}
	err := b.lab.API().Call(ctx, "POST", "/v2.0/security-group-rules", map[string]any{"security_group_rule": rule}, &answer)
	return answer.Rule.ID, err
}

// grouped makes n ports that are in one group.
func (b *bench) grouped(ctx context.Context, net network, host, group string, n int) ([]port, error) {
	out := make([]port, n)
	_, err := b.create(ctx, creation{net: net, host: host, group: group, n: n, clients: min(n, 8), out: out})
	return out, err
}

// packetRate sends small UDP packets between two guests of one host, through
// the tables and, in turn, over a bridge with nothing but NORMAL.
func (b *bench) packetRate(ctx context.Context) error {
	net, err := b.network(ctx, "rate-of-packets", "10.4.0.0/24", "")
	if err != nil {
		return err
	}
	ports, err := b.ports(ctx, net, "hv1", 2)
	if err != nil {
		return err
	}
	guests := make([]*lab.Place, 2)
	for i, p := range ports {
		g, err := b.lab.Plug(ctx, lab.PlugRequest{Host: "hv1", Port: p.ID, Wait: true})
		if err != nil {
			return err
		}
		if guests[i], err = b.lab.Place(g.Name); err != nil {
			return err
		}
	}
	if _, err := b.hv1.Exec(ctx, "ovs-vsctl", "add-br", "br-bare", "--", "set", "bridge", "br-bare", "datapath_type=netdev"); err != nil {
		return err
	}
	var ratios, rates []float64
	for range rounds {
		if err := b.rewire(ctx, "br-int", "br-bare", ports); err != nil {
			return err
		}
		bare, err := settledRate(ctx, guests, ports[1].FixedIPs[0].IP)
		if err != nil {
			return err
		}
		if err := b.rewire(ctx, "br-bare", "br-int", ports); err != nil {
			return err
		}
		if err := b.allActive(ctx, net, len(ports)); err != nil {
			return err
		}
		filtered, err := settledRate(ctx, guests, ports[1].FixedIPs[0].IP)
		if err != nil {
			return err
		}
		ratios, rates = append(ratios, filtered/bare), append(rates, filtered)
	}
	b.add(row{
		what:   "64-byte packets between two guests of a host, filtered by state",
		figure: fmt.Sprintf("%.0f/s = %.2f × a bare NORMAL bridge", median(rates), median(ratios)),
		limit:  fmt.Sprintf("%.0f/s", median(rates)/median(ratios)), target: "-", ok: true,
	})
	for _, p := range ports {
		if err := b.lab.Unplug(ctx, p.ID); err != nil {
			return err
		}
	}
	_, err = b.hv1.Exec(ctx, "ovs-vsctl", "del-br", "br-bare")
	return errors.Join(err, b.deletePorts(ctx, ports))
}

// rewire moves the taps of ports to another bridge.
func (b *bench) rewire(ctx context.Context, from, to string, ports []port) error {
	argv := []string{"ovs-vsctl"}
	for _, p := range ports {
		argv = append(argv, "--", "del-port", from, "tap"+p.ID[:11])
		add := addPort(p, "")[1:]
		add[2] = to
		argv = append(argv, add...)
	}
	_, err := b.hv1.Exec(ctx, argv...)
	return err
}

// settledRate is udpRate, tried again while the ports have only just moved.
func settledRate(ctx context.Context, guests []*lab.Place, to netip.Addr) (rate float64, err error) {
	for range 4 {
		if rate, err = udpRate(ctx, guests, to); err == nil {
			break
		}
	}
	return rate, err
}

// udpRate sends as many 64-byte datagrams as one iperf3 can for two seconds and
// gives how many arrive in one.
func udpRate(ctx context.Context, guests []*lab.Place, to netip.Addr) (float64, error) {
	server := guests[1].Command(ctx, "iperf3", "-s", "-1", "-p", "5201")
	if err := server.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	var out string
	var err error
	for range 20 { // until the server listens and the port is wired
		time.Sleep(200 * time.Millisecond)
		out, err = guests[0].Exec(ctx, "iperf3", "-c", to.String(), "-p", "5201", "-u", "-b", "0", "-l", "64", "-t", "2", "-J", "--connect-timeout", "500")
		if err == nil {
			break
		}
	}
	if err != nil {
		return 0, fmt.Errorf("iperf3: %w", err)
	}
	var report struct {
		End struct {
			Sum struct {
				Packets, Seconds float64
				Lost             float64 `json:"lost_packets"`
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		return 0, fmt.Errorf("iperf3's report: %w", err)
	}
	s := report.End.Sum
	if s.Seconds <= 0 || s.Packets <= s.Lost {
		return 0, fmt.Errorf("iperf3's report has %v of %v packets lost in %v s", s.Lost, s.Packets, s.Seconds)
	}
	return (s.Packets - s.Lost) / s.Seconds, nil
}
