package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// checkHA says what is wrong with an ha router.
func (w *world) checkHA(r records.Reader, router *model.Router) error {
	_, enabled := w.live(r, "l3")
	b, _ := records.RouterBindings.Get(r, router.ID)
	var hosts, active []string
	priorities := map[int]bool{}
	if b != nil {
		for _, h := range b.Hosts {
			hosts = append(hosts, h.Host)
			priorities[h.Priority] = true
			if h.Active {
				active = append(active, h.Host)
			}
		}
	}
	slices.Sort(hosts)
	interfaces := 0
	watching := map[string]int{}
	for port := range records.PortsByDevice.Get(r, router.ID) {
		if port.DeviceOwner == plugin.OwnerRouterHA {
			watching[port.Host]++
			continue
		}
		interfaces++
		if len(active) == 1 && port.Host != active[0] || !slices.Equal(port.HAHosts, hosts) {
			return fmt.Errorf("port %s is on %q of %v, the router on %v, active on %v", port.ID, port.Host, port.HAHosts, hosts, active)
		}
	}
	if interfaces == 0 {
		return nil
	}
	if want := min(w.config.MaxL3AgentsPerRouter, len(enabled)); len(hosts) < want || len(hosts) > w.config.MaxL3AgentsPerRouter {
		return fmt.Errorf("is on %v, of %v", hosts, enabled)
	}
	if len(hosts) > 0 && len(active) != 1 || priorities[0] || len(priorities) != len(hosts) {
		return fmt.Errorf("is on %+v", b.Hosts)
	}
	for _, host := range hosts {
		if watching[host] != 1 {
			return fmt.Errorf("ports that watch are on %v, the router on %v", watching, hosts)
		}
	}
	if len(watching) != len(hosts) {
		return fmt.Errorf("ports that watch are on %v, the router on %v", watching, hosts)
	}
	return nil
}

// says has a host say what its part in a router is.
func (w *world) says(host, router string, state model.ObjectState, revision int64) {
	w.t.Helper()
	w.update(func(u *records.Update) error {
		records.ObjectStatuses.Put(u, &model.ObjectStatus{Kind: model.ObjectRouterHA, ID: router, Host: host, State: state, Revision: revision})
		return nil
	})
}

func (w *world) binding(router string) (b model.RouterBinding) {
	w.t.Helper()
	w.read(func(r records.Reader) {
		if found, ok := records.RouterBindings.Get(r, router); ok {
			b = *found
		}
	})
	return b
}

func active(b model.RouterBinding) string {
	for _, h := range b.Hosts {
		if h.Active {
			return h.Host
		}
	}
	return ""
}

func standby(b model.RouterBinding) string {
	for _, h := range b.Hosts {
		if !h.Active {
			return h.Host
		}
	}
	return ""
}

// until waits for something of the binding.
func (w *world) until(router, what string, holds func(model.RouterBinding) bool) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if holds(w.binding(router)) {
			return
		}
	}
	w.t.Fatalf("not %s: %+v", what, w.binding(router))
}

func haRouter(s *plugin.RouterSpec) { s.HA = true }

// haWorld has an ha router on two hosts.
func haWorld(t *testing.T) (w *world, router string) {
	w = newWorld(t, func(c *plugin.Config) { c.MaxL3AgentsPerRouter = 2 })
	w.call.Given["ha"] = true
	t.Cleanup(w.run())
	w.agent("net1")
	w.agent("net2")
	router = w.router(haRouter)
	w.attach(router, w.addSubnet(w.network()))
	w.settle()
	return w, router
}

func TestAnHARouterIsOnAsManyHostsAsItShouldBe(t *testing.T) {
	w := newWorld(t)
	defer w.run()()
	w.call.Given["ha"] = true
	for i := range 5 {
		w.agent(fmt.Sprintf("net%d", i))
	}
	r := w.router(haRouter)
	w.attach(r, w.addSubnet(w.network()))
	w.settle()
	if b := w.binding(r); len(b.Hosts) != 3 {
		t.Errorf("on %+v", b.Hosts)
	}
	before := active(w.binding(r))
	w.kill(standby(w.binding(r)))
	w.settle()
	if b := w.binding(r); len(b.Hosts) != 3 || active(b) != before {
		t.Errorf("after a host died: %+v, active before on %s", b.Hosts, before)
	}
}

