package l3

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/model"
)

// VLAN tags of the networks.
const (
	tagVX = iota + 1
	tagVX2
	tagExt
)

// cloud is the reference's router with ids of its own, two guests on one
// network, a third on the other, and a machine outside.
type cloud struct {
	*host
	id                  string
	h1, h2, h3, outside string // h2 has the floating address
}

func newCloud(t *testing.T) *cloud {
	h := newHost(t)
	c := &cloud{host: h, id: uuid.NewString()}
	h.view = reference()
	c.own(c.id)
	h.db.tags[linkName(internalPrefix, vxPort)] = tagVX
	h.db.tags[linkName(internalPrefix, vx2Port)] = tagVX2
	h.db.tags[linkName(externalPrefix, extPort)] = tagExt
	c.h1 = h.guest(tagVX, "10.10.0.1", "10.10.0.173/24")
	c.h2 = h.guest(tagVX, "10.10.0.1", "10.10.0.228/24")
	c.h3 = h.guest(tagVX2, "10.20.0.1", "10.20.0.104/24")
	c.outside = h.guest(tagExt, "", "203.0.113.1/24")
	for _, ns := range []string{c.h1, c.h2, c.h3, c.outside} {
		h.serve(ns, 80)
	}
	return c
}

// own gives the router of the view another id: tests share the machine.
func (c *cloud) own(id string) {
	v := c.view
	r := *v.Routers[routerID]
	r.ID = id
	delete(v.Routers, routerID)
	v.Routers[id] = &r
	for _, p := range v.Ports {
		if p.DeviceID == routerID {
			p.DeviceID = id
		}
	}
	for _, f := range v.FloatingIPs {
		f.RouterID = id
	}
}

// router changes the router's record.
func (c *cloud) router(v *View, f func(*model.Router)) {
	r := *v.Routers[c.id]
	g := *r.Gateway
	r.Gateway = &g
	f(&r)
	v.Routers[c.id] = &r
}

// inside runs a command in the router's namespace.
func (c *cloud) inside(args ...string) string {
	c.t.Helper()
	return linuxtest.Run(c.t, kind.Prefix+c.id, args...)
}

func TestARouterTranslatesAsTheReferenceDoes(t *testing.T) {
	c := newCloud(t)
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")      // SNAT
	c.seenAs(c.h2, "203.0.113.1:80", "203.0.113.134")      // by its floating address
	c.seenAs(c.outside, "203.0.113.134:80", "203.0.113.1") // to a floating address
	c.seenAs(c.h1, "10.20.0.104:80", "10.10.0.173")        // between subnets
	c.seenAs(c.h3, "203.0.113.134:80", "203.0.113.147")    // hairpin
	c.seenAs(c.h1, "203.0.113.134:80", "203.0.113.147")    // hairpin within a network
	c.seenAs(c.h2, "203.0.113.134:80", "203.0.113.134")    // itself
	c.refused(c.outside, "203.0.113.147:80")
	c.await("reports", func() bool {
		return c.con.state(model.ObjectRouter, c.id) == model.ObjectActive && c.con.state(model.ObjectFloatingIP, floatingID) == model.ObjectActive
	})
	c.await("an acknowledgement", func() bool { c.con.mu.Lock(); defer c.con.mu.Unlock(); return c.con.acked == c.con.revision })

	// The other guest gets the floating address; connections by the old way end.
	held, _, err := dial(c.outside, "203.0.113.134:80")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	c.change(func(v *View) {
		f := *v.FloatingIPs[floatingID]
		f.FixedIP = netip.MustParseAddr("10.10.0.173")
		v.FloatingIPs[floatingID] = &f
	})
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.134")
	c.seenAs(c.h2, "203.0.113.1:80", "203.0.113.147")
	c.await("the old connection to be forgotten", func() bool {
		return !strings.Contains(c.inside("conntrack", "-L", "-r", "10.10.0.228"), "dst=203.0.113.134")
	})
	// It goes.
	c.change(func(v *View) { delete(v.FloatingIPs, floatingID) })
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	c.await("the address to go", func() bool { return !strings.Contains(c.inside("ip", "addr"), "203.0.113.134") })
	c.refused(c.outside, "203.0.113.134:80")
}

