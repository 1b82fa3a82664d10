package l3

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/model"
)

func TestLimitsComeChangeAndGo(t *testing.T) {
	c := newCloud(t)
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	qg := linkName(externalPrefix, extPort)
	tc := func() string {
		return c.inside("tc", "class", "show", "dev", qg) + c.inside("tc", "qdisc", "show") + c.inside("ip", "-br", "link")
	}
	shows := func(what string, words ...string) {
		t.Helper()
		c.await(what, func() bool {
			text := tc()
			for _, w := range words {
				if w, no := strings.CutPrefix(w, "!"); strings.Contains(text, w) == no {
					return false
				}
			}
			return true
		})
	}
	policy := func(id string, out, in int) {
		c.change(func(v *View) { v.policy(id, out, 0, in, 0) })
	}
	policy("gold", 3000, 4000)
	c.change(func(v *View) {
		c.router(v, func(r *model.Router) { r.Gateway.QoSPolicyID = "gold" })
		f := *v.FloatingIPs[floatingID]
		f.QoSPolicyID = "gold"
		v.FloatingIPs[floatingID] = &f
	})
	shows("two classes", "rate 3Mbit", "htb 1e:1 ", "ifb-", "ingress")
	if n := strings.Count(tc(), "rate 3Mbit"); n != 2 {
		t.Errorf("%d classes leave by %s:\n%s", n, qg, tc())
	}
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	c.seenAs(c.outside, "203.0.113.134:80", "203.0.113.1")
	policy("gold", 5000, 0) // the policy's rules change
	shows("the new limit", "rate 5Mbit", "!rate 3Mbit", "!ifb-", "!ingress")
	c.change(func(v *View) {
		c.router(v, func(r *model.Router) { r.Gateway.QoSPolicyID = "" })
		f := *v.FloatingIPs[floatingID]
		f.QoSPolicyID = ""
		v.FloatingIPs[floatingID] = &f
	})
	shows("no limit", "!htb")
}

func TestALimitThatTheKernelRefusesIsAProblemOfItsRouterOnly(t *testing.T) {
	c := newCloud(t)
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	c.inside("tc", "qdisc", "add", "dev", linkName(externalPrefix, extPort), "root", "handle", "77:", "tbf", "rate", "1gbit", "burst", "100k", "latency", "50ms")
	c.change(func(v *View) {
		v.policy("gold", 3000, 0, 0, 0)
		c.router(v, func(r *model.Router) { r.Gateway.QoSPolicyID = "gold" })
	})
	c.await("the problem", func() bool { return strings.Contains(c.problem(), "is somebody else's") })
	if s := c.con.state(model.ObjectRouter, c.id); s != model.ObjectError {
		t.Errorf("the router is %s", s)
	}
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147") // with the rules that were there
	c.change(func(v *View) { c.router(v, func(r *model.Router) { r.Gateway.QoSPolicyID = "" }) })
	c.await("the end of the problem", func() bool { return !strings.Contains(c.problem(), "somebody") })
}

func TestFloatingAddressesHaveClassesOfTheirOwn(t *testing.T) {
	in := Input{}
	for range 2000 {
		in.FloatingIPs = append(in.FloatingIPs, &model.FloatingIP{Meta: model.Meta{ID: uuid.NewString()}})
	}
	seen := map[uint16]string{}
	for id, n := range in.classNumbers() {
		if n <= gatewayClass || seen[n] != "" {
			t.Fatalf("%s has class 1e:%x, as %q", id, n, seen[n])
		}
		seen[n] = id
	}
}
