package l3

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/model"
)

// TestWhatTheKernelRefusesLeavesTheWorkingRulesInPlace sends records that no
// controller would: what the kernel makes of them is to be seen.
func TestWhatTheKernelRefusesLeavesTheWorkingRulesInPlace(t *testing.T) {
	ssh := model.PortRange{First: 22, Last: 22}
	for name, tc := range map[string]struct {
		spoil   func(*cloud, *View)
		problem string
		mend    func(*cloud, *View)
	}{
		"a rule": {
			func(c *cloud, v *View) { v.forward(1, floatingID, "nonsense", ssh, ssh, "10.10.0.173", vxSubnet) },
			"nonsense",
			func(_ *cloud, v *View) { clear(v.Forwardings) },
		},
		"a route": {
			func(c *cloud, v *View) {
				c.router(v, func(r *model.Router) {
					r.Routes = []model.HostRoute{{Destination: prefix("2001:db8:9::/64"), NextHop: addr("10.10.0.173")}}
				})
			},
			"2001:db8:9::/64",
			func(c *cloud, v *View) { c.router(v, func(r *model.Router) { r.Routes = nil }) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			c.start()
			c.begin()
			c.seenAs(c.outside, "203.0.113.134:80", "203.0.113.1")
			held, _, err := dial(c.outside, "203.0.113.134:80")
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			rules := func() string { return strip(c.inside("iptables-save", "-t", "nat")) }
			before := rules()

			// Another router that comes at the same time does not wait for it.
			other := uuid.NewString()
			c.change(func(v *View) {
				tc.spoil(c, v)
				v.Routers[other] = &model.Router{Meta: model.Meta{ID: other}, AdminStateUp: true}
			})
			c.await("the problem at the host", func() bool { return strings.Contains(c.problem(), tc.problem) && strings.Contains(c.problem(), c.id) })
			c.await("the state of the router", func() bool {
				return c.con.state(model.ObjectRouter, c.id) == model.ObjectError && c.con.state(model.ObjectRouter, other) == model.ObjectActive
			})
			if now := rules(); now != before {
				t.Errorf("the rules were\n%s\nand are\n%s", before, now)
			}
			c.seenAs(c.outside, "203.0.113.134:80", "203.0.113.1")
			c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
			if _, err := held.Write([]byte("x\n")); err != nil {
				t.Error(err)
			}

			c.change(func(v *View) { tc.mend(c, v) })
			c.await("the end of the problem", func() bool {
				return !strings.Contains(c.problem(), c.id) && c.con.state(model.ObjectRouter, c.id) == model.ObjectActive
			})
		})
	}
}