func TestPortsAreForwarded(t *testing.T) {
	c := newCloud(t)
	const shared = "c0000000-0000-4000-8000-000000000001"
	c.view.floating(shared, c.id, "203.0.113.140", "", "")
	c.view.forward(1, shared, "tcp", model.PortRange{First: 8080, Last: 8080}, model.PortRange{First: 80, Last: 80}, "10.10.0.173", vxSubnet)
	c.view.forward(2, shared, "tcp", model.PortRange{First: 8000, Last: 8002}, model.PortRange{First: 79, Last: 81}, "10.20.0.104", vx2Subnet)
	c.start()
	c.begin()
	c.seenAs(c.outside, "203.0.113.140:8080", "203.0.113.1")
	c.seenAs(c.outside, "203.0.113.140:8001", "203.0.113.1")
	c.seenAs(c.h3, "203.0.113.140:8080", "203.0.113.147")
	c.seenAs(c.h1, "203.0.113.140:8080", "203.0.113.147")
	c.refused(c.outside, "203.0.113.140:80")
	c.change(func(v *View) { clear(v.Forwardings) })
	c.await("the forwardings to go", func() bool { return !strings.Contains(c.inside("iptables-save"), "10.20.0.104") })
	c.refused(c.outside, "203.0.113.140:8080")
}

func TestWithoutSNATAddressesStay(t *testing.T) {
	c := newCloud(t)
	c.router(c.view, func(r *model.Router) { r.Gateway.EnableSNAT = false })
	linuxtest.Run(t, c.outside, "ip", "route", "add", "10.0.0.0/8", "via", "203.0.113.147")
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "10.10.0.173")
	c.seenAs(c.h2, "203.0.113.1:80", "203.0.113.134")
	c.change(func(v *View) { c.router(v, func(r *model.Router) { r.Gateway.EnableSNAT = true }) })
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
}

func TestAddressScopesSeparateWhatIsNotTranslated(t *testing.T) {
	c := newCloud(t)
	v := c.view
	for _, p := range []string{"p1", "p2"} {
		v.Pools[p] = &model.SubnetPool{Meta: model.Meta{ID: p}, AddressScopeID: "5c000000-0000-4000-8000-00000000000" + p[1:]}
	}
	v.Subnets[vxSubnet].SubnetPoolID, v.Subnets[vx2Subnet].SubnetPoolID, v.Subnets[extSubnet].SubnetPoolID = "p1", "p2", "p2"
	linuxtest.Run(t, c.outside, "ip", "route", "add", "10.0.0.0/8", "via", "203.0.113.147")
	c.start()
	c.begin()
	c.seenAs(c.h3, "203.0.113.1:80", "10.20.0.104")        // the same scope: no NAT
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")      // another one: SNAT
	c.seenAs(c.outside, "203.0.113.134:80", "203.0.113.1") // a floating address crosses
	c.seenAs(c.h2, "203.0.113.1:80", "203.0.113.134")
	c.seenAs(c.outside, "10.20.0.104:80", "203.0.113.1")
	c.refused(c.h1, "10.20.0.104:80")
	c.refused(c.outside, "10.10.0.173:80")
}

