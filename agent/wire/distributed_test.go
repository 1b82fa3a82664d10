package wire_test

import (
	"testing"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
)

// TestAnInterfaceOfADistributedRouterIsWhereItIsPlugged: its record names the
// router's home, to which its packets go until it is plugged here.
func TestAnInterfaceOfADistributedRouterIsWhereItIsPlugged(t *testing.T) {
	h := newHost(t)
	u, here, router := oneNetwork()
	router.DeviceOwner, router.PortSecurityEnabled = "network:router_interface_distributed", false
	h.commit(plugOps(here))
	h.cloud.updates <- u
	away := func() bool {
		return contains(h.switches["br-tun"].text(), "table=20", "dl_dst="+router.MAC.String()) &&
			!contains(h.switches["br-int"].text(), "dl_dst="+router.MAC.String())
	}
	eventually(t, "the way to the router's home", away)

	h.commit(plugOps(router))
	eventually(t, "the router here", func() bool {
		return contains(h.switches["br-int"].text(), "table=61", "dl_dst="+router.MAC.String()) &&
			contains(h.switches["br-int"].text(), "table=95", "dl_src="+router.MAC.String()) &&
			contains(h.switches["br-tun"].text(), "table=20", "dl_dst="+model.PortMAC(peerName, router.MAC).String()) &&
			!contains(h.switches["br-tun"].text(), "table=20", "dl_dst="+router.MAC.String())
	})
	if got := h.cloud.status(router.ID); got.State != "" {
		t.Errorf("reported in its home's place: %+v", got)
	}

	h.commit(ovsdb.DeletePort{Name: tap(router)})
	eventually(t, "the way to the router's home again", away)
}
