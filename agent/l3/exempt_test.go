package l3

import (
	"net/netip"
	"testing"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/model"
)

func TestExemptDestinationsSeeGuestsAsTheyAre(t *testing.T) {
	c := newCloud(t)
	linuxtest.Run(t, c.outside, "ip", "route", "add", "10.10.0.0/24", "via", "203.0.113.147")
	linuxtest.Run(t, c.outside, "ip", "addr", "add", "203.0.113.2/32", "dev", "lo")
	c.start()
	c.begin()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
	exempt := func(list ...netip.Prefix) {
		c.change(func(v *View) { c.router(v, func(r *model.Router) { r.NATExempt = list }) })
	}
	exempt(prefix("203.0.113.1/32"))
	c.seenAs(c.h1, "203.0.113.1:80", "10.10.0.173")
	c.seenAs(c.h2, "203.0.113.1:80", "10.10.0.228")   // which has a floating address
	c.seenAs(c.h2, "203.0.113.2:80", "203.0.113.134") // and elsewhere is seen by it
	c.seenAs(c.outside, "203.0.113.134:80", "203.0.113.1")
	exempt()
	c.seenAs(c.h1, "203.0.113.1:80", "203.0.113.147")
}
