package api

import (
	"testing"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

func TestAFloatingAddressIsActiveWhenTheHostOfItsRouterSaysSo(t *testing.T) {
	s := behind(t)
	s.floating("fip", `, "port_id": "$guest"`)
	fip, router := s.names["fip"], s.names["router"]
	on := func(hosts ...string) {
		s.update(func(u *records.Update) error {
			b := &model.RouterBinding{RouterID: router}
			for _, h := range hosts {
				b.Hosts = append(b.Hosts, model.RouterHost{Host: h})
			}
			records.RouterBindings.Put(u, b)
			return nil
		})
	}
	say := func(host string, state model.ObjectState, late int64) {
		s.update(func(u *records.Update) error {
			f, _ := records.FloatingIPs.Get(u, fip)
			records.ObjectStatuses.Put(u, &model.ObjectStatus{
				Kind: model.ObjectFloatingIP, ID: fip, Host: host, State: state, Revision: f.Revision - late,
			})
			return nil
		})
	}
	expect := func(when, want string) {
		t.Helper()
		if got := s.do(200, "GET floatingips/$fip", "")["status"]; got != want {
			t.Errorf("%s: status %v, want %s", when, got, want)
		}
		if n := len(s.list("floatingips?status="+want, "floatingips")); n != 1 {
			t.Errorf("%s: %d floating addresses listed as %s", when, n, want)
		}
	}
	say("net1", model.ObjectActive, 0)
	expect("a host that does not have the router says so", "DOWN")
	on("net2", "net1")
	expect("its host says so", "ACTIVE")
	say("net1", model.ObjectActive, 1)
	expect("its host knows an older state of it", "DOWN")
	say("net2", model.ObjectError, 0)
	expect("one host cannot", "ERROR")
	say("net1", model.ObjectActive, 0)
	expect("one host can", "ACTIVE")
	s.do(204, "DELETE floatingips/$fip", "")
	s.update(func(u *records.Update) error {
		for st := range records.ObjectStatuses.All(u.Peek()) {
			t.Errorf("left: %+v", st)
		}
		return nil
	})
}

func TestARouterIsInErrorWhenItsHostSaysSo(t *testing.T) {
	s := behind(t)
	router := s.names["router"]
	say := func(host string, state model.ObjectState) {
		s.update(func(u *records.Update) error {
			records.RouterBindings.Put(u, &model.RouterBinding{RouterID: router, Hosts: []model.RouterHost{{Host: "net1"}}})
			records.ObjectStatuses.Put(u, &model.ObjectStatus{Kind: model.ObjectRouter, ID: router, Host: host, State: state})
			return nil
		})
	}
	expect := func(when, want string) {
		t.Helper()
		if got := s.do(200, "GET routers/$router", "")["status"]; got != want {
			t.Errorf("%s: status %v, want %s", when, got, want)
		}
	}
	expect("before it has a host", "ACTIVE")
	say("net2", model.ObjectError)
	expect("a host that does not have it cannot", "ACTIVE")
	say("net1", model.ObjectError)
	expect("its host cannot", "ERROR")
	say("net1", model.ObjectActive)
	expect("its host can", "ACTIVE")
}