func TestAHostThatClaimsIsDeniedWhenTheActiveOneAnswers(t *testing.T) {
	w, r := haWorld(t)
	one, two := active(w.binding(r)), standby(w.binding(r))
	w.says(one, r, model.ObjectActive, 0)
	w.says(two, r, model.ObjectClaims, 77)
	w.until(r, "challenged", func(b model.RouterBinding) bool {
		return b.Challenge != nil && *b.Challenge == model.RouterChallenge{Host: two, Number: 77}
	})
	w.says(one, r, model.ObjectActive, 77)
	w.until(r, "denied", func(b model.RouterBinding) bool {
		return b.Challenge == nil && slices.ContainsFunc(b.Hosts, func(h model.RouterHost) bool { return h.Host == two && h.Denied == 77 })
	})
	time.Sleep(2 * plugin.AnswerTime)
	if b := w.binding(r); active(b) != one {
		t.Errorf("active is %s: %+v", active(b), b)
	}
	// The next claim is another one, and nobody answers it.
	began := time.Now()
	w.says(two, r, model.ObjectClaims, 78)
	w.until(r, "given to the other host", func(b model.RouterBinding) bool { return active(b) == two })
	if took := time.Since(began); took < plugin.AnswerTime {
		t.Errorf("the active host had only %s to answer", took)
	}
	w.settle()
}

func TestAHostThatClaimsGetsWhatTheActiveOneGivesUp(t *testing.T) {
	w, r := haWorld(t)
	one, two := active(w.binding(r)), standby(w.binding(r))
	w.says(one, r, model.ObjectStandby, 0)
	began := time.Now()
	w.says(two, r, model.ObjectClaims, 1)
	w.until(r, "given to the other host", func(b model.RouterBinding) bool { return active(b) == two })
	if took := time.Since(began); took > plugin.AnswerTime/2 {
		t.Errorf("took %s", took)
	}
	w.settle()
}

func TestTheLastGrantStandsAboveThoseOfHostsThatMayNotHaveHeard(t *testing.T) {
	w, r := haWorld(t)
	grant := func(host string) func(model.RouterBinding) int {
		return func(b model.RouterBinding) int {
			i := slices.IndexFunc(b.Hosts, func(h model.RouterHost) bool { return h.Host == host })
			return b.Hosts[i].Grant
		}
	}
	one, two := active(w.binding(r)), standby(w.binding(r))
	ofOne, ofTwo := grant(one), grant(two)
	w.says(one, r, model.ObjectActive, 0)
	w.says(two, r, model.ObjectStandby, 0)
	for claim := range int64(4) {
		w.says(two, r, model.ObjectClaims, claim+1)
		w.until(r, "given to the other host, above the first", func(b model.RouterBinding) bool {
			return active(b) == two && ofTwo(b) > max(ofOne(b), 1) && ofOne(b) > 0
		})
		w.says(two, r, model.ObjectActive, 0)
		w.settle()
		if b := w.binding(r); ofTwo(b) <= ofOne(b) {
			t.Errorf("while %s has said nothing: %+v", one, b.Hosts)
		}
		w.says(one, r, model.ObjectStandby, 0)
		w.until(r, "as if nobody else had ever had it", func(b model.RouterBinding) bool {
			return active(b) == two && ofTwo(b) == 1 && ofOne(b) == 0
		})
		one, two, ofOne, ofTwo = two, one, ofTwo, ofOne
	}
}

func TestARouterIsMadeHAAndBackWhileItIsOff(t *testing.T) {
	w := newWorld(t)
	defer w.run()()
	w.agent("net1")
	w.agent("net2")
	r := w.router(func(s *plugin.RouterSpec) { s.AdminStateUp = true })
	w.attach(r, w.addSubnet(w.network()))
	w.settle()
	change := func(f func(*plugin.RouterSpec)) error {
		return w.try(func(u *records.Update) error {
			before, _ := records.Routers.Get(u, r)
			s := &plugin.RouterSpec{Router: *before}
			f(s)
			return w.rules.UpdateRouter(w.call, u, before, s)
		})
	}
	if err := change(haRouter); err == nil || !strings.Contains(err.Error(), "admin_state_up") {
		t.Errorf("while it is on: %v", err)
	}
	for _, ha := range []bool{true, false, true} {
		if err := change(func(s *plugin.RouterSpec) { s.AdminStateUp = false }); err != nil {
			t.Fatal(err)
		}
		if err := change(func(s *plugin.RouterSpec) { s.HA, s.AdminStateUp = ha, true }); err != nil {
			t.Fatal(err)
		}
		w.settle()
		hosts, networks := len(w.binding(r).Hosts), 0
		w.read(func(r records.Reader) {
			for n := range records.Networks.All(r) {
				if strings.HasPrefix(n.Name, "HA network tenant ") {
					networks++
				}
			}
		})
		if want := map[bool]int{true: 2, false: 1}[ha]; hosts != want || networks != want-1 {
			t.Errorf("ha %v: on %d hosts, %d networks", ha, hosts, networks)
		}
	}
}
