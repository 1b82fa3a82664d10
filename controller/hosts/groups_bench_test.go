package hosts_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/controller/hosts"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// The cloud of the benchmark: one group, with a rule that admits the group
// itself, and its members over hosts with a network each.
const (
	groupHosts   = 100
	groupMembers = 5000
)

// counted counts the bytes that come over a connection.
type counted struct {
	net.Conn
	read *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

func groupPort(id string, host, n int) *model.Port {
	p := port(id, fmt.Sprint("net-", host), fmt.Sprint("host-", host))
	p.SecurityGroups = []string{"web"}
	p.FixedIPs = []model.FixedIP{{SubnetID: fmt.Sprint("sub-", host), IP: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}}
	return p
}

// waitForMembers reads updates until one names the member, new or gone.
func waitForMembers(s *session.Session, full, member chan<- struct{}) {
	for u := range s.Updates() {
		s.Ack(u.Revision)
		if u.Full {
			full <- struct{}{}
		} else if len(u.Members)+len(u.Deleted.Members) > 0 {
			member <- struct{}{}
		}
	}
}

// BenchmarkOneMoreMember measures what one more member of a group costs that all
// hosts have rules about: the time until every host knows, and the bytes that
// each is sent.
func BenchmarkOneMoreMember(b *testing.B) {
	c := newCloud(b)
	c.put(&model.SecurityGroup{Meta: model.Meta{ID: "web"}, Stateful: true}, &model.SecurityGroupRule{
		Meta: model.Meta{ID: "rule"}, SecurityGroupID: "web", RemoteGroupID: "web", Direction: "ingress", EtherType: "IPv4",
	})
	for h := range groupHosts {
		c.put(vxlan(fmt.Sprint("net-", h)))
		c.update(func(u *records.Update) {
			for i := range groupMembers / groupHosts {
				records.Ports.Put(u, groupPort(fmt.Sprintf("00000000-0000-0000-0000-%05d-%06d", h, i), h, h*1000+i))
			}
		})
	}
	ctl := c.serve(hosts.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var bytes atomic.Int64
	full, member := make(chan struct{}, 10*groupHosts), make(chan struct{}, 10*groupHosts)
	for h := range groupHosts {
		s := session.New(session.Config{
			Addresses: []string{"127.0.0.1:9797"}, Hello: hello(fmt.Sprint("host-", h)),
			Dial: func(ctx context.Context, a string) (net.Conn, error) {
				conn, err := ctl.dial(ctx, a)
				if err != nil {
					return nil, err
				}
				return counted{conn, &bytes}, nil
			},
		})
		running.Go(func() { _ = s.Run(ctx) })
		running.Go(func() { waitForMembers(s, full, member) })
	}
	f := &fleet{c: c}
	f.wait(b, full, groupHosts)
	snapshot := bytes.Load()
	time.Sleep(time.Second) // what the agents' own records bring
	b.Run("5000 members on 100 hosts", func(b *testing.B) {
		var worst time.Duration
		var sent int64
		const id = "00000000-0000-0000-0000-000000000001"
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			time.Sleep(20 * time.Millisecond) // a change on its own, not a burst
			before := bytes.Load()
			b.StartTimer()
			began := time.Now()
			if n%2 == 0 {
				c.put(groupPort(id, 0, 999))
			} else {
				c.update(func(u *records.Update) { records.Ports.Delete(u, id) })
			}
			f.wait(b, member, groupHosts)
			worst = max(worst, time.Since(began))
			sent += bytes.Load() - before
		}
		b.ReportMetric(float64(worst.Milliseconds()), "worst-ms")
		b.ReportMetric(float64(sent)/float64(b.N)/groupHosts, "B/agent")
		b.ReportMetric(float64(snapshot)/groupHosts/1024, "KiB-snapshot/agent")
	})
}
