package schedule

import (
	"fmt"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// routing makes an agent one that routes for its own host.
func routing(a *model.Agent) {
	a.Roles, a.BridgeMappings = []string{"l2", "dvr"}, map[string]string{"public": "br-ex"}
}

func external(a *model.Agent) { a.BridgeMappings = map[string]string{"public": "br-ex"} }

// floatingWorld has a distributed router with a gateway, and a guest on hv1
// behind it, for which a floating address stands.
func (w *world) floatingWorld() (router, port, floating string) {
	w.t.Helper()
	w.agent("net1", external)
	w.agent("hv1", routing)
	w.agent("hv2", routing)
	ext := w.network(func(s *plugin.NetworkSpec) {
		s.External, s.Provider = true, plugin.SegmentSpec{Type: "flat", PhysicalNetwork: "public"}
	})
	w.addSubnet(ext, func(s *plugin.SubnetSpec) { s.EnableDHCP = false })
	router = w.router(func(s *plugin.RouterSpec) {
		s.Distributed, s.GatewayInfo = true, &plugin.GatewaySpec{NetworkID: ext}
	})
	n := w.network()
	w.attach(router, w.addSubnet(n))
	w.settle()
	w.update(func(u *records.Update) (err error) {
		s := &plugin.PortSpec{}
		s.NetworkID, s.ProjectID, s.AdminStateUp, s.Host, s.VNICType = n, "p1", true, "hv1", "normal"
		if port, err = w.rules.CreatePort(w.call, u, s); err != nil {
			return err
		}
		f := &plugin.FloatingIPSpec{WantPort: port}
		f.ProjectID, f.FloatingNetworkID = "p1", ext
		call := w.call
		call.Given = map[string]bool{"port_id": true}
		floating, err = w.rules.CreateFloatingIP(call, u, f)
		return err
	})
	return router, port, floating
}

// translatedOn waits until the floating address is translated on the host, and
// the port that keeps it is there.
func (w *world) translatedOn(floating, host string) {
	w.t.Helper()
	var f *model.FloatingIP
	var keeper *model.Port
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		w.read(func(r records.Reader) {
			f, _ = records.FloatingIPs.Get(r, floating)
			keeper, _ = records.Ports.Get(r, f.FloatingPortID)
		})
		if f.Host == host && keeper.Host == host {
			return
		}
	}
	w.t.Fatalf("the address is translated on %q, kept on %q, want %q", f.Host, keeper.Host, host)
}

func (w *world) movePort(id, host string) {
	w.t.Helper()
	w.update(func(u *records.Update) error {
		before, _ := records.Ports.Get(u, id)
		port := *before
		port.Host = host
		if host == "" {
			port.VIFType = plugin.VIFUnbound
		}
		records.Ports.Put(u, &port)
		return nil
	})
}

func TestFloatingAddressesOfDistributedRoutersFollowTheirPorts(t *testing.T) {
	w := newWorld(t)
	defer w.run()()
	router, port, floating := w.floatingWorld()
	w.translatedOn(floating, "hv1")
	w.movePort(port, "hv2")
	w.translatedOn(floating, "hv2")
	w.movePort(port, "net1") // the router's home
	w.translatedOn(floating, "")
	w.movePort(port, "hv1")
	w.translatedOn(floating, "hv1")
	// The host leaves the external network, and returns to it.
	w.change("hv1", func(a *model.Agent) { a.BridgeMappings = nil })
	w.translatedOn(floating, "")
	w.change("hv1", routing)
	w.translatedOn(floating, "hv1")
	// An agent that dies keeps what it has: its data plane may go on.
	w.kill("hv1")
	w.settle()
	w.translatedOn(floating, "hv1")
	if got := w.hostsOf("router/" + router); got != "[net1]" {
		t.Errorf("the router is at home on %s", got)
	}
	w.movePort(port, "")
	w.translatedOn(floating, "")
}

func TestADistributedRouterIsAtHomeOnOneHostThatKeepsRouters(t *testing.T) {
	w := newWorld(t)
	defer w.run()()
	w.agent("hv1", routing)
	w.agent("hv2", routing)
	r := w.router(func(s *plugin.RouterSpec) { s.Distributed = true })
	w.attach(r, w.addSubnet(w.network()))
	w.settle()
	if got := w.hostsOf("router/" + r); got != "[]" {
		t.Errorf("hosts that keep no routers have it: %s", got)
	}
	w.agent("net1")
	w.agent("net2")
	w.settle()
	home := w.hostsOf("router/" + r)
	if home != "[net1]" && home != "[net2]" {
		t.Fatalf("at home on %s", home)
	}
	dead := home[1 : len(home)-1]
	w.kill(dead)
	w.settle()
	if got := w.hostsOf("router/" + r); got == home || got == "[]" {
		t.Errorf("at home on %s after %s has died", got, fmt.Sprint(dead))
	}
}
