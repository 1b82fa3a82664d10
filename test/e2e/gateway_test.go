package e2e

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/lab"
)

// What the topology "gateway" gives its network node and the internet.
var (
	nodeAddress    = netip.MustParseAddr("203.0.113.1")
	nodePublic     = netip.MustParseAddr("198.51.100.2")
	internetServer = netip.MustParseAddr("198.51.100.1")
)

// placed is a place of the lab as a guest, for what asks for one.
func (c *Cloud) placed(name string) Guest {
	c.Helper()
	p, err := c.Lab.Place(name)
	c.Must(err)
	return Guest{Guest: lab.Guest{Name: name, Namespace: p.Namespace}, Place: p}
}

func TestGuestsReachTheInternetThroughTwoNATs(t *testing.T) {
	t.Parallel()
	c := Start(t, "gateway")
	attrs := provider("flat", "public", 0)
	attrs["router:external"] = true
	ext := c.Network(attrs)
	c.Subnet(ext, "203.0.113.0/24")
	blue := c.Network(nil)
	r := c.Router(&ext, c.Subnet(blue, "10.10.0.0/24"))
	a, b := c.open("hv1", "a", blue), c.open("hv2", "b", blue)
	onPublic := c.open("hv2", "onpublic", ext)
	fip := c.FloatingIP(ext, &a.Port)
	internet, node := c.placed("internet"), c.placed("net1")
	for _, g := range []Guest{a, b, internet, node} {
		c.Serve(g, 8080)
	}
	// The node's address on the bridge answers only pings: the host is shut.
	c.SeenAs(a, internetServer, 8080, nodePublic)
	c.SeenAs(b, internetServer, 8080, nodePublic)
	c.SeenAs(onPublic, internetServer, 8080, nodePublic)
	if got := c.Ping(b, nodeAddress, quick); got.Received == 0 {
		t.Errorf("the node does not answer: %s", got)
	}
	c.Refused(b, nodeAddress, 8080)

	// Between the two NATs packets have the router's addresses, or the floating.
	seen := c.WatchLink(node.Place, "br-ext", "icmp[0] == 8")
	c.Ping(b, internetServer, lab.Ping{Count: 1})
	c.Ping(a, internetServer, lab.Ping{Count: 1})
	frames := strings.Join(seen(), "\n")
	for _, from := range []netip.Addr{r.External(4), fip.Address} {
		if !strings.Contains(frames, from.String()+" > "+internetServer.String()) {
			t.Errorf("nothing from %s passed br-ext:\n%s", from, frames)
		}
	}
	// The floating address is reached from the node and from across the VXLAN
	// that joins the bridges, and nothing from the internet that was not asked.
	c.SeenAs(node, fip.Address, 8080, nodeAddress)
	c.SeenAs(onPublic, fip.Address, 8080, onPublic.IP(4))
	c.Exec("internet", "ip", "route", "add", "203.0.113.0/24", "via", nodePublic.String())
	c.Refused(internet, fip.Address, 8080)
	c.Refused(internet, r.External(4), 8080)
	// What fits the joined network passes, and no more does: 28 bytes are headers.
	c.Exec("a", "ping", "-c", "1", "-W", "2", "-M", "do", "-s", "1422", internetServer.String())
}