func TestIPv6IsRoutedAndAdvertised(t *testing.T) {
	c := newCloud(t)
	v := c.view
	in := v.subnet("60000000-0000-4000-8000-000000000001", vxID, "fd00:10::/64", "fd00:10::1")
	in.IPv6RAMode, in.IPv6AddressMode = slaac, slaac
	out := v.subnet("60000000-0000-4000-8000-000000000009", extID, "2001:db8:1::/64", "2001:db8:1::1")
	v.Ports[vxPort].FixedIPs = append(v.Ports[vxPort].FixedIPs, model.FixedIP{SubnetID: in.ID, IP: in.Gateway})
	v.Ports[extPort].FixedIPs = append(v.Ports[extPort].FixedIPs, model.FixedIP{SubnetID: out.ID, IP: addr("2001:db8:1::7")})
	link := "g" + c.outside[3:]
	linuxtest.Run(t, c.outside, "ip", "addr", "add", "2001:db8:1::1/64", "dev", link, "nodad")
	linuxtest.Run(t, c.outside, "ip", "route", "add", "fd00:10::/64", "via", "2001:db8:1::7")
	c.start()
	c.begin()
	var own string
	c.await("an address by autoconfiguration", func() bool {
		for _, f := range strings.Fields(linuxtest.Run(t, c.h1, "ip", "-6", "-o", "addr", "show", "scope", "global", "-tentative")) {
			if p, err := netip.ParsePrefix(f); err == nil && in.CIDR.Contains(p.Addr()) {
				own = p.Addr().String()
			}
		}
		return own != ""
	})
	c.seenAs(c.h1, "[2001:db8:1::1]:80", own)
	// radvd goes with the mode.
	c.change(func(v *View) {
		s := *v.Subnets[in.ID]
		s.IPv6RAMode, s.IPv6AddressMode = "", ""
		v.Subnets[in.ID] = &s
	})
	c.await("radvd to stop", func() bool {
		_, err := os.Stat(c.runDir + "/children/" + radvdName(c.id) + ".json")
		return os.IsNotExist(err)
	})
	// It took leave as a router: who knows better still gets through.
	linuxtest.Run(t, c.h1, "ip", "-6", "route", "replace", "default", "via", "fd00:10::1")
	c.seenAs(c.h1, "[2001:db8:1::1]:80", own)
}

func TestARestartOnAnUnchangedHostWritesNothing(t *testing.T) {
	c := newCloud(t)
	v := c.view
	in := v.subnet("60000000-0000-4000-8000-000000000001", vxID, "fd00:10::/64", "fd00:10::1")
	in.IPv6RAMode = slaac
	v.Ports[vxPort].FixedIPs = append(v.Ports[vxPort].FixedIPs, model.FixedIP{SubnetID: in.ID, IP: in.Gateway})
	v.policy("11", 50000, 0, 50000, 800)
	c.router(v, func(r *model.Router) { r.Gateway.QoSPolicyID = "11" })
	v.FloatingIPs[floatingID].QoSPolicyID = "11"
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	held, _, err := dial(c.outside, "203.0.113.134:80")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	pid := func() string {
		b, _ := os.ReadFile(c.runDir + "/children/" + radvdName(c.id) + ".json")
		return string(b)
	}
	c.await("radvd", func() bool { return strings.Contains(pid(), `"pid":`) && !strings.Contains(pid(), `"pid":0`) })
	before, written := pid(), c.db.writes
	rules := func() string { return c.inside("iptables-save") }
	was := rules()

	c.stop()
	monitor := c.monitor()
	c.start()
	c.begin()
	time.Sleep(700 * time.Millisecond) // a job takes a tenth of it
	if got := monitor(); got != "" {
		t.Errorf("written to the namespace:\n%s", got)
	}
	if c.db.writes != written {
		t.Errorf("%d writes to the database", c.db.writes-written)
	}
	if now := pid(); now != before {
		t.Errorf("radvd was %s, is %s", before, now)
	}
	if strip(rules()) != strip(was) {
		t.Errorf("rules have become\n%s", rules())
	}
	if _, err := fmt.Fprintln(held, "still there"); err != nil {
		t.Error(err)
	}
	var word string
	_ = held.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := fmt.Fscan(held, &word); err != nil || word != "still" {
		t.Errorf("a connection has gone: %q, %v", word, err)
	}
}

