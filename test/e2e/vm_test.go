package e2e

import "testing"

// TestAVirtualMachineBootsOnATapAndIsServedByItsHost has a real kernel ask.
func TestAVirtualMachineBootsOnATapAndIsServedByItsHost(t *testing.T) {
	c := local(t, "single")
	host := c.Lab.Plan().Hosts[0].Name
	n := c.Network(Attributes{"dns_domain": "blue.example."})
	c.create("subnet", Attributes{
		"network_id": n.ID, "cidr": "10.0.0.0/24", "ip_version": 4, "dns_nameservers": []string{"192.0.2.53"},
		"host_routes": []Attributes{{"destination": "192.0.2.128/25", "nexthop": "10.0.0.7"}},
	}, &Subnet{})
	other := c.Guest(host, "other", n)
	vm := c.VM(host, "vm", c.Port(n, Attributes{"name": "vm"}))
	vm.Lease()
	vm.Says("ip addr show eth0", vm.Port.FixedIPs[0].IP.String()+"/24", "mtu", "1450")
	vm.Says("ip route", "192.0.2.128/25", "10.0.0.7", "default", "10.0.0.1")
	vm.Says("cat /etc/resolv.conf", "192.0.2.53", "blue.example")
	vm.Run("ping -c 2 -W 2 " + other.IP(4).String())
	if out, ok := vm.Try("false"); ok || out != "" {
		t.Errorf("a command that fails is taken for one that succeeds: %q", out)
	}
}
