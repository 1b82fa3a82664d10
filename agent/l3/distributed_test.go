package l3

import (
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/linux/conntrack"
	"github.com/lepton-sdn/lepton/model"
)

const floatingPort = "0f000000-0000-4000-8000-000000000001"

// distribute makes the router of the reference a distributed one at home on a
// host.
func distribute(v *View, home string) {
	v.Routers[routerID].Distributed = true
	v.Bindings[routerID] = &model.RouterBinding{RouterID: routerID, Hosts: []model.RouterHost{{Host: home, Active: true}}}
	for _, id := range []string{vxPort, vx2Port} {
		v.Ports[id].DeviceOwner, v.Ports[id].Host = ownerDistributed, home
	}
}

// lendHere has the floating address of the reference translated on hv1.
func lendHere(v *View) {
	f := v.FloatingIPs[floatingID]
	f.Host, f.FloatingPortID = "hv1", floatingPort
	v.port(floatingPort, f.ID, extID, ownerFloating, "fa:16:3e:0f:0f:01", [2]string{extSubnet, "203.0.113.134"}).Host = "hv1"
}

// distributedScenarios are a distributed router where it is at home, where it is
// not, and where a floating address is translated.
func distributedScenarios() map[string]func(*View) {
	elsewhere := func(v *View) {
		v.floating("c0000000-0000-4000-8000-000000000002", routerID, "203.0.113.135", "10.10.0.229", vxSubnet).Host = "hv2"
	}
	return map[string]func(*View){
		"distributed-home": func(v *View) {
			distribute(v, "hv1")
			elsewhere(v)
		},
		"distributed-replica": func(v *View) {
			distribute(v, "net1")
			scenarios()["ipv6"](v)
			elsewhere(v)
			v.forward(1, floatingID, "tcp", model.PortRange{First: 22, Last: 22}, model.PortRange{First: 22, Last: 22}, "10.10.0.5", vxSubnet)
		},
		"distributed-floating": func(v *View) {
			distribute(v, "net1")
			scenarios()["scopes"](v)
			scenarios()["routes"](v)
			scenarios()["limits"](v)
			lendHere(v)
			elsewhere(v)
		},
		"distributed-homeless": func(v *View) {
			distribute(v, "")
			delete(v.Bindings, routerID)
		},
	}
}

func TestAReplicaDiffersFromItsHomeInTheWaysOutOnly(t *testing.T) {
	home := desired(t, func(v *View) { distribute(v, "hv1") })
	replica := desired(t, func(v *View) { distribute(v, "net1") })
	for i, l := range replica.Links.Links {
		if !strings.HasPrefix(l.Name, internalPrefix) || replica.Ports[i].ID == extPort {
			t.Errorf("the replica has %s", l.Name)
		}
		found := false
		for j, h := range home.Links.Links {
			if h.Name == l.Name {
				found = true
				if h.MAC.String() != l.MAC.String() || len(h.Addresses) != len(l.Addresses) || home.Ports[j] != replica.Ports[i] {
					t.Errorf("%s is %v at home, and %v here", l.Name, h, l)
				}
			}
		}
		if !found {
			t.Errorf("%s is not at home", l.Name)
		}
	}
	for _, r := range replica.Links.Routes {
		if r.Table == 0 {
			t.Errorf("in the main table of a replica: %s", r)
		}
	}
	central := desired(t, func(*View) {})
	if home.String() != central.String() {
		t.Error("at home a distributed router is another one than a router on one host")
	}
}

func TestAFloatingAddressIsTranslatedInOnePlace(t *testing.T) {
	has := func(n Namespace) bool { return strings.Contains(n.String(), "203.0.113.134") }
	for _, tt := range []struct {
		name       string
		home, host string // of the router, of the address
		want       bool
	}{
		{"at home", "hv1", "", true},
		{"of a router elsewhere", "net1", "", false},
		{"beside its port", "net1", "hv1", true},
		{"beside its port elsewhere", "net1", "hv2", false},
		{"beside its port, seen from home", "hv1", "hv2", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := desired(t, func(v *View) {
				distribute(v, tt.home)
				if lendHere(v); tt.host != "hv1" {
					delete(v.Ports, floatingPort)
				}
				v.FloatingIPs[floatingID].Host = tt.host
			})
			if has(n) != tt.want || len(n.Floating) > 0 != tt.want {
				t.Errorf("translated here: %v, reported: %v, want %v", has(n), n.Floating, tt.want)
			}
		})
	}
}

func TestConnectionsByTheHomeEndWhenAFloatingAddressComes(t *testing.T) {
	n := desired(t, func(v *View) {
		distribute(v, "net1")
		lendHere(v)
	}).NAT
	entry := func(from, to, replyFrom, replyTo string) conntrack.Entry {
		var e conntrack.Entry
		e.Original.Src, e.Original.Dst, e.Reply.Src, e.Reply.Dst = addr(from), addr(to), addr(replyFrom), addr(replyTo)
		return e
	}
	for _, tt := range []struct {
		name  string
		entry conntrack.Entry
		stays bool
	}{
		{"out, not translated", entry("10.10.0.228", "198.51.100.1", "198.51.100.1", "10.10.0.228"), false},
		{"out by the floating address", entry("10.10.0.228", "198.51.100.1", "198.51.100.1", "203.0.113.134"), true},
		{"in by the floating address", entry("198.51.100.1", "203.0.113.134", "10.10.0.228", "198.51.100.1"), true},
		{"to another subnet", entry("10.10.0.228", "10.20.0.9", "10.20.0.9", "10.10.0.228"), true},
		{"of a guest without one", entry("10.10.0.9", "198.51.100.1", "198.51.100.1", "10.10.0.9"), true},
	} {
		if got := n.Justifies(tt.entry); got != tt.stays {
			t.Errorf("%s: stays %v, want %v", tt.name, got, tt.stays)
		}
	}
}
