package scale

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/test/e2e"
)

// TestEveryHostOfALargeCloudKnowsWhatItShould is a small run of what make bench
// does with 1,000 agents and 50,000 ports. What is too slow does not fail it.
func TestEveryHostOfALargeCloudKnowsWhatItShould(t *testing.T) {
	o := Options{
		Bin: e2e.BinDir(), Agents: 50, Ports: 2000, Networks: 20, Spread: 10, Probes: 1,
		Weather: 3 * time.Second, TLS: true, Seed: uint64(time.Now().UnixNano()), Patience: time.Minute, Log: t.Logf,
	}
	t.Logf("seed %d", o.Seed)
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Error(err)
	}
	for _, line := range report.Wrong {
		t.Error(line)
	}
}

func TestCloudsHaveThePortsThatWereAskedFor(t *testing.T) {
	for _, o := range []Options{
		{Agents: 2, Ports: 4, Networks: 2, Spread: 1, Probes: 1},
		{Agents: 50, Ports: 2000, Networks: 20, Spread: 10, Probes: 1},
		{Agents: 1000, Ports: 50000, Networks: 500, Spread: 25, Probes: 1},
		{Agents: 30, Ports: 1003, Networks: 14, Spread: 30, Probes: 1},
	} {
		if err := o.Check(); err != nil {
			t.Fatal(err)
		}
		n, hosts := 0, map[int]bool{}
		c := newCloud(o)
		for _, p := range append(c.projects, c.everywhere) {
			for _, net := range p.networks {
				n += net.ports
				distinct := slices.Clone(net.hosts)
				slices.Sort(distinct)
				if len(slices.Compact(distinct)) != len(net.hosts) {
					t.Errorf("%+v: a network is on a host twice", o)
				}
				for _, h := range net.hosts {
					hosts[h] = true
				}
			}
		}
		if n != o.Ports || len(hosts) != o.Agents {
			t.Errorf("%+v: %d ports, %d hosts", o, n, len(hosts))
		}
	}
	for _, o := range []Options{
		{Agents: 1, Ports: 100, Networks: 2, Spread: 1, Probes: 1},
		{Agents: 10, Ports: 100, Networks: 3, Spread: 1, Probes: 1},
		{Agents: 10, Ports: 11, Networks: 2, Spread: 1, Probes: 1},
		{Agents: 10, Ports: 100, Networks: 2, Spread: 11, Probes: 1},
		{Agents: 10, Ports: 100, Networks: 2, Spread: 1},
	} {
		if o.Check() == nil {
			t.Errorf("%+v is no cloud, and passes", o)
		}
	}
}

func TestALineBreaksBehindTheByteThatItIsToldTo(t *testing.T) {
	sent := bytes.Repeat([]byte("0123456789"), 100)
	for _, left := range []int64{-1, 1, 37, 999, 1000, 5000} {
		here, there := net.Pipe()
		got := make(chan []byte, 1)
		go func() {
			b, _ := io.ReadAll(there) // it ends with the line
			got <- b
		}()
		l := &line{Conn: here, count: &traffic{}, left: left}
		n, err := l.Write(sent)
		_ = l.Close()
		want := len(sent)
		if left >= 0 {
			want = int(min(left, int64(len(sent))))
		}
		if b := <-got; n != want || !bytes.Equal(b, sent[:want]) || l.count.out.Load() != int64(want) {
			t.Errorf("limit %d: wrote %d bytes, %d arrived, %d counted, want %d", left, n, len(b), l.count.out.Load(), want)
		}
		if cut := left >= 0 && left <= int64(len(sent)); errors.Is(err, errCut) != cut {
			t.Errorf("limit %d: %v", left, err)
		}
	}
}

// small is a truth of two hosts on a network; the second has a group that names
// itself as remote.
func small() *truth {
	t := emptyTruth()
	for i, host := range []string{"sim-0000", "sim-0001"} {
		t.addPort(&apiPort{
			ID: "p" + host, Network: "n", MAC: "fa:16:3e:00:00:01", Host: host, VIFType: "ovs", Revision: 3,
			Groups: [][]string{nil, {"g"}}[i], FixedIPs: []apiAddress{{IP: netip.MustParseAddr("10.0.0.5")}},
		})
		t.tunnels[host] = "10.200.0.1"
	}
	t.networks["n"] = &apiNetwork{ID: "n", MTU: 1450, Type: "vxlan"}
	t.rules["g"] = []*apiRule{{ID: "r", Group: "g", Direction: "ingress", EtherType: "IPv4", RemoteGroup: "g"}}
	return t
}

func TestWhatAHostShouldNotHaveOrLacksIsFound(t *testing.T) {
	right := func() rpc.Update {
		mac, _ := model.ParseMAC("fa:16:3e:00:00:01")
		port := func(host string, groups ...string) *model.Port {
			return &model.Port{
				Meta: model.Meta{ID: "p" + host, Revision: 3}, NetworkID: "n", MAC: mac, Host: host, SecurityGroups: groups,
				FixedIPs: []model.FixedIP{{IP: netip.MustParseAddr("10.0.0.5")}},
			}
		}
		return rpc.Update{
			Full:      true,
			Networks:  []*model.Network{{Meta: model.Meta{ID: "n"}, MTU: 1450, Segment: model.Segment{Type: "vxlan"}}},
			Ports:     []*model.Port{port("sim-0000"), port("sim-0001", "g")},
			Endpoints: []*model.Endpoint{{Host: "sim-0000", IP: netip.MustParseAddr("10.200.0.1")}},
			Groups:    []*model.SecurityGroup{{Meta: model.Meta{ID: "g"}}},
			Rules: []*model.SecurityGroupRule{{
				Meta: model.Meta{ID: "r"}, SecurityGroupID: "g", Direction: "ingress", EtherType: "IPv4", RemoteGroupID: "g",
			}},
			Members: []*model.GroupMember{{GroupID: "g", PortID: "psim-0001", Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.5/32")}}},
		}
	}
	for _, c := range []struct {
		name string
		harm func(u *rpc.Update)
		want string // a part of what is found; empty: nothing
	}{
		{"nothing", func(*rpc.Update) {}, ""},
		{"a port missing", func(u *rpc.Update) { u.Ports = u.Ports[1:] }, "lacks port psim-0000"},
		{"an old port", func(u *rpc.Update) { u.Ports[1].Revision = 2 }, "has another port psim-0001"},
		{"a port of elsewhere", func(u *rpc.Update) { u.Ports[0].Host = "sim-0002" }, "has another port psim-0000"},
		{"a member missing", func(u *rpc.Update) { u.Members = nil }, "lacks security group member g/psim-0001"},
		{"a member's address", func(u *rpc.Update) { u.Members[0].Addresses = nil }, "has another security group member"},
		{"a network too much", func(u *rpc.Update) {
			u.Networks = append(u.Networks, &model.Network{Meta: model.Meta{ID: "m"}})
		}, "knows network m, which it does not need"},
		{"an address group too much", func(u *rpc.Update) {
			u.AddressGroups = []*model.AddressGroup{{Meta: model.Meta{ID: "a"}}}
		}, "knows address group a, which it does not need"},
		{"no endpoint", func(u *rpc.Update) { u.Endpoints = nil }, "lacks endpoint sim-0000"},
	} {
		a := &agent{host: "sim-0001"}
		u := right()
		c.harm(&u)
		a.notes.apply(&u, a.host)
		_, wrong := small().differences(a)
		got := strings.Join(wrong, "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
