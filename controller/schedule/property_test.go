package schedule

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// checks is how many histories the property test tries: each has real time in
// it, because two schedulers run beside it.
const checks = "20"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", checks); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

// history is the state of a random history: what there is to do things to.
type history struct {
	*world
	networks, subnets, routers []string
}

func some(t *rapid.T, from []string) (string, bool) {
	if len(from) == 0 {
		return "", false
	}
	return rapid.SampledFrom(from).Draw(t, "which"), true
}

// begin makes a cloud with something on two hosts.
func (h *history) begin() {
	h.agent("net1")
	h.agent("net2")
	for range 2 {
		n := h.network()
		h.networks = append(h.networks, n)
		s := h.addSubnet(n)
		h.subnets = append(h.subnets, s)
		r := h.router()
		h.routers = append(h.routers, r)
		h.attach(r, s)
	}
	h.settle()
}

// step does one thing to the cloud; it gives the host that may lose what it has.
func (h *history) step(t *rapid.T) (lost string) {
	host := fmt.Sprintf("net%d", rapid.IntRange(1, 4).Draw(t, "host"))
	switch what := rapid.IntRange(0, 12).Draw(t, "what"); what {
	case 0, 1:
		if !h.known(host) {
			h.agent(host)
		} else if h.silent[host] {
			h.revive(host)
		}
	case 2:
		if h.known(host) {
			h.kill(host)
		}
		return host
	case 3:
		h.update(func(u *records.Update) error { records.Agents.Delete(u, "agent-"+host); return nil })
		return host
	case 4:
		up := rapid.Bool().Draw(t, "up")
		h.change(host, func(a *model.Agent) {
			a.RoleSettings = map[string]model.RoleSettings{"l3": {AdminStateUp: up}, "dhcp": {AdminStateUp: up}}
		})
	case 5:
		id := h.network()
		h.networks = append(h.networks, id)
		h.subnets = append(h.subnets, h.addSubnet(id))
	case 6:
		if id, ok := some(t, h.networks); ok {
			kind := func(*plugin.SubnetSpec) {}
			if rapid.Bool().Draw(t, "slaac") {
				kind = slaac
			}
			h.subnets = append(h.subnets, h.addSubnet(id, kind))
		}
	case 7:
		if id, ok := some(t, h.subnets); ok {
			on := rapid.Bool().Draw(t, "on")
			_ = h.try(func(u *records.Update) error { return h.toggle(u, id, on) }) // SLAAC cannot be without
		}
	case 8, 9:
		if id, ok := some(t, h.subnets); ok {
			r := h.router()
			h.routers = append(h.routers, r)
			_ = h.try(func(u *records.Update) error { // its gateway address may be taken
				_, err := h.rules.AddInterface(h.call, u, r, plugin.InterfaceSpec{SubnetID: id})
				return err
			})
		}
	case 10:
		if id, ok := some(t, h.routers); ok {
			h.empty(id)
			if rapid.Bool().Draw(t, "delete") {
				h.update(func(u *records.Update) error { return h.rules.DeleteRouter(u, id) })
				h.routers = slices.DeleteFunc(h.routers, func(o string) bool { return o == id })
			}
		}
	case 11:
		if id, ok := some(t, h.networks); ok {
			if h.try(func(u *records.Update) error { return h.rules.DeleteNetwork(u, id) }) == nil {
				h.networks = slices.DeleteFunc(h.networks, func(o string) bool { return o == id })
			}
		}
	case 12:
		if id, ok := some(t, h.subnets); ok {
			_ = h.try(func(u *records.Update) error { return h.rules.DeleteSubnet(u, id) }) // it may be in use
		}
	}
	return ""
}

func (h *history) known(host string) (ok bool) {
	h.read(func(r records.Reader) { ok = h.exists(r, host) })
	return ok
}

func (h *history) toggle(u *records.Update, id string, on bool) error {
	old, ok := records.Subnets.Get(u, id)
	if !ok {
		return nil
	}
	s := &plugin.SubnetSpec{Subnet: *old}
	s.EnableDHCP = on
	return h.rules.UpdateSubnet(h.call, u, old, s)
}

// empty takes a router off all its subnets.
func (h *history) empty(id string) {
	h.update(func(u *records.Update) error {
		for port := range records.PortsByDevice.Get(u, id) {
			if _, err := h.rules.RemoveInterface(plugin.Call{}, u, id, plugin.InterfaceSpec{PortID: port.ID}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Whatever happens to agents, routers and networks, with two controllers at
// once: at rest, all is where it should be (see world.check), and what had a host
// that is well has it still.
func TestAllIsOnLiveAgentsAtRestAndNothingMovesWithoutNeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		per := rapid.IntRange(1, 2).Draw(t, "agents of a network")
		h := &history{world: newWorld(t, func(c *plugin.Config) { c.DHCPAgentsPerNetwork = per })}
		defer h.run()()
		h.begin()
		for range rapid.IntRange(4, 14).Draw(t, "steps") {
			before := h.places()
			lost := h.step(t)
			h.settle()
			after := h.places()
			for what, hosts := range before {
				now, there := after[what]
				for _, host := range hosts {
					well := host != lost && !h.silent[host]
					if well && there && !slices.Contains(now, host) {
						t.Fatalf("%s left %s, which is well, for %v", what, host, now)
					}
				}
			}
		}
	})
}
