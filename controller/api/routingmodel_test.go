package api

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// routing is what the records of routers and floating addresses must hold
// together: every claim has its record, every record its claims, and everything
// that is translated has a router with an interface and a gateway in between.
type routing struct {
	fail func(string, ...any)
	r    records.Reader
	want map[string]string
}

func checkRouting(t interface{ Fatalf(string, ...any) }, c *cloud) {
	checkAddresses(t, c)
	err := c.db.Read(context.Background(), func(r records.Reader) error {
		k := &routing{fail: t.Fatalf, r: r, want: map[string]string{}}
		for router := range records.Routers.All(r) {
			k.router(router)
		}
		for f := range records.FloatingIPs.All(r) {
			k.floating(f)
		}
		for f := range records.PortForwardings.All(r) {
			k.forwarding(f)
		}
		k.ports()
		for _, prefix := range []string{"rif/", "nat/", "ruse/", "ext/"} {
			for key, owner := range r.ClaimsUnder(prefix) {
				if k.want[key] != owner {
					t.Fatalf("%s is claimed by %s; records say %q", key, owner, k.want[key])
				}
				delete(k.want, key)
			}
		}
		if len(k.want) > 0 {
			t.Fatalf("not claimed: %v", k.want)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func (k *routing) router(router *model.Router) {
	var ranges []netip.Prefix
	add := func(port *model.Port) {
		for _, f := range port.FixedIPs {
			s, _ := records.Subnets.Get(k.r, f.SubnetID)
			for _, other := range ranges {
				if other.Overlaps(s.CIDR) {
					k.fail("router %s is on %s and %s", router.ID, other, s.CIDR)
				}
			}
			ranges = append(ranges, s.CIDR)
		}
	}
	for port := range records.PortsByDevice.Get(k.r, router.ID) {
		switch port.DeviceOwner {
		case "network:router_interface":
			for _, f := range port.FixedIPs {
				k.want["rif/"+router.ID+"/"+f.SubnetID] = port.ID
			}
			add(port)
		case "network:router_gateway":
			if router.Gateway == nil || router.Gateway.PortID != port.ID || router.Gateway.NetworkID != port.NetworkID {
				k.fail("port %s is not the gateway of router %+v", port.ID, router)
			}
			add(port)
		default:
			k.fail("router %s has port %+v", router.ID, port)
		}
	}
	if router.Gateway != nil {
		if _, ok := records.Ports.Get(k.r, router.Gateway.PortID); !ok {
			k.fail("router %s has no gateway port", router.ID)
		}
	}
}

func (k *routing) floating(f *model.FloatingIP) {
	port, ok := records.Ports.Get(k.r, f.FloatingPortID)
	if !ok || port.NetworkID != f.FloatingNetworkID || port.DeviceID != f.ID || port.FixedIPs[0].IP != f.FloatingIP {
		k.fail("floating address %+v has port %+v", f, port)
	}
	forwardings := slices.Collect(records.ForwardingsByFloatingIP.Get(k.r, f.ID))
	if f.PortID == "" {
		if (f.RouterID != "") != (len(forwardings) > 0) || f.FixedIP.IsValid() {
			k.fail("floating address %+v stands for none, with %d forwardings", f, len(forwardings))
		}
		return
	}
	if len(forwardings) > 0 {
		k.fail("floating address %s is in use and has forwardings", f.ID)
	}
	k.want["nat/"+f.PortID+"/fip/"+f.FixedIP.String()+"/"+f.FloatingNetworkID] = f.ID
	k.translated(f.ID, f.FloatingNetworkID, f.RouterID, f.PortID, model.FixedIP{SubnetID: f.SubnetID, IP: f.FixedIP})
}

func (k *routing) forwarding(f *model.PortForwarding) {
	floating, ok := records.FloatingIPs.Get(k.r, f.FloatingIPID)
	if !ok || floating.RouterID != f.RouterID {
		k.fail("forwarding %+v is of %+v", f, floating)
	}
	for other := range records.ForwardingsByFloatingIP.Get(k.r, f.FloatingIPID) {
		if other.ID != f.ID && other.Protocol == f.Protocol && other.External.Overlaps(f.External) {
			k.fail("forwardings %+v and %+v collide", f, other)
		}
	}
	k.want["nat/"+f.PortID+"/pf/"+f.ID] = f.ID
	k.translated(f.ID, floating.FloatingNetworkID, f.RouterID, f.PortID, model.FixedIP{SubnetID: f.SubnetID, IP: f.InternalIP})
}

// translated checks the way from an external network to an address of a port.
func (k *routing) translated(id, external, router, port string, to model.FixedIP) {
	k.want["ruse/"+router+"/"+to.SubnetID+"/"+id] = id
	if p, ok := records.Ports.Get(k.r, port); !ok || !slices.Contains(p.FixedIPs, to) {
		k.fail("%s goes to %s of port %+v", id, to.IP, p)
	}
	if r, ok := records.Routers.Get(k.r, router); !ok || r.Gateway == nil || r.Gateway.NetworkID != external {
		k.fail("%s goes through router %+v", id, r)
	}
	if _, ok := k.r.Claimed("rif/" + router + "/" + to.SubnetID); !ok {
		k.fail("%s goes through router %s, which is not on its subnet", id, router)
	}
}

func (k *routing) ports() {
	for port := range records.Ports.All(k.r) {
		switch port.DeviceOwner {
		case "network:router_gateway", "network:floatingip":
			k.want["ext/"+port.NetworkID+"/"+port.ID] = port.ID
			if n, _ := records.Networks.Get(k.r, port.NetworkID); !n.External {
				k.fail("network %s of port %s is not external", n.ID, port.ID)
			}
		}
		router, floating := false, false
		if _, ok := records.Routers.Get(k.r, port.DeviceID); ok {
			router = true
		}
		if _, ok := records.FloatingIPs.Get(k.r, port.DeviceID); ok {
			floating = true
		}
		if strings.HasPrefix(port.DeviceOwner, "network:") && !router && !floating {
			k.fail("port %s of %s %s is left", port.ID, port.DeviceOwner, port.DeviceID)
		}
	}
}

// walker makes random requests about routers and what they lead to; many of
// them must fail.
type walker struct {
	c    *cloud
	pick func(n int) int
}

func (w *walker) some(path, key string) string {
	_, out, _ := w.c.call("GET", "/v2.0/"+path, nil)
	items, _ := out[key].([]any)
	if len(items) == 0 {
		return "00000000-0000-4000-8000-000000000000"
	}
	return id(items[w.pick(len(items))].(map[string]any))
}

func (w *walker) network(external bool) string {
	return w.some(fmt.Sprintf("networks?router:external=%t&fields=id", external), "networks")
}
func (w *walker) router() string   { return w.some("routers?fields=id", "routers") }
func (w *walker) subnet() string   { return w.some("subnets?fields=id", "subnets") }
func (w *walker) port() string     { return w.some("ports?fields=id", "ports") }
func (w *walker) guest() string    { return w.some("ports?fields=id&device_owner=", "ports") }
func (w *walker) floating() string { return w.some("floatingips?fields=id", "floatingips") }

// step makes one request and gives what came of it.
func (w *walker) step() (status int, what string, out map[string]any) {
	do := func(method, path, body string) (int, string, map[string]any) {
		var content any
		if body != "" {
			content = body
		}
		status, out, _ := w.c.call(method, "/v2.0/"+path, content)
		return status, method + " " + path + " " + body, out
	}
	gateway := func() string {
		if w.pick(3) == 0 {
			return `null`
		}
		return `{"network_id": "` + w.network(true) + `"}`
	}
	switch w.pick(16) {
	case 0:
		return do("POST", "routers", `{"router": {"external_gateway_info": `+gateway()+`}}`)
	case 1:
		return do("DELETE", "routers/"+w.router(), "")
	case 2:
		return do("PUT", "routers/"+w.router(), `{"router": {"external_gateway_info": `+gateway()+`}}`)
	case 3, 4:
		return do("PUT", "routers/"+w.router()+"/add_router_interface", `{"subnet_id": "`+w.subnet()+`"}`)
	case 5:
		return do("PUT", "routers/"+w.router()+"/add_router_interface", `{"port_id": "`+w.port()+`"}`)
	case 6:
		return do("PUT", "routers/"+w.router()+"/remove_router_interface", `{"subnet_id": "`+w.subnet()+`"}`)
	case 7:
		return do("POST", "ports", `{"port": {"network_id": "`+w.network(false)+`"}}`)
	case 8:
		return do("DELETE", "ports/"+w.port(), "")
	case 9:
		return do("PUT", "ports/"+w.port(), `{"port": {"fixed_ips": [{"subnet_id": "`+w.subnet()+`"}]}}`)
	case 10:
		return do("POST", "floatingips", `{"floatingip": {"floating_network_id": "`+w.network(true)+`", "port_id": "`+w.guest()+`"}}`)
	case 11:
		return do("POST", "floatingips", `{"floatingip": {"floating_network_id": "`+w.network(true)+`"}}`)
	case 12:
		return do("PUT", "floatingips/"+w.floating(), `{"floatingip": {"port_id": "`+w.guest()+`"}}`)
	case 13:
		return do("DELETE", "floatingips/"+w.floating(), "")
	case 14:
		floating := w.floating()
		if w.pick(3) == 0 {
			return do("DELETE", "floatingips/"+floating+"/port_forwardings/"+w.some("floatingips/"+floating+"/port_forwardings", "port_forwardings"), "")
		}
		return do("POST", "floatingips/"+floating+"/port_forwardings",
			fmt.Sprintf(`{"port_forwarding": {"protocol": "tcp", "external_port": %d, "internal_port": 80, "internal_port_id": %q}}`, 1+w.pick(3), w.guest()))
	}
	return do("PUT", "networks/"+w.network(true), `{"network": {"router:external": false}}`)
}

// plains makes two external networks and three internal ones.
func plains(c *cloud) {
	for i := range 2 {
		n := id(c.network(`{"router:external": true}`))
		c.subnet(n, fmt.Sprintf(`"ip_version": 4, "cidr": "203.0.113.%d/28"`, 16*i))
	}
	for i, cidr := range []string{"10.0.0.0/28", "10.0.1.0/28", "10.0.1.0/29"} {
		n := id(c.network(`{}`))
		c.subnet(n, `"ip_version": 4, "cidr": "`+cidr+`"`)
		c.subnet(n, fmt.Sprintf(`"ip_version": 6, "cidr": "2001:db8:%d::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"`, i))
	}
}

// TestAnySequenceOfRequestsLeavesRoutersConsistent checks after each of many
// random requests that nothing hangs in the air.
func TestAnySequenceOfRequestsLeavesRoutersConsistent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSite(t)
		plains(s.cloud)
		w := &walker{s.cloud, func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "choice") }}
		for range rapid.IntRange(1, 40).Draw(rt, "requests") {
			if status, what, out := w.step(); status >= 500 || refusedType(out) == "InUse" {
				rt.Fatalf("%s: %d %v", what, status, out)
			}
			checkRouting(rt, s.cloud)
		}
		s.empty()
	})
}

// TestConcurrentChangesOfRoutersKeepThemConsistent makes the same requests from
// many clients of two controllers.
func TestConcurrentChangesOfRoutersKeepThemConsistent(t *testing.T) {
	s := sharedStore(t)
	clouds := []*cloud{newCloudOn(t, s, unlimited), newCloudOn(t, s, unlimited)}
	plains(clouds[0])
	for range 3 {
		clouds[0].create("routers", "router", `{}`)
	}
	var mu sync.Mutex
	done := map[int]int{}
	var all sync.WaitGroup
	for client := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 11))
			w := &walker{clouds[client%2], random.IntN}
			for range 80 {
				status, what, out := w.step()
				if status >= 500 || refusedType(out) == "InUse" { // says what is in use
					t.Errorf("%s: %d %v", what, status, out)
				}
				mu.Lock()
				done[status]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	checkRouting(t, clouds[0])
	checkRouting(t, clouds[1])
	if done[200] == 0 || done[201] == 0 || done[204] == 0 || done[409] == 0 {
		t.Errorf("answers by status: %v", done)
	}
}
