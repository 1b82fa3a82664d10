package e2e

import (
	"strings"
	"testing"
)

// Networks without routers: their guests are sent to the DHCP servers, whichever
// gave the lease, and each is told of itself though the addresses are the same.
func TestGuestsOfIsolatedNetworksAreToldOfThemselves(t *testing.T) {
	t.Parallel()
	c := Start(t, withDHCP)
	var guests []Guest
	for _, name := range []string{"red", "blue"} {
		n := c.Network(Attributes{"name": name})
		c.Subnet(n, "10.0.0.0/24")
		g := c.Bare("hv1", name, c.Port(n, Attributes{"name": name, "fixed_ips": []Attributes{{"ip_address": "10.0.0.9"}}}))
		c.Instance(Attributes{"name": name}, g)
		guests = append(guests, g)
	}
	for _, g := range guests {
		c.Takes(g, c.Lease(g, "121"))
		c.Told(g, metadata4+"/latest/meta-data/hostname", g.Guest.Name+".openstacklocal")
		c.Told(g, metadata6+"/latest/meta-data/hostname", g.Guest.Name+".openstacklocal")
		c.toldAtOnce(g)
	}
	for _, host := range []string{"net1", "net2"} {
		c.Must(c.Lab.Stop(t.Context(), host, "agent", true))
	}
	for _, g := range guests {
		if got, err := c.Get(g, metadata4+"/latest/meta-data/hostname"); err != nil || got != g.Guest.Name+".openstacklocal" {
			t.Errorf("%s without agents: %q %v", g.Guest.Name, got, err)
		}
	}
}

// toldAtOnce has a guest that does not know who has the metadata service's IPv6
// address ask there: of those who have it one is taken, and not left for another
// that answers later.
func (c *Cloud) toldAtOnce(g Guest) {
	c.Helper()
	for range 10 {
		c.Exec(g.Guest.Name, "ip", "neigh", "flush", "dev", "eth0")
		if _, err := c.Get(g, metadata6+"/latest/meta-data/hostname"); err != nil {
			c.Errorf("%s, which has forgotten its neighbours: %v", g.Guest.Name, err)
		}
	}
}

// A distributed router is on each guest's own host, and so is who answers.
func TestHostsThatRouteForTheirGuestsAnswerThemToo(t *testing.T) {
	t.Parallel()
	c := Start(t, strings.ReplaceAll(routingHosts, "[l2, dvr]", "[l2, dvr, metadata]"))
	n := c.Network(nil)
	s4, s6 := c.Subnet(n, "10.10.0.0/24"), c.Subnet(n, "fd00:10::/64")
	c.DistributedRouter(nil, s4, s6)
	for _, host := range []string{"hv1", "hv2"} {
		g := c.Guest(host, "on-"+host, n)
		c.Instance(Attributes{"name": "on-" + host}, g)
		c.Told(g, metadata4+"/latest/meta-data/hostname", "on-"+host+".openstacklocal")
		c.Told(g, metadata6+"/latest/meta-data/hostname", "on-"+host+".openstacklocal")
	}
}