// strip takes counters and times out of the output of iptables-save.
func strip(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "#") {
			line, _, _ = strings.Cut(line, "[")
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out, "\n")
}

// monitor watches what is written to the router's namespace: links, addresses,
// routes, rules and limits. Its answer ends it.
func (c *cloud) monitor() func() string {
	c.t.Helper()
	ns, dir := kind.Prefix+c.id, c.t.TempDir()
	script := fmt.Sprintf(`timeout 20 ip monitor link address route >%s/ip & p=$!; timeout 20 nft monitor >%s/nft 2>/dev/null & q=$!; timeout 20 tc monitor >%s/tc & r=$!; read x; kill $p $q $r; wait`, dir, dir, dir)
	in, w, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = linuxtest.RunInput(ns, in, "sh", "-c", script)
	}()
	time.Sleep(200 * time.Millisecond)
	return func() string {
		w.Close()
		<-done
		in.Close()
		var out string
		for _, f := range []string{"ip", "nft", "tc"} {
			b, _ := os.ReadFile(dir + "/" + f)
			out += string(b)
		}
		return out
	}
}

func TestARouterThatWentWhileNoAgentRanIsRemoved(t *testing.T) {
	c := newCloud(t)
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	c.stop()
	foreign := linuxtest.Namespace(t)
	c.start()
	// Nothing is removed before the records are complete.
	c.send(func(v *View) {}, false, NewView("hv1"))
	time.Sleep(100 * time.Millisecond)
	if len(c.namespaces()) != 1 {
		t.Fatal("removed on incomplete input")
	}
	c.send(func(v *View) {}, true, NewView("hv1"))
	c.await("the namespace to go", func() bool { return len(c.namespaces()) == 0 })
	c.await("its ports to go", func() bool { return !strings.Contains(c.sw.Vsctl("list-ports", "br-int"), "q") })
	if _, err := os.Stat("/run/netns/" + foreign); err != nil {
		t.Error("a foreign namespace went too")
	}
}

func TestLinksThatOpenVSwitchMadeAnewAreTakenAgain(t *testing.T) {
	c := newCloud(t)
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	c.sw.StopDaemon()
	c.sw.StartDaemon()
	c.sw.AddFlows("br-int", "priority=0,actions=NORMAL\n")
	c.await("the links", func() bool {
		return strings.Contains(c.inside("ip", "-o", "addr"), "203.0.113.134") && !strings.Contains(linuxtest.Run(t, c.ns, "ip", "-o", "link"), "qr-")
	})
	// The guests' own links went with the daemon; the router's are alive.
	outside := c.guest(tagExt, "", "203.0.113.2/24")
	if out := linuxtest.Run(t, outside, "ping", "-c", "1", "-W", "5", "203.0.113.147"); !strings.Contains(out, "1 received") {
		t.Error(out)
	}
}

func TestARouterThatWentAndCameBackAtOnceTranslates(t *testing.T) {
	c := newCloud(t)
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	for i := range 10 {
		c.change(func(v *View) { v.state(c.id, false) })
		time.Sleep(time.Duration(i) * 10 * time.Millisecond)
		c.change(func(v *View) { v.state(c.id, true) })
		c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	}
}

func TestARouterThatCouldNotBeRemovedTranslatesWhenItComesBack(t *testing.T) {
	c := newCloud(t)
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	c.db.keep(true)
	c.change(func(v *View) { v.state(c.id, false) })
	c.await("the removal to fail", func() bool { return strings.Contains(c.problem(), "keeps its ports") })
	c.db.keep(false)
	c.change(func(v *View) { v.state(c.id, true) })
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	c.await("the problem to end", func() bool { return !strings.Contains(c.problem(), "router") })
}

