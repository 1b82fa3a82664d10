package clusterfaults

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/test/e2e"
)

// controllers are the hosts that have a controller and a member of etcd each.
var controllers = []string{"ctl1", "ctl2", "ctl3"}

const storePort = "2379"

// cluster is a cloud with three controllers.
type cluster struct {
	*e2e.Cloud
	apis map[string]*lab.API
}

// onlyControllers is a cloud without agents, and with few VNIs.
const onlyControllers = `
tunnel_types: [vxlan]
controller: { network: { vxlan: { vni_ranges: ["1001:1030"] } } }
hosts:
  - { name: ctl, count: 3, roles: [controller] }
`

func start(t testing.TB, topology string) *cluster {
	t.Helper()
	return startWrapped(t, topology, nil)
}

func startWrapped(t testing.TB, topology string, wrap func(host, program string, argv []string) []string) *cluster {
	t.Helper()
	c := &cluster{Cloud: e2e.StartWrapped(t, topology, wrap), apis: map[string]*lab.API{}}
	for _, host := range controllers {
		api, err := c.Lab.APIOn(host)
		c.Must(err)
		c.apis[host] = api
	}
	return c
}

// fault is something that goes wrong and comes right again.
type fault struct {
	name        string
	begin, heal func()
	// spared are the controllers through which the API must go on.
	spared []string
}

func (c *cluster) kill(host, program string) {
	c.Helper()
	c.Must(c.Lab.Stop(context.Background(), host, program, true))
}

func (c *cluster) start(host, program string) {
	c.Helper()
	c.Must(c.Lab.Start(context.Background(), host, program))
}

func (c *cluster) pause(host, program string)  { c.Helper(); c.Must(c.Lab.Pause(host, program)) }
func (c *cluster) resume(host, program string) { c.Helper(); c.Must(c.Lab.Resume(host, program)) }

// what are connections of a host: those that its own programs serve, or those
// that they opened, by the server's port.
type what struct{ end, port string }

var (
	clientsOf = what{"--dport", "9696"} // of its controller
	agentsOf  = what{"--dport", "9797"} // of its controller
	usersOf   = what{"--dport", "2379"} // of its etcd
	storeOf   = what{"--sport", "2379"} // what its controller uses
	peersOf   = what{"--dport", "2380"} // those of other members
	peersTo   = what{"--sport", "2380"} // those to other members
)

// cut drops every packet that such connections bring to a host.
func (c *cluster) cut(host string, all ...what)  { c.Helper(); c.netfilter("-A", host, all) }
func (c *cluster) mend(host string, all ...what) { c.Helper(); c.netfilter("-D", host, all) }

func (c *cluster) netfilter(verb, host string, all []what) {
	c.Helper()
	place, err := c.Lab.Place(host)
	c.Must(err)
	for _, w := range all {
		_, err := place.Exec(context.Background(), "iptables", "-w", verb, "INPUT", "-p", "tcp", w.end, w.port, "-j", "DROP")
		c.Must(err)
	}
}

// unplug takes a host off the management network.
func (c *cluster) unplug(host string) { c.Helper(); c.link(host, "down") }
func (c *cluster) replug(host string) { c.Helper(); c.link(host, "up") }

func (c *cluster) link(host, state string) {
	c.Helper()
	place, err := c.Lab.Place(host)
	c.Must(err)
	_, err = place.Exec(context.Background(), "ip", "link", "set", "mgmt", state)
	c.Must(err)
}

// flowed judges a stream of packets that nothing was to disturb. Beside other work
// a packet of the userspace datapath may be late; an outage is longer.
func (c *cluster) flowed(r lab.StreamResult) {
	c.Helper()
	c.Logf("%d packets, %d lost, longest gap %s", r.Sent, r.Lost(), r.LongestGap.Round(time.Millisecond))
	if r.LongestGap > 2*time.Second || r.Received == 0 || r.Lost() > r.Sent/20 {
		c.Errorf("lost %d packets: %+v", r.Lost(), r)
	}
}

// others are the controllers but for one.
func others(host string) []string {
	return slices.DeleteFunc(slices.Clone(controllers), func(h string) bool { return h == host })
}

// etcd speaks to one member of the cluster, or to all.
func (c *cluster) etcd(hosts ...string) *clientv3.Client {
	c.Helper()
	var endpoints []string
	for _, h := range c.Lab.Plan().Hosts {
		if slices.Contains(hosts, h.Name) {
			endpoints = append(endpoints, "http://"+net.JoinHostPort(h.Mgmt.Addr().String(), storePort))
		}
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, DialTimeout: 5 * time.Second,
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return c.Lab.DialController(ctx, "tcp", address)
		})},
	})
	c.Must(err)
	c.Cleanup(func() { _ = client.Close() })
	return client
}

// leader finds the host of the cluster's leader.
func (c *cluster) leader() string {
	c.Helper()
	for _, host := range controllers {
		client := c.etcd(host)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		st, err := client.Status(ctx, client.Endpoints()[0])
		cancel()
		if err == nil && st.Leader == st.Header.MemberId {
			return host
		}
	}
	return ""
}

// answer is what the API said.
type answer struct {
	status           int
	stale            bool
	retryAfter, body string
	took             time.Duration
	err              error // there was no answer
}

// ask sends one request to a host's controller.
func (c *cluster) ask(ctx context.Context, host, method, path string, body any, out any, headers ...string) answer {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	began := time.Now()
	r, err := c.apis[host].Do(ctx, method, path, body, headers...)
	a := answer{took: time.Since(began), err: err}
	if err != nil {
		return a
	}
	a.status, a.body = r.Status, string(r.Body)
	a.stale, a.retryAfter = r.Header.Get("Lepton-Stale") != "", r.Header.Get("Retry-After")
	if out != nil && a.status < 300 {
		a.err = r.Decode(out)
	}
	return a
}

// proper says what is wrong with an answer that refuses: it must have Neutron's
// form, and be one that clients come back after.
func (a answer) proper() error {
	var body struct {
		NeutronError struct{ Type, Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.NeutronError.Type == "" || body.NeutronError.Message == "" {
		return fmt.Errorf("%d without Neutron's error: %s", a.status, a.body)
	}
	if a.status != http.StatusServiceUnavailable || a.retryAfter == "" {
		return fmt.Errorf("%d with Retry-After %q: %s", a.status, a.retryAfter, a.body)
	}
	return nil
}

// heardSince waits until the hosts' agents were heard of again, to the second.
func (c *cluster) heardSince(since time.Time, hosts ...string) {
	c.Helper()
	c.Eventually("agents heard of", func() error {
		agents, err := c.Lab.API().Agents(c.Context())
		if err != nil {
			return err
		}
		for _, a := range agents {
			at, err := time.Parse(time.DateTime, a.HeartbeatAt)
			if err != nil {
				return err
			}
			if slices.Contains(hosts, a.Host) && !at.After(since) {
				return fmt.Errorf("%s was last heard of at %s", a.Host, a.HeartbeatAt)
			}
		}
		return nil
	})
}

// writes waits until a host's controller takes a write, and tells for how long.
func (c *cluster) writes(host string) time.Duration {
	c.Helper()
	began := time.Now()
	c.Eventually("the controller of "+host+" writes", func() error {
		a := c.ask(c.Context(), host, "POST", "/v2.0/address-scopes", map[string]any{"address_scope": map[string]any{"name": "probe", "ip_version": 4}}, nil)
		if a.status != http.StatusCreated {
			return fmt.Errorf("%d %s %v", a.status, strings.TrimSpace(a.body), a.err)
		}
		return nil
	})
	return time.Since(began)
}
