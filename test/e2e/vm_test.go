package e2e

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestAVirtualMachineBootsOnATapAndIsServed has a real kernel ask for all that a
// guest with a stock image asks for: of servers on another host, and then of its
// own host.
func TestAVirtualMachineBootsOnATapAndIsServed(t *testing.T) {
	t.Parallel()
	c := Start(t, `
hosts:
  - { name: net1, roles: [controller, network], agent: { roles: [l2, l3, dhcp, metadata] } }
  - { name: hv1, roles: [compute] }
`)
	n := c.Network(Attributes{"dns_domain": "blue.example."})
	var s Subnet
	c.create("subnet", Attributes{
		"network_id": n.ID, "cidr": "10.0.0.0/24", "ip_version": 4,
		"host_routes": []Attributes{{"destination": "192.0.2.128/25", "nexthop": "10.0.0.7"}},
	}, &s)
	c.Router(nil, s)
	db := c.Plug("hv1", "db", c.Port(n, Attributes{"name": "db", "dns_name": "db"}))
	port := c.Port(n, Attributes{"name": "vm", "dns_name": "vm"})
	c.Instance(Attributes{"name": "vm", "user_data": base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho hello\n"))}, Guest{Port: port})

	vm := c.VM("hv1", "vm", port)
	served := func() {
		t.Helper()
		vm.Lease()
		vm.Says("ip addr show eth0", c.fixed(vm.Port, 4).String()+"/24", "mtu", "1450")
		vm.Says("ip route", "192.0.2.128/25", "10.0.0.7", "169.254.169.254", "default", "10.0.0.1")
		vm.Says("cat /etc/resolv.conf", "blue.example")
		vm.Run("ping -c 2 -W 2 " + db.IP(4).String())
		if got := vm.Run("timeout 10 wget -q -O - http://169.254.169.254/latest/user-data"); got != "#!/bin/sh\necho hello" {
			t.Errorf("user data %q", got)
		}
		if got := vm.Run("timeout 10 wget -q -O - http://169.254.169.254/latest/meta-data/local-ipv4"); !strings.Contains(got, c.fixed(vm.Port, 4).String()) {
			t.Errorf("metadata says the address %q", got)
		}
	}
	served()
	vm.Says("nslookup db.blue.example", db.IP(4).String())
	vm.Run("ping -c 1 -W 2 db")

	c.goLocal("net1", "hv1", n)
	served()
	if out, ok := vm.Try("false"); ok || out != "" {
		t.Errorf("a command that fails is taken for one that succeeds: %q", out)
	}
}