func TestAnotherControllerHearsThatARouterIsBroken(t *testing.T) {
	c := newCloud(t)
	c.start()
	c.begin()
	c.await("the router", func() bool { return c.con.state(model.ObjectRouter, c.id) == model.ObjectActive })
	c.change(func(v *View) {
		v.Helpers["x"] = &model.ConntrackHelper{Meta: model.Meta{ID: "x"}, RouterID: c.id, Protocol: "tcp", Port: 21, Helper: "nonesuch"}
	})
	c.await("the problem", func() bool { return c.con.state(model.ObjectRouter, c.id) == model.ObjectError })
	c.con.mu.Lock()
	clear(c.con.states)
	c.con.mu.Unlock()
	c.begin()
	c.await("word of the router", func() bool { return c.con.state(model.ObjectRouter, c.id) != "" })
	if s := c.con.state(model.ObjectRouter, c.id); s != model.ObjectError {
		t.Errorf("the first that another controller hears of a broken router is that it is %s", s)
	}
}

func TestARouterWhoseNamespaceSomebodyDeletedIsMadeAnew(t *testing.T) {
	c := newCloud(t)
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	if out, err := linuxtest.Local("ip", "netns", "del", c.namespaces()[0]); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c.change(func(v *View) { delete(v.FloatingIPs, floatingID) })
	c.seenAs(c.h2, "203.0.113.1:80", "203.0.113.147")
}

// state sets the router's admin_state_up.
func (v *View) state(router string, up bool) {
	r := *v.Routers[router]
	r.AdminStateUp = up
	v.Routers[router] = &r
}

// TestARouterKeepsItsNamespaceWhenAnotherAgentLetsGoOfTheName is a router that
// comes from a host on the same machine.
func TestARouterKeepsItsNamespaceWhenAnotherAgentLetsGoOfTheName(t *testing.T) {
	c := newCloud(t)
	shorter := kind.Prefix + c.id
	if _, err := netns.Ensure(shorter, "another agent"); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	if err := netns.Delete(shorter, "another agent"); err != nil {
		t.Fatal(err)
	}
	c.change(func(v *View) { delete(v.FloatingIPs, floatingID) })
	c.seenAs(c.h2, "203.0.113.1:80", "203.0.113.147")
	if got := c.namespaces(); !slices.Equal(got, []string{shorter + "-hv1"}) {
		t.Errorf("namespaces %q", got)
	}
}

func TestOneRouterThatCannotBeRealisedDoesNotDelayAnother(t *testing.T) {
	c := newCloud(t)
	// Its helper is none that a kernel has, and a port's name is a bridge's.
	bad := uuid.NewString()
	v := c.view
	v.Routers[bad] = &model.Router{Meta: model.Meta{ID: bad}, AdminStateUp: true}
	v.port(bad, bad, vxID, ownerInterface, "fa:16:3e:00:00:09", [2]string{vxSubnet, "10.10.0.9"})
	v.Helpers["x"] = &model.ConntrackHelper{Meta: model.Meta{ID: "x"}, RouterID: bad, Protocol: "tcp", Port: 21, Helper: "nonesuch"}
	c.sw.AddBridge(linkName(internalPrefix, bad))
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	c.await("the problem", func() bool { return strings.Contains(c.problem(), bad) })
	if strings.Contains(c.problem(), c.id) {
		t.Error(c.problem())
	}
}

func TestAHelperThatTheKernelLacksIsTheOnlyThingMissing(t *testing.T) {
	c := newCloud(t)
	c.view.Helpers["x"] = &model.ConntrackHelper{Meta: model.Meta{ID: "x"}, RouterID: c.id, Protocol: "tcp", Port: 21, Helper: "nonesuch"}
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	c.await("the problem", func() bool { return strings.Contains(c.problem(), "nonesuch") })
	c.change(func(v *View) { clear(v.Helpers) })
	c.await("the problem to end", func() bool { return !strings.Contains(c.problem(), "router") })
}
